// Comma-separated values as RFC 4180 has them: what spreadsheets and pandas write.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace temper::eval {

// Calls `row` for each record with the line on which it begins; fields in quotes may hold line
// ends, commas and doubled quotes. Blank lines are passed over. INVALID_ARGUMENT, "line N: ...": a
// quote that never closes or stands where none may; otherwise what `row` returned, at once.
absl::Status ReadCsv(
    std::string_view text,
    const std::function<absl::Status(int line, std::vector<std::string> fields)>& row);

}  // namespace temper::eval
