// A text without the blanks (space, tab, line ends; ASCII only) at its ends.
#pragma once

#include <string_view>

#include "absl/strings/ascii.h"

namespace temper {

// absl's StripAsciiWhitespace, for std::string_view. Borrowed from `text`.
inline std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && absl::ascii_isspace(static_cast<unsigned char>(text.front()))) {
    text.remove_prefix(1);
  }
  while (!text.empty() && absl::ascii_isspace(static_cast<unsigned char>(text.back()))) {
    text.remove_suffix(1);
  }
  return text;
}

}  // namespace temper
