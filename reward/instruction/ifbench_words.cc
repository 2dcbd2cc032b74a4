// IFBench (arXiv 2507.02833): counts, ratios, words, sentences, repetitions. Semantics are those of
// the published repository, quirks included; docs/verifiers.md says where they are not.
#include <algorithm>
#include <array>
#include <cmath>
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

constexpr View kMarksAndBlank = U" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

// Lower case, no punctuation, cut at blanks.
std::vector<Points> PlainWords(View text) {
  const Points plain = Lowered(WithoutPunctuation(text));
  std::vector<Points> words;
  for (const View word : SplitAtBlanks(plain)) words.emplace_back(word);
  return words;
}

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

size_t EndingIn(const std::vector<Points>& sentences, char32_t mark) {
  return static_cast<size_t>(std::count_if(
      sentences.begin(), sentences.end(),
      [=](const Points& sentence) { return !sentence.empty() && sentence.back() == mark; }));
}

CheckOr MakeWordCountRange(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double least, arguments.Number("min_words"));
  TEMPER_ASSIGN_OR_RETURN(const double most, arguments.Number("max_words"));
  return [=](View text) {
    const double count = static_cast<double>(WordRuns(text).size());
    return least <= count && count <= most;
  };
}

CheckOr MakeUniqueWordCount(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double least, arguments.Number("N"));
  return [=](View text) {
    const Points lowered = Lowered(text);
    std::set<View> unique;
    for (const View word : SplitAtBlanks(lowered)) unique.insert(StrippedOf(word, kMarksAndBlank));
    return static_cast<double>(unique.size()) >= least;
  };
}

CheckOr MakeStopWords(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double most, arguments.Number("percentage"));
  return [=](View text) {
    const std::vector<View> words = WordRuns(text);
    if (words.empty()) return false;
    const auto stops = std::count_if(words.begin(), words.end(),
                                     [](View word) { return IsStopWord(Lowered(word)); });
    return static_cast<double>(stops) / static_cast<double>(words.size()) * 100 <= most;
  };
}

CheckOr MakeSentenceType(const Arguments&) {
  return [](View text) {
    const std::vector<Points> sentences = SplitIntoSentences(text);
    return EndingIn(sentences, U'.') == 2 * EndingIn(sentences, U'?');
  };
}

CheckOr MakeSentenceBalance(const Arguments&) {
  return [](View text) {
    const std::vector<Points> sentences = SplitIntoSentences(text);
    const size_t stops = EndingIn(sentences, U'.');
    return stops == EndingIn(sentences, U'?') && stops == EndingIn(sentences, U'!');
  };
}

// "And" and "and," are two: the published checker compares the words as they stand.
CheckOr MakeConjunctions(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double least, arguments.Number("small_n"));
  return [=](View text) {
    constexpr std::array<View, 7> kWords = {U"and", U"but", U"for", U"nor", U"or", U"so", U"yet"};
    std::set<View> found;
    for (const View word : SplitAtBlanks(text)) {
      const Points plain = Lowered(StrippedOf(word, kMarksAndBlank));
      if (std::find(kWords.begin(), kWords.end(), View(plain)) != kWords.end()) found.insert(word);
    }
    return static_cast<double>(found.size()) >= least;
  };
}

CheckOr MakePersonNames(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double least, arguments.Number("N"));
  constexpr const char* kNames[] = {
      "Emma",     "Liam",     "Sophia",   "Jackson", "Olivia",      "Noah",      "Ava",
      "Lucas",    "Isabella", "Mason",    "Mia",     "Ethan",       "Charlotte", "Alexander",
      "Amelia",   "Benjamin", "Harper",   "Leo",     "Zoe",         "Daniel",    "Chloe",
      "Samuel",   "Lily",     "Matthew",  "Grace",   "Owen",        "Abigail",   "Gabriel",
      "Ella",     "Jacob",    "Scarlett", "Nathan",  "Victoria",    "Elijah",    "Layla",
      "Nicholas", "Audrey",   "David",    "Hannah",  "Christopher", "Penelope",  "Thomas",
      "Nora",     "Andrew",   "Aria",     "Joseph",  "Claire",      "Ryan",      "Stella",
      "Jonathan"};
  std::vector<KeywordPattern> names;
  for (const char* name : kNames) {
    TEMPER_ASSIGN_OR_RETURN(
        KeywordPattern pattern,
        KeywordPattern::Create(name, {.whole_words = true, .literal = true, .any_case = false},
                               "names"));
    names.push_back(std::move(pattern));
  }
  return [=](View text) {
    const auto found = std::count_if(names.begin(), names.end(),
                                     [&](const KeywordPattern& name) { return name.IsIn(text); });
    return static_cast<double>(found) >= least;
  };
}

