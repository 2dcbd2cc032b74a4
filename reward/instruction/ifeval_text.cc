// IFEval (arXiv 2311.07911): keywords, language, length, letter case, punctuation.
#include <algorithm>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "reward/instruction/instruction.h"
#include "reward/instruction/keyword_pattern.h"
#include "reward/instruction/sentences.h"
#include "reward/language/language_detector.h"
#include "reward/language/script.h"
#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

using View = std::u32string_view;

bool Compare(bool at_least, size_t count, double threshold) {
  const double found = static_cast<double>(count);
  return at_least ? found >= threshold : found < threshold;
}

// An instruction on how many there are of something.
template <typename Count>
CheckOr Counted(const Arguments& arguments, const char* threshold_key, const char* relation_key,
                Count count) {
  TEMPER_ASSIGN_OR_RETURN(const double threshold, arguments.Number(threshold_key));
  TEMPER_ASSIGN_OR_RETURN(const bool at_least, arguments.AtLeast(relation_key));
  return [=](View text) { return Compare(at_least, count(text), threshold); };
}

CheckOr MakeExistence(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const auto keywords, arguments.Texts("keywords"));
  std::vector<KeywordPattern> patterns;
  for (const std::string& keyword : keywords) {
    TEMPER_ASSIGN_OR_RETURN(KeywordPattern pattern,
                            KeywordPattern::Create(keyword, {}, arguments.PlaceOf("keywords")));
    patterns.push_back(std::move(pattern));
  }
  return [patterns](View text) {
    return std::all_of(patterns.begin(), patterns.end(),
                       [&](const KeywordPattern& pattern) { return pattern.IsIn(text); });
  };
}

CheckOr MakeForbiddenWords(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const auto words, arguments.Texts("forbidden_words"));
  std::vector<KeywordPattern> patterns;
  for (const std::string& word : words) {
    TEMPER_ASSIGN_OR_RETURN(
        KeywordPattern pattern,
        KeywordPattern::Create(word, {.whole_words = true}, arguments.PlaceOf("forbidden_words")));
    patterns.push_back(std::move(pattern));
  }
  return [patterns](View text) {
    return std::none_of(patterns.begin(), patterns.end(),
                        [&](const KeywordPattern& pattern) { return pattern.IsIn(text); });
  };
}

CheckOr MakeFrequency(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const std::u32string keyword, arguments.Points("keyword"));
  TEMPER_ASSIGN_OR_RETURN(
      const KeywordPattern pattern,
      KeywordPattern::Create(Encoded(Stripped(keyword)), {}, arguments.PlaceOf("keyword")));
  return Counted(arguments, "frequency", "relation",
                 [pattern](View text) { return pattern.CountIn(text); });
}

CheckOr MakeLetterFrequency(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const std::u32string letter, arguments.Points("letter"));
  if (letter.size() != 1) return arguments.Wrong("letter", "one character");
  const char32_t wanted = ToLower(letter[0]);
  return Counted(arguments, "let_frequency", "let_relation", [wanted](View text) {
    return static_cast<size_t>(
        std::count_if(text.begin(), text.end(), [=](char32_t c) { return ToLower(c) == wanted; }));
  });
}

// langdetect, which the published checkers use, draws random numbers; a text that it can make
// nothing of follows. Here nothing is drawn: a text whose language cannot be told follows when its
// letters are of the language's script.
bool IsInLanguage(View text, const LanguageScripts& language) {
  const ScriptCounts counts = CountScripts(text);
  if (counts.letters == 0) return true;
  const DetectedLanguage detected = DetectLanguage(text);
  if (detected.code.empty()) return ShareOf(language, counts) >= 0.5;
  return detected.code == language.code;
}

CheckOr MakeResponseLanguage(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const std::string code, arguments.Text("language"));
  const LanguageScripts* language = LanguageOfCode(code);
  if (language == nullptr) {
    return arguments.Wrong("language", "one of " + std::string(KnownLanguages()));
  }
  return [language](View text) { return IsInLanguage(text, *language); };
}

CheckOr MakeSentences(const Arguments& arguments) {
  return Counted(arguments, "num_sentences", "relation",
                 [](View text) { return PunktSentences(text).size(); });
}

