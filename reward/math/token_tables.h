// Which spellings of LaTeX and Unicode mean the same. Constant after their first use; any thread.
#pragma once

#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

namespace temper::reward::math {

using SpellingTable = absl::flat_hash_map<std::string_view, std::string_view>;
using SpellingSet = absl::flat_hash_set<std::string_view>;

const SpellingSet& Silent();           // macros that only space or size what stands around them
const SpellingSet& Wording();          // macros whose braces hold words
const SpellingSet& Lettering();        // macros whose braces hold symbols in another letter
const SpellingTable& MacroMarks();     // macros that are marks
const SpellingTable& MacroSynonyms();  // macros with another name
const SpellingTable& Foreign();        // characters beyond ASCII that are marks
const SpellingTable& ForeignMacros();  // characters that are macros
const SpellingTable& Raised();         // superscripts
const SpellingTable& Lowered();        // subscripts
const SpellingTable& Vulgar();         // fractions that are one character

}  // namespace temper::reward::math
