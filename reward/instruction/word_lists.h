// Closed lists of words and characters that IFBench's constraints are about.
#pragma once

#include <string_view>

namespace temper::reward {

bool IsStopWord(std::u32string_view lower);  // NLTK's English list; those without apostrophes
bool IsPronoun(std::u32string_view lower);
bool IsEmoji(char32_t c);  // one code point that is an emoji by itself

// Syllables of a word in lower case as the package syllapy counts them, modulo 2: by groups of
// vowels, but for the words of its dictionary that this would get wrong. Words with digits have 0.
int SyllableParity(std::u32string_view lower);

}  // namespace temper::reward