CheckOr MakeWords(const Arguments& arguments) {
  return Counted(arguments, "num_words", "relation",
                 [](View text) { return WordRuns(text).size(); });
}

// Pieces between dividers of three asterisks, with a blank on either side that belongs to them.
std::vector<View> DividedParagraphs(View text) {
  std::vector<View> pieces = SplitAt(text, U"***");
  for (size_t i = 0; i < pieces.size(); ++i) {
    View& piece = pieces[i];
    if (i > 0 && !piece.empty() && IsSpace(piece.front())) piece.remove_prefix(1);
    if (i + 1 < pieces.size() && !piece.empty() && IsSpace(piece.back())) piece.remove_suffix(1);
  }
  return pieces;
}

CheckOr MakeParagraphs(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double wanted, arguments.Number("num_paragraphs"));
  return [wanted](View text) {
    const std::vector<View> pieces = DividedParagraphs(text);
    size_t count = pieces.size();
    for (size_t i = 0; i < pieces.size(); ++i) {
      if (!Stripped(pieces[i]).empty()) continue;
      if (i > 0 && i + 1 < pieces.size()) return false;
      --count;
    }
    return static_cast<double>(count) == wanted;
  };
}

// The first word of a paragraph up to its punctuation, in lower case.
std::u32string FirstWord(View paragraph) {
  View word = SplitAtBlanks(paragraph).front();
  word = LeftStrippedOf(LeftStrippedOf(word, U"'"), U"\"");
  return Lowered(word.substr(0, word.find_first_of(U".,?!'\"")));
}

CheckOr MakeNthParagraphFirstWord(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const size_t paragraphs, arguments.Count("num_paragraphs", 1));
  TEMPER_ASSIGN_OR_RETURN(const size_t nth, arguments.Count("nth_paragraph", 1));
  TEMPER_ASSIGN_OR_RETURN(std::u32string word, arguments.Points("first_word"));
  if (nth > paragraphs) return arguments.Wrong("nth_paragraph", "at most num_paragraphs");
  word = Lowered(word);
  return [=](View text) {
    const std::vector<View> pieces = SplitAt(text, U"\n\n");
    const auto blank = [](View piece) { return Stripped(piece).empty(); };
    const size_t count =
        pieces.size() - static_cast<size_t>(std::count_if(pieces.begin(), pieces.end(), blank));
    if (nth > count || blank(pieces[nth - 1])) return false;
    return count == paragraphs && FirstWord(pieces[nth - 1]) == word;
  };
}

CheckOr MakeCapitalWordFrequency(const Arguments& arguments) {
  return Counted(arguments, "capital_frequency", "capital_relation", [](View text) {
    const std::vector<std::u32string> words = WordTokens(text);
    return static_cast<size_t>(std::count_if(words.begin(), words.end(), IsUpperText));
  });
}

CheckOr MakeEnglishCapital(const Arguments&) {
  return [](View text) { return IsUpperText(text) && IsInLanguage(text, *LanguageOfCode("en")); };
}

CheckOr MakeEnglishLowercase(const Arguments&) {
  return [](View text) { return IsLowerText(text) && IsInLanguage(text, *LanguageOfCode("en")); };
}

CheckOr MakeNoComma(const Arguments&) {
  return [](View text) { return text.find(U',') == View::npos; };
}

constexpr InstructionEntry kTable[] = {
    {"keywords:existence", MakeExistence},
    {"keywords:frequency", MakeFrequency},
    {"keywords:forbidden_words", MakeForbiddenWords},
    {"keywords:letter_frequency", MakeLetterFrequency},
    {"language:response_language", MakeResponseLanguage},
    {"length_constraints:number_sentences", MakeSentences},
    {"length_constraints:number_paragraphs", MakeParagraphs},
    {"length_constraints:number_words", MakeWords},
    {"length_constraints:nth_paragraph_first_word", MakeNthParagraphFirstWord},
    {"change_case:capital_word_frequency", MakeCapitalWordFrequency},
    {"change_case:english_capital", MakeEnglishCapital},
    {"change_case:english_lowercase", MakeEnglishLowercase},
    {"punctuation:no_comma", MakeNoComma},
};

}  // namespace

std::span<const InstructionEntry> IfevalTextInstructions() { return kTable; }

}  // namespace temper::reward
