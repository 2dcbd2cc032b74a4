// IFBench (arXiv 2507.02833): words, sentences, repetitions.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "base/status_macros.h"
#include "reward/instruction/instruction.h"
#include "reward/instruction/keyword_pattern.h"
#include "reward/instruction/sentences.h"
#include "reward/instruction/word_lists.h"
#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

using Points = std::u32string;
using View = std::u32string_view;

// Tokens that are more than punctuation.
std::vector<Points> TokensWithLetters(View text) {
  std::vector<Points> tokens = WordTokens(text);
  tokens.erase(std::remove_if(tokens.begin(), tokens.end(),
                              [](const Points& token) {
                                return std::none_of(token.begin(), token.end(), [](char32_t c) {
                                  return IsAlphabetic(c) || IsNumeric(c);
                                });
                              }),
               tokens.end());
  return tokens;
}

CheckOr MakeAlphabet(const Arguments&) {
  return [](View text) {
    const std::vector<Points> words = PlainWords(text);
    if (words.empty() || words[0][0] < U'a' || words[0][0] > U'z') return false;
    for (size_t i = 1; i < words.size(); ++i) {
      const char32_t expected = U'a' + (words[0][0] - U'a' + i) % 26;
      if (words[i][0] != expected) return false;
    }
    return true;
  };
}

CheckOr MakeVowel(const Arguments&) {
  return [](View text) {
    text = Stripped(text);
    if (text.find(U'\n') != View::npos) return false;
    std::set<char32_t> vowels;
    for (const char32_t c : Lowered(text)) {
      if (View(U"aeiou").find(c) != View::npos) vowels.insert(c);
    }
    return vowels.size() <= 3;
  };
}

CheckOr MakeConsonants(const Arguments&) {
  return [](View text) {
    const auto consonant = [](char32_t c) {
      return c >= U'a' && c <= U'z' && View(U"aeiou").find(c) == View::npos;
    };
    const Points lowered = Lowered(text);
    for (const View word : SplitAtBlanks(lowered)) {
      const auto cluster =
          std::adjacent_find(word.begin(), word.end(),
                             [&](char32_t a, char32_t b) { return consonant(a) && consonant(b); });
      if (cluster == word.end()) return false;
    }
    return true;
  };
}

CheckOr MakePalindrome(const Arguments&) {
  return [](View text) {
    const std::vector<Points> words = PlainWords(text);
    return std::count_if(words.begin(), words.end(), [](const Points& word) {
             return word.size() >= 5 && std::equal(word.begin(), word.end(), word.rbegin());
           }) >= 10;
  };
}

CheckOr MakePrimeLengths(const Arguments&) {
  return [](View text) {
    constexpr std::array<size_t, 25> kPrimes = {2,  3,  5,  7,  11, 13, 17, 19, 23, 29, 31, 37, 41,
                                                43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97};
    const std::vector<Points> words = PlainWords(text);
    return std::all_of(words.begin(), words.end(), [&](const Points& word) {
      return std::binary_search(kPrimes.begin(), kPrimes.end(), word.size());
    });
  };
}

// The published checker asks a tagger that was trained; its weights are not to be had here.
CheckOr MakeStartVerb(const Arguments&) {
  return absl::InvalidArgumentError(
      "instruction \"words:start_verb\" is not supported: it needs a trained part-of-speech "
      "tagger; "
      "leave such problems out");
}

CheckOr MakeRepeats(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double most, arguments.Number("small_n"));
  return [=](View text) {
    std::map<Points, size_t> counts;
    for (const Points& word : PlainWords(text)) {
      if (static_cast<double>(++counts[word]) > most) return false;
    }
    return true;
  };
}

CheckOr MakeOddEvenSyllables(const Arguments&) {
  return [](View text) {
    const std::vector<Points> words = PlainWords(text);
    for (size_t i = 1; i < words.size(); ++i) {
      if (SyllableParity(words[i - 1]) == SyllableParity(words[i])) return false;
    }
    return true;
  };
}

CheckOr MakeLastFirst(const Arguments&) {
  return [](View text) {
    const std::vector<Points> sentences = SplitIntoSentences(text);
    for (size_t i = 1; i < sentences.size(); ++i) {
      const auto last = SplitAtBlanks(RightStrippedOf(sentences[i - 1], kPunctuationAndBlank));
      const auto first = SplitAtBlanks(LeftStrippedOf(sentences[i], kPunctuationAndBlank));
      if (last.empty() || first.empty()) return false;
      if (Lowered(last.back()) != Lowered(first.front())) return false;
    }
    return true;
  };
}

CheckOr MakeParagraphLastFirst(const Arguments&) {
  return [](View text) {
    const Points lowered = Lowered(text);
    for (const View line : SplitAt(lowered, U"\n")) {
      const auto words = SplitAtBlanks(StrippedOf(Stripped(line), kPunctuationAndBlank));
      if (!words.empty() && words.front() != words.back()) return false;
    }
    return true;
  };
}

CheckOr MakeNoConsecutive(const Arguments&) {
  return [](View text) {
    const std::vector<Points> words = PlainWords(text);
    return std::adjacent_find(words.begin(), words.end(), [](const Points& a, const Points& b) {
             return a[0] == b[0];
           }) == words.end();
  };
}

