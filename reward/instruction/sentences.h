// Two ways to cut a text into sentences, and words as the Penn Treebank has them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace temper::reward {

// The rules that IFEval and IFBench publish as split_into_sentences: abbreviations, initials,
// decimals and web addresses do not end a sentence; ".", "?" and "!" do; line ends are blanks.
// Sentences are stripped; an empty one at the end is dropped.
std::vector<std::u32string> SplitIntoSentences(std::u32string_view text);

// Where the published checkers use NLTK's trained Punkt model, which is data of its own, this rule
// stands in: a sentence ends behind a run of ".", "?" and "!" (closing quotation marks and brackets
// belong to it) that blanks or the end follow, unless the run is one full stop behind a known
// abbreviation or a single letter, or a word in lower case follows an ellipsis or abbreviation.
// Pieces cover the text but for blanks around them.
std::vector<std::u32string_view> PunktSentences(std::u32string_view text);

// NLTK's word_tokenize: PunktSentences, each cut by the rules of its Treebank tokenizer.
std::vector<std::u32string> WordTokens(std::u32string_view text);

}  // namespace temper::reward
