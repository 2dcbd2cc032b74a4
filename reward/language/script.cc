// Ranges of the Unicode blocks that hold a script's letters.
#include "reward/language/script.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

struct Range {
  char32_t first;
  char32_t last;
  Script script;
};

// In order; what lies between is Script::kOther.
constexpr Range kRanges[] = {
    {0x0041, 0x024F, Script::kLatin},    {0x0250, 0x02AF, Script::kLatin},
    {0x0370, 0x03FF, Script::kGreek},    {0x0400, 0x052F, Script::kCyrillic},
    {0x0530, 0x058F, Script::kArmenian}, {0x0590, 0x05FF, Script::kHebrew},
    {0x0600, 0x06FF, Script::kArabic},   {0x0750, 0x077F, Script::kArabic},
    {0x08A0, 0x08FF, Script::kArabic},   {0x0900, 0x097F, Script::kDevanagari},
    {0x0980, 0x09FF, Script::kBengali},  {0x0A00, 0x0A7F, Script::kGurmukhi},
    {0x0A80, 0x0AFF, Script::kGujarati}, {0x0B00, 0x0B7F, Script::kOriya},
    {0x0B80, 0x0BFF, Script::kTamil},    {0x0C00, 0x0C7F, Script::kTelugu},
    {0x0C80, 0x0CFF, Script::kKannada},  {0x0D00, 0x0D7F, Script::kMalayalam},
    {0x0D80, 0x0DFF, Script::kSinhala},  {0x0E00, 0x0E7F, Script::kThai},
    {0x0E80, 0x0EFF, Script::kLao},      {0x0F00, 0x0FFF, Script::kTibetan},
    {0x1000, 0x109F, Script::kMyanmar},  {0x10A0, 0x10FF, Script::kGeorgian},
    {0x1100, 0x11FF, Script::kHangul},   {0x1200, 0x139F, Script::kEthiopic},
    {0x1780, 0x17FF, Script::kKhmer},    {0x1800, 0x18AF, Script::kMongolian},
    {0x1C80, 0x1C8F, Script::kCyrillic}, {0x1C90, 0x1CBF, Script::kGeorgian},
    {0x1D00, 0x1DBF, Script::kLatin},    {0x1E00, 0x1EFF, Script::kLatin},
    {0x1F00, 0x1FFF, Script::kGreek},    {0x2C60, 0x2C7F, Script::kLatin},
    {0x2DE0, 0x2DFF, Script::kCyrillic}, {0x2E80, 0x2FDF, Script::kHan},
    {0x3005, 0x3007, Script::kHan},      {0x3040, 0x30FF, Script::kKana},
    {0x3130, 0x318F, Script::kHangul},   {0x31F0, 0x31FF, Script::kKana},
    {0x3400, 0x4DBF, Script::kHan},      {0x4E00, 0x9FFF, Script::kHan},
    {0xA640, 0xA69F, Script::kCyrillic}, {0xA720, 0xA7FF, Script::kLatin},
    {0xAB30, 0xAB6F, Script::kLatin},    {0xAC00, 0xD7FF, Script::kHangul},
    {0xF900, 0xFAFF, Script::kHan},      {0xFB00, 0xFB06, Script::kLatin},
    {0xFB1D, 0xFB4F, Script::kHebrew},   {0xFB50, 0xFDFF, Script::kArabic},
    {0xFE70, 0xFEFC, Script::kArabic},   {0xFF21, 0xFF5A, Script::kLatin},
    {0xFF66, 0xFF9D, Script::kKana},     {0x20000, 0x3FFFF, Script::kHan},
};