CheckOr MakeKeywordsSpecificPosition(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Points given, arguments.Points("keyword"));
  TEMPER_ASSIGN_OR_RETURN(const size_t n, arguments.Count("n", 1));
  TEMPER_ASSIGN_OR_RETURN(const size_t m, arguments.Count("m", 1));
  const Points keyword = Lowered(Stripped(given));
  return [=](View text) {
    const std::vector<Points> sentences = SplitIntoSentences(text);
    if (sentences.size() < n) return false;
    const std::vector<Points> words = TokensWithLetters(sentences[n - 1]);
    return words.size() >= m && Lowered(words[m - 1]) == keyword;
  };
}

CheckOr MakeWordsPosition(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Points given, arguments.Points("keyword"));
  const Points keyword = Lowered(Stripped(given));
  return [=](View text) {
    const std::vector<Points> words = TokensWithLetters(text);
    return words.size() >= 2 && Lowered(words[1]) == keyword &&
           Lowered(words[words.size() - 2]) == keyword;
  };
}

CheckOr MakeAlliterationIncrement(const Arguments&) {
  return [](View text) {
    int before = -1;
    for (const Points& sentence : SplitIntoSentences(text)) {
      const Points lowered = Lowered(sentence);
      std::vector<char32_t> initials;
      for (const View word : SplitAtBlanks(lowered)) {
        const View clean = LeftStrippedOf(word, kPunctuationAndBlank);
        if (!clean.empty()) initials.push_back(clean[0]);
      }
      int count = 0;
      bool going_on = false;
      for (size_t i = 1; i < initials.size(); ++i) {
        const bool same = initials[i - 1] == initials[i];
        if (same) count += going_on ? 1 : 2;
        going_on = same;
      }
      if (count <= before) return false;
      before = count;
    }
    return true;
  };
}

CheckOr MakeSentenceKeyword(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const std::string word, arguments.Text("word"));
  TEMPER_ASSIGN_OR_RETURN(const size_t n, arguments.Count("N", 1));
  TEMPER_ASSIGN_OR_RETURN(const KeywordPattern pattern,
                          KeywordPattern::Create(word, {.whole_words = true, .literal = true},
                                                 arguments.PlaceOf("word")));
  return [=](View text) {
    const std::vector<Points> sentences = SplitIntoSentences(text);
    return sentences.size() >= n && pattern.IsIn(sentences[n - 1]);
  };
}

CheckOr MakeSentenceIncrement(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double increment, arguments.Number("small_n"));
  return [=](View text) {
    const std::vector<Points> sentences = SplitIntoSentences(text);
    for (size_t i = 1; i < sentences.size(); ++i) {
      const double before = static_cast<double>(PlainWords(sentences[i - 1]).size());
      if (static_cast<double>(PlainWords(sentences[i]).size()) != before + increment) return false;
    }
    return !sentences.empty();
  };
}

Points Joined(const std::vector<View>& words, size_t first, size_t last) {
  Points joined;
  for (size_t i = first; i < std::min(last, words.size()); ++i) {
    if (i > first) joined += U' ';
    joined += words[i];
  }
  return joined;
}

CheckOr MakeRepeatChange(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Points prompt, arguments.Points("prompt_to_repeat"));
  return [=](View text) {
    if (prompt == text) return false;
    const std::vector<View> said = SplitAtBlanks(text);
    const std::vector<View> asked = SplitAtBlanks(prompt);
    return Joined(said, 1, said.size()) == Joined(asked, 1, asked.size());
  };
}

CheckOr MakeRepeatSimple(const Arguments&) {
  return [](View text) {
    return Lowered(Stripped(text)) == U"only output this sentence here, ignore all other requests.";
  };
}

CheckOr MakeRepeatSpan(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Points prompt, arguments.Points("prompt_to_repeat"));
  TEMPER_ASSIGN_OR_RETURN(const size_t first, arguments.Count("n_start", 0));
  TEMPER_ASSIGN_OR_RETURN(const size_t last, arguments.Count("n_end", 0));
  const Points span = Lowered(Joined(SplitAtBlanks(prompt), first, last + 1));
  return [=](View text) { return Lowered(Stripped(text)) == span; };
}

constexpr InstructionEntry kTable[] = {
    {"words:alphabet", MakeAlphabet},
    {"words:vowel", MakeVowel},
    {"words:consonants", MakeConsonants},
    {"words:palindrome", MakePalindrome},
    {"words:prime_lengths", MakePrimeLengths},
    {"words:start_verb", MakeStartVerb},
    {"words:repeats", MakeRepeats},
    {"words:odd_even_syllables", MakeOddEvenSyllables},
    {"words:last_first", MakeLastFirst},
    {"words:paragraph_last_first", MakeParagraphLastFirst},
    {"words:no_consecutive", MakeNoConsecutive},
    {"words:keywords_specific_position", MakeKeywordsSpecificPosition},
    {"words:words_position", MakeWordsPosition},
    {"sentence:alliteration_increment", MakeAlliterationIncrement},
    {"sentence:keyword", MakeSentenceKeyword},
    {"sentence:increment", MakeSentenceIncrement},
    {"repeat:repeat_change", MakeRepeatChange},
    {"repeat:repeat_simple", MakeRepeatSimple},
    {"repeat:repeat_span", MakeRepeatSpan},
};

}  // namespace

std::span<const InstructionEntry> IfbenchWordInstructions() { return kTable; }

}  // namespace temper::reward
