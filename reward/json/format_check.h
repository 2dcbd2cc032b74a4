// The values of JSON schema's "format" that are checked.
#pragma once

#include <optional>
#include <string_view>

namespace temper::reward {

// Whether the text has the form that is named; nothing for a format that is not checked. Checked:
// date, time, date-time (RFC 3339), email, hostname, ipv4, ipv6, uuid, uri. Linear.
std::optional<bool> FitsFormat(std::string_view format, std::string_view text);

}  // namespace temper::reward
