// Finds the program in a response, and knows how each language is compiled and run.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace temper::reward {

// One row of the table of languages.
struct Language {
  std::string_view name;
  std::vector<std::string_view> tags;     // of a fenced block, lower case
  std::string_view source;                // what the program's file is called
  std::vector<std::string_view> compile;  // empty: nothing to compile
  std::string_view artefact;              // what compiling makes and running needs
  std::vector<std::string_view> run;
};

// nullptr for an unknown name or tag.
const Language* FindLanguage(std::string_view name);
// "python", "cpp", "c".
std::string LanguageNames();

// The program of a response: thinking is left out; then the last closed fenced block tagged with
// the language; else the last closed block without a tag; else the last block of either kind that
// never closes; and the whole text where it has no fence at all. Blocks of other languages are
// passed over. Nothing when there is no such block.
std::optional<std::string> ExtractProgram(std::string_view response, const Language& language);

}  // namespace temper::reward