constexpr Script kNone = Script::kOther;
constexpr LanguageScripts kLanguages[] = {
    {"af", Script::kLatin},
    {"am", Script::kEthiopic},
    {"ar", Script::kArabic},
    {"az", Script::kLatin},
    {"be", Script::kCyrillic},
    {"bg", Script::kCyrillic},
    {"bn", Script::kBengali, kNone, true},
    {"bo", Script::kTibetan, kNone, true},
    {"bs", Script::kLatin},
    {"ca", Script::kLatin},
    {"cs", Script::kLatin},
    {"cy", Script::kLatin},
    {"da", Script::kLatin},
    {"de", Script::kLatin},
    {"el", Script::kGreek, kNone, true},
    {"en", Script::kLatin},
    {"eo", Script::kLatin},
    {"es", Script::kLatin},
    {"et", Script::kLatin},
    {"eu", Script::kLatin},
    {"fa", Script::kArabic},
    {"fi", Script::kLatin},
    {"fr", Script::kLatin},
    {"ga", Script::kLatin},
    {"gl", Script::kLatin},
    {"gu", Script::kGujarati, kNone, true},
    {"he", Script::kHebrew},
    {"hi", Script::kDevanagari},
    {"hr", Script::kLatin},
    {"hu", Script::kLatin},
    {"hy", Script::kArmenian, kNone, true},
    {"id", Script::kLatin},
    {"is", Script::kLatin},
    {"it", Script::kLatin},
    {"ja", Script::kKana, Script::kHan, true},
    {"ka", Script::kGeorgian, kNone, true},
    {"kk", Script::kCyrillic},
    {"km", Script::kKhmer, kNone, true},
    {"kn", Script::kKannada, kNone, true},
    {"ko", Script::kHangul, Script::kHan, true},
    {"la", Script::kLatin},
    {"lo", Script::kLao, kNone, true},
    {"lt", Script::kLatin},
    {"lv", Script::kLatin},
    {"mk", Script::kCyrillic},
    {"ml", Script::kMalayalam, kNone, true},
    {"mn", Script::kCyrillic},
    {"mr", Script::kDevanagari},
    {"ms", Script::kLatin},
    {"my", Script::kMyanmar, kNone, true},
    {"ne", Script::kDevanagari},
    {"nl", Script::kLatin},
    {"no", Script::kLatin},
    {"or", Script::kOriya, kNone, true},
    {"pa", Script::kGurmukhi, kNone, true},
    {"pl", Script::kLatin},
    {"pt", Script::kLatin},
    {"ro", Script::kLatin},
    {"ru", Script::kCyrillic},
    {"si", Script::kSinhala, kNone, true},
    {"sk", Script::kLatin},
    {"sl", Script::kLatin},
    {"so", Script::kLatin},
    {"sq", Script::kLatin},
    {"sr", Script::kCyrillic, Script::kLatin},
    {"sv", Script::kLatin},
    {"sw", Script::kLatin},
    {"ta", Script::kTamil, kNone, true},
    {"te", Script::kTelugu, kNone, true},
    {"th", Script::kThai, kNone, true},
    {"tl", Script::kLatin},
    {"tr", Script::kLatin},
    {"uk", Script::kCyrillic},
    {"ur", Script::kArabic},
    {"uz", Script::kLatin},
    {"vi", Script::kLatin},
    {"yi", Script::kHebrew},
    {"zh", Script::kHan, kNone, true},
};

Script ScriptOf(char32_t c) {
  const Range* range = std::upper_bound(
      std::begin(kRanges), std::end(kRanges), c,
      [](char32_t point, const Range& candidate) { return point < candidate.first; });
  if (range == std::begin(kRanges)) return Script::kOther;
  --range;
  return c <= range->last ? range->script : Script::kOther;
}

}  // namespace

ScriptCounts CountScripts(std::u32string_view text) {
  ScriptCounts counts;
  for (const char32_t c : text) {
    if (!IsAlphabetic(c)) continue;
    ++counts.letters;
    ++counts.of[static_cast<size_t>(ScriptOf(c))];
  }
  return counts;
}

const LanguageScripts* LanguageOfCode(std::string_view code) {
  if (code == "nb" || code == "nn") code = "no";
  if (code == "iw") code = "he";
  if (code == "fil") code = "tl";
  if (code == "zh-cn" || code == "zh-tw" || code == "zh-Hant" || code == "zh-Hans") code = "zh";
  for (const LanguageScripts& language : kLanguages) {
    if (language.code == code) return &language;
  }
  return nullptr;
}

std::string_view KnownLanguages() {
  static const std::string& known = *[] {
    auto* listed = new std::string;
    for (const LanguageScripts& language : kLanguages) {
      if (!listed->empty()) *listed += ", ";
      *listed += language.code;
    }
    return listed;
  }();
  return known;
}

const LanguageScripts* LanguageOfScript(const ScriptCounts& counts) {
  // A few kana make Japanese of any number of Han.
  const size_t kana = counts[Script::kKana];
  if (kana > 0 && 2 * (kana + counts[Script::kHan]) >= counts.letters) {
    const bool japanese = 20 * kana >= counts[Script::kHan];
    return LanguageOfCode(japanese ? "ja" : "zh");
  }
  for (const LanguageScripts& language : kLanguages) {
    const size_t own = counts[language.script];
    if (language.only && own > 0 && 2 * own >= counts.letters) return &language;
  }
  return nullptr;
}

double ShareOf(const LanguageScripts& language, const ScriptCounts& counts) {
  if (counts.letters == 0) return 0;
  if (language.script == Script::kKana && counts[Script::kKana] == 0) return 0;
  size_t own = counts[language.script];
  if (language.beside != Script::kOther) own += counts[language.beside];
  return static_cast<double>(own) / static_cast<double>(counts.letters);
}

}  // namespace temper::reward
