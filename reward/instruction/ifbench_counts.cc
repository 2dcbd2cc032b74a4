// IFBench (arXiv 2507.02833): counts and ratios. Semantics are those of the published repository,
// quirks included; docs/verifiers.md says where they are not.
#include <algorithm>
#include <array>
#include <cmath>
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
    for (const View word : SplitAtBlanks(lowered))
      unique.insert(StrippedOf(word, kPunctuationAndBlank));
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
      const Points plain = Lowered(StrippedOf(word, kPunctuationAndBlank));
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

CheckOr MakeNumbers(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double wanted, arguments.Number("N"));
  return [=](View text) {
    return static_cast<double>(DigitRuns(WithoutPunctuation(text)).size()) == wanted;
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
      const View word = StrippedOf(words[i - 1], kPunctuationAndBlank);
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
};

}  // namespace

std::span<const InstructionEntry> IfbenchCountInstructions() { return kTable; }

}  // namespace temper::reward
