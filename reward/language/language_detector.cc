// CLD2 wants UTF-8 without control characters; it draws no random numbers.
#include "reward/language/language_detector.h"

#include <algorithm>

#include "cld2/public/compact_lang_det.h"
#include "reward/language/script.h"
#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

struct Summary {
  CLD2::Language languages[3];
  int percents[3];
  bool reliable = false;
};

bool IsInterchangeable(char32_t c) {
  if (c < 0x20) return c == '\n' || c == '\t';
  const bool noncharacter = (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE;
  return c != 0x7F && !(c >= 0x80 && c < 0xA0) && !noncharacter;
}

Summary Summarise(std::u32string_view text) {
  std::u32string clean(text.substr(0, kDetectedBytesMax / 4));
  for (char32_t& c : clean) {
    if (!IsInterchangeable(c)) c = U' ';
  }
  const std::string bytes = Encoded(clean);
  Summary summary;
  int text_bytes = 0;
  CLD2::DetectLanguageSummary(bytes.data(), static_cast<int>(bytes.size()),
                              /*is_plain_text=*/true, summary.languages, summary.percents,
                              &text_bytes, &summary.reliable);
  return summary;
}

// CLD2's name for it, as the table of languages spells it; "" for one that is not in the table.
std::string CodeOf(CLD2::Language language) {
  const LanguageScripts* known = LanguageOfCode(CLD2::LanguageCode(language));
  return known == nullptr ? "" : std::string(known->code);
}

}  // namespace

DetectedLanguage DetectLanguage(std::u32string_view text) {
  if (const LanguageScripts* language = LanguageOfScript(CountScripts(text))) {
    return {std::string(language->code), true};
  }
  const Summary summary = Summarise(text);
  return {CodeOf(summary.languages[0]), summary.reliable};
}

double DetectedShare(std::u32string_view text, std::string_view code) {
  const Summary summary = Summarise(text);
  int percent = 0;
  for (int i = 0; i < 3; ++i) {
    if (CodeOf(summary.languages[i]) == code) percent += summary.percents[i];
  }
  return std::min(percent, 100) / 100.0;
}

}  // namespace temper::reward
