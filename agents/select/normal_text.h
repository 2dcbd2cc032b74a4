// When two texts count as the same: for votes and for dropping copies.
#pragma once

#include <string>
#include <string_view>

namespace temper::agents {

// Without blanks at both ends, with one space for every run of blanks, and with A-Z in lower case;
// all other bytes as they are. Trailing full stops go too: "42." votes for "42".
std::string NormalText(std::string_view text);

}  // namespace temper::agents
