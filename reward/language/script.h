// The writing systems of letters, and which of them a language is written in.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace temper::reward {

enum class Script {
  kOther,
  kLatin,
  kGreek,
  kCyrillic,
  kArmenian,
  kHebrew,
  kArabic,
  kDevanagari,
  kBengali,
  kGurmukhi,
  kGujarati,
  kOriya,
  kTamil,
  kTelugu,
  kKannada,
  kMalayalam,
  kSinhala,
  kThai,
  kLao,
  kTibetan,
  kMyanmar,
  kGeorgian,
  kHangul,
  kEthiopic,
  kKhmer,
  kMongolian,
  kKana,
  kHan,
  kCount,
};

// Letters of each script in a text; characters that are no letters are not counted.
struct ScriptCounts {
  std::array<size_t, static_cast<size_t>(Script::kCount)> of{};
  size_t letters = 0;

  size_t operator[](Script script) const { return of[static_cast<size_t>(script)]; }
};
ScriptCounts CountScripts(std::u32string_view text);

// What a language (ISO 639-1) is written in.
struct LanguageScripts {
  std::string_view code;
  Script script;                   // its own
  Script beside = Script::kOther;  // letters of this one belong to it too: Japanese writes Han
  bool only = false;               // no other language of the table has this script
};

// Null for a language that is not in the table.
const LanguageScripts* LanguageOfCode(std::string_view code);

// "ar, bg, bn, ...", for messages.
std::string_view KnownLanguages();

// The language whose own script makes up at least half of the letters, where no other language
// shares that script; null otherwise.
const LanguageScripts* LanguageOfScript(const ScriptCounts& counts);

// Share of the letters that are of the language's scripts; 0 without letters, and for Japanese
// without any kana.
double ShareOf(const LanguageScripts& language, const ScriptCounts& counts);

}  // namespace temper::reward