std::set<std::array<Points, 3>> Trigrams(View text) {
  const std::vector<Points> words = WordTokens(text);
  std::set<std::array<Points, 3>> trigrams;
  for (size_t i = 2; i < words.size(); ++i) {
    trigrams.insert({words[i - 2], words[i - 1], words[i]});
  }
  return trigrams;
}

CheckOr MakeOverlap(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Points reference, arguments.Points("reference_text"));
  TEMPER_ASSIGN_OR_RETURN(const double percentage, arguments.Number("percentage"));
  return [percentage, expected = Trigrams(reference)](View text) {
    const auto trigrams = Trigrams(text);
    if (trigrams.empty()) return false;
    const auto shared = std::count_if(trigrams.begin(), trigrams.end(),
                                      [&](const auto& trigram) { return expected.count(trigram); });
    const double overlap = static_cast<double>(shared) / static_cast<double>(trigrams.size());
    return std::abs(overlap * 100 - percentage) <= 2;
  };
}

// Runs of digits.
std::vector<View> Numbers(View text) {
  std::vector<View> numbers;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && IsDigit(text[end])) ++end;
    if (end > at) numbers.push_back(text.substr(at, end - at));
    at = std::max(end, at + 1);
  }
  return numbers;
}

CheckOr MakeNumbers(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double wanted, arguments.Number("N"));
  return [=](View text) {
    return static_cast<double>(Numbers(WithoutPunctuation(text)).size()) == wanted;
  };
}

CheckOr MakeJapaneseWords(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const size_t every, arguments.Count("N", 1));
  return [=](View text) {
    const auto japanese = [](char32_t c) {
      return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x4E00 && c <= 0x9FFF);
    };
    const std::vector<View> words = SplitAtBlanks(text);
    for (size_t i = every; i <= words.size(); i += every) {
      const View word = StrippedOf(words[i - 1], kMarksAndBlank);
      if (word.empty() || std::all_of(word.begin(), word.end(), IsDigit)) continue;
      if (std::none_of(word.begin(), word.end(), japanese)) return false;
    }
    return true;
  };
}

CheckOr MakePronouns(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double least, arguments.Number("N"));
  return [=](View text) {
    const std::vector<Points> words = WordTokens(Lowered(Replaced(text, U"/", U" ")));
    const auto found = std::count_if(words.begin(), words.end(),
                                     [](const Points& word) { return IsPronoun(word); });
    return static_cast<double>(found) >= least;
  };
}

CheckOr MakeKeywordsMultiple(const Arguments& arguments) {
  std::vector<std::pair<KeywordPattern, size_t>> wanted;
  constexpr std::pair<const char*, size_t> kCounts[] = {
      {"keyword1", 1}, {"keyword2", 2}, {"keyword3", 3}, {"keyword4", 5}, {"keyword5", 7}};
  for (const auto& [key, count] : kCounts) {
    TEMPER_ASSIGN_OR_RETURN(const Points keyword, arguments.Points(key));
    TEMPER_ASSIGN_OR_RETURN(
        KeywordPattern pattern,
        KeywordPattern::Create(Encoded(Stripped(keyword)), {.whole_words = true, .literal = true},
                               arguments.PlaceOf(key)));
    wanted.emplace_back(std::move(pattern), count);
  }
  return [wanted](View text) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& keyword) {
      return keyword.first.CountIn(text) == keyword.second;
    });
  };
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
      const auto last = SplitAtBlanks(RightStrippedOf(sentences[i - 1], kMarksAndBlank));
      const auto first = SplitAtBlanks(LeftStrippedOf(sentences[i], kMarksAndBlank));
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
      const auto words = SplitAtBlanks(StrippedOf(Stripped(line), kMarksAndBlank));
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
        const View clean = LeftStrippedOf(word, kMarksAndBlank);
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

CheckOr MakeSentenceWords(const Arguments&) {
  return [](View text) {
    const std::vector<Points> sentences = SplitIntoSentences(text);
    if (sentences.size() != 3) return false;
    std::set<Points> seen;
    for (const Points& sentence : sentences) {
      if (sentence.size() != sentences[0].size()) return false;
      for (const Points& word : PlainWords(sentence)) {
        if (!seen.insert(word).second) return false;
      }
    }
    return true;
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
    {"count:word_count_range", MakeWordCountRange},
    {"count:unique_word_count", MakeUniqueWordCount},
    {"count:conjunctions", MakeConjunctions},
    {"count:person_names", MakePersonNames},
    {"count:numbers", MakeNumbers},
    {"count:words_japanese", MakeJapaneseWords},
    {"count:pronouns", MakePronouns},
    {"count:keywords_multiple", MakeKeywordsMultiple},
    {"ratio:stop_words", MakeStopWords},
    {"ratio:sentence_type", MakeSentenceType},
    {"ratio:sentence_balance", MakeSentenceBalance},
    {"ratio:overlap", MakeOverlap},
    {"ratio:sentence_words", MakeSentenceWords},
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
