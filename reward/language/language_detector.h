// Tells the language of a text: by its script where that is enough, else by CLD2's tables.
#pragma once

#include <string>
#include <string_view>

namespace temper::reward {

// The most that is looked at.
inline constexpr size_t kDetectedBytesMax = 64 << 10;

struct DetectedLanguage {
  std::string code;      // ISO 639-1; "" when nothing can be said
  bool certain = false;  // by its script, or CLD2 is sure
};

// A function of the text alone: no chance, no state. Linear. Any thread.
DetectedLanguage DetectLanguage(std::u32string_view text);

// Share of the text (in bytes, by CLD2's reckoning in per cent) that is `code`; 0 when it is none
// of the three most frequent languages.
double DetectedShare(std::u32string_view text, std::string_view code);

}  // namespace temper::reward
