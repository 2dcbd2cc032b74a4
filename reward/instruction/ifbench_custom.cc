// IFBench (arXiv 2507.02833): constraints that are tasks of their own.
#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <optional>

#include "base/status_macros.h"
#include "reward/instruction/csv_reader.h"
#include "reward/instruction/instruction.h"
#include "reward/instruction/sentences.h"
#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

using Points = std::u32string;
using View = std::u32string_view;

constexpr View kMarksAndBlanks = U" \t\n\r\v\f!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

// The value of a run of digits; huge ones are all the same.
int NumberOf(View digits) {
  int number = 0;
  for (const char32_t c : digits) {
    number = std::min(10 * number + static_cast<int>(c - U'0'), 1000000);
  }
  return number;
}

CheckOr MakeMultiples(const Arguments&) {
  return [](View text) {
    const std::vector<View> numbers = DigitRuns(text);
    constexpr View kMultiples[] = {U"14", U"21", U"28", U"35", U"42", U"49"};
    return std::equal(numbers.begin(), numbers.end(), std::begin(kMultiples), std::end(kMultiples));
  };
}

// Behind "Question 7:", blanks included, when it stands at `at`.
std::optional<size_t> BehindLabel(View text, size_t at) {
  constexpr View kLabel = U"Question ";
  if (text.substr(at, kLabel.size()) != kLabel) return std::nullopt;
  at += kLabel.size();
  const size_t digits = at;
  while (at < text.size() && IsDigit(text[at])) ++at;
  if (at == digits) return std::nullopt;
  if (at < text.size() && View(U".|):;").find(text[at]) != View::npos) ++at;
  while (at < text.size() && IsSpace(text[at])) ++at;
  return at;
}

std::vector<View> SplitQuestions(View text) {
  std::vector<View> questions;
  size_t begin = 0;
  for (size_t at = text.find(U"Question "); at != View::npos;) {
    const std::optional<size_t> behind = BehindLabel(text, at);
    if (behind.has_value()) {
      questions.push_back(Stripped(text.substr(begin, at - begin)));
      begin = *behind;
    }
    at = text.find(U"Question ", behind.value_or(at + 1));
  }
  questions.push_back(Stripped(text.substr(begin)));
  questions.erase(std::remove(questions.begin(), questions.end(), View()), questions.end());
  return questions;
}

// "B) word"
bool IsOption(View line) {
  if (line.size() < 3 || ToLower(line[0]) < U'a' || ToLower(line[0]) > U'e') return false;
  if (View(U".|)").find(line[1]) == View::npos) return false;
  size_t at = 2;
  while (at < line.size() && IsSpace(line[at])) ++at;
  return at < line.size() && IsWordChar(line[at]);
}

CheckOr MakeMcqCountLength(const Arguments&) {
  return [](View text) {
    if (text.substr(0, 8) != U"Question") return false;
    const std::vector<View> questions = SplitQuestions(text);
    if (questions.size() != 4) return false;
    std::vector<size_t> lengths;
    for (const View question : questions) {
      size_t options = 0;
      Points asked;
      for (const View line : SplitAt(question, U"\n")) {
        const View stripped = Stripped(line);
        if (IsOption(stripped)) {
          ++options;
        } else if (options == 0) {
          asked += U' ';
          asked += stripped;
        }
      }
      if (options != 5) return false;
      lengths.push_back(Stripped(asked).size());
    }
    return std::adjacent_find(lengths.begin(), lengths.end(), std::greater_equal<>()) ==
           lengths.end();
  };
}

CheckOr MakeReverseNewline(const Arguments&) {
  return [](View text) {
    constexpr size_t kCountries = 52;
    std::vector<Points> lines;
    for (const View line : SplitAt(text, U"\n")) {
      const View name = StrippedOf(line, kPunctuationAndBlank);
      const bool started = !lines.empty() || name.find(U"Zimbabwe") != View::npos;
      if (!name.empty() && started) lines.push_back(AsciiForm(name));
    }
    return lines.size() >= kCountries &&
           std::is_sorted(lines.begin(), lines.end(), std::greater<>());
  };
}

CheckOr MakeWordReverse(const Arguments&) {
  return [](View text) {
    const Points plain = WithoutPunctuation(Stripped(Lowered(text)));
    std::vector<View> words = SplitAtBlanks(plain);
    Points reversed;
    for (auto word = words.rbegin(); word != words.rend(); ++word) {
      if (!reversed.empty()) reversed += U' ';
      reversed += *word;
    }
    if (reversed.find(U"bald eagle") == Points::npos) return false;
    const std::vector<Points> sentences = SplitIntoSentences(reversed);
    return std::find(sentences.begin(), sentences.end(), reversed) != sentences.end();
  };
}

CheckOr MakeCharacterReverse(const Arguments&) {
  return [](View text) { return Lowered(text).find(U"elgae dlab") != Points::npos; };
}

CheckOr MakeSentenceAlphabet(const Arguments&) {
  return [](View text) {
    const std::vector<Points> sentences = SplitIntoSentences(text);
    if (sentences.size() != 26) return false;
    for (size_t i = 0; i < sentences.size(); ++i) {
      const View sentence = LeftStrippedOf(sentences[i], kMarksAndBlanks);
      if (sentence.empty() || ToLower(sentence[0]) != U'a' + i) return false;
    }
    return true;
  };
}

CheckOr MakeEuropeanCapitals(const Arguments&) {
  return [](View text) {
    constexpr View kOrder[] = {U"Reykjavik",  U"Helsinki", U"Oslo",       U"Tallinn",  U"Stockholm",
                               U"Riga",       U"Moscow",   U"Copenhagen", U"Vilnius",  U"Minsk",
                               U"Dublin",     U"Berlin",   U"Amsterdam",  U"Warsaw",   U"London",
                               U"Brussels",   U"Prague",   U"Luxembourg", U"Paris",    U"Vienna",
                               U"Bratislava", U"Budapest", U"Vaduz",      U"Chisinau", U"Bern",
                               U"Ljubljana",  U"Zagreb"};
    const Points ascii = AsciiForm(text);
    std::vector<View> capitals;
    for (const View piece : SplitAt(ascii, U",")) {
      if (!Stripped(piece).empty()) capitals.push_back(Stripped(piece));
    }
    return std::equal(capitals.begin(), capitals.end(), std::begin(kOrder), std::end(kOrder));
  };
}

using Rows = std::vector<std::vector<Points>>;

bool HaveFields(const Rows& rows, size_t first, size_t count) {
  return std::all_of(rows.begin() + static_cast<std::ptrdiff_t>(first), rows.end(),
                     [=](const auto& row) { return row.size() == count; });
}

// The names of the header, each bare or in quotes, parted by `delimiter` and any of `blanks`.
bool HasHeader(View text, const std::array<View, 5>& names, char32_t delimiter, View blanks) {
  View header = Stripped(SplitAt(text, U"\n").front());
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) {
      if (header.empty() || header[0] != delimiter) return false;
      header = LeftStrippedOf(header.substr(1), blanks);
    }
    const bool quoted = !header.empty() && header[0] == U'"';
    if (quoted) header.remove_prefix(1);
    if (header.substr(0, names[i].size()) != names[i]) return false;
    header.remove_prefix(names[i].size());
    if (!quoted) continue;
    if (header.empty() || header[0] != U'"') return false;
    header.remove_prefix(1);
  }
  return header.empty();
}

CheckOr MakeCsvCity(const Arguments&) {
  return [](View text) {
    const std::optional<Rows> rows = ReadCsv(text, U',');
    return rows.has_value() && rows->size() == 8 &&
           (*rows)[0] == std::vector<Points>{U"ID", U"Country", U"City", U"Year", U"Count"} &&
           HaveFields(*rows, 1, 5);
  };
}

// ".*[^\d\w\s].*" at the start of a field.
bool IsSpecialInQuotes(View field) {
  field = field.substr(0, field.find(U'\n'));
  const size_t close = field.rfind(U'"');
  if (field.empty() || field[0] != U'"' || close == View::npos || close < 2) return false;
  const View inside = field.substr(1, close - 1);
  return std::any_of(inside.begin(), inside.end(),
                     [](char32_t c) { return !IsWordChar(c) && !IsSpace(c); });
}

// Quotation marks are tripled, so that they come through the reader.
CheckOr MakeCsvSpecialCharacter(const Arguments&) {
  return [](View text) {
    if (!HasHeader(text, {U"ProductID", U"Category", U"Brand", U"Price", U"Stock"}, U',', U" \t")) {
      return false;
    }
    const std::optional<Rows> rows = ReadCsv(Replaced(text, U"\"", U"\"\"\""), U',');
    if (!rows.has_value() || rows->size() != 15) return false;
    for (size_t i = 1; i < rows->size(); ++i) {
      if ((*rows)[i].size() != 5) return false;
      if (std::any_of((*rows)[i].begin(), (*rows)[i].end(), IsSpecialInQuotes)) return true;
    }
    return false;
  };
}

CheckOr MakeCsvQuotes(const Arguments&) {
  return [](View text) {
    if (!HasHeader(text, {U"StudentID", U"Subject", U"Grade", U"Semester", U"Score"}, U'\t',
                   U" ")) {
      return false;
    }
    const std::optional<Rows> rows = ReadCsv(Replaced(text, U"\"", U"\"\"\""), U'\t');
    if (!rows.has_value() || rows->size() != 4 || !HaveFields(*rows, 0, 5)) return false;
    for (const auto& row : *rows) {
      for (const Points& field : row) {
        const View stripped = Stripped(field);
        if (stripped.empty() || stripped.front() != U'"' || stripped.back() != U'"') return false;
      }
    }
    return true;
  };
}

// YYYY-MM-DD in Napoleon's life; a month or a day 00 passes, as in the published checker.
bool IsDate(View date) {
  if (date.size() != 10 || date[4] != U'-' || date[7] != U'-') return false;
  for (size_t i = 0; i < date.size(); ++i) {
    if (i != 4 && i != 7 && !(date[i] >= U'0' && date[i] <= U'9')) return false;
  }
  const int year = NumberOf(date.substr(0, 4));
  const int month = NumberOf(date.substr(5, 2));
  const int day = NumberOf(date.substr(8, 2));
  constexpr int kDays[] = {99, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return year >= 1769 && year <= 1821 && month <= 12 && day <= kDays[month];
}

CheckOr MakeDateFormatList(const Arguments&) {
  return [](View text) {
    const std::vector<View> dates = SplitAt(Stripped(text), U",");
    return std::all_of(dates.begin(), dates.end(),
                       [](View date) { return IsDate(Stripped(date)); });
  };
}

constexpr InstructionEntry kTable[] = {
    {"custom:multiples", MakeMultiples},
    {"custom:mcq_count_length", MakeMcqCountLength},
    {"custom:reverse_newline", MakeReverseNewline},
    {"custom:word_reverse", MakeWordReverse},
    {"custom:character_reverse", MakeCharacterReverse},
    {"custom:sentence_alphabet", MakeSentenceAlphabet},
    {"custom:european_capitals_sort", MakeEuropeanCapitals},
    {"custom:csv_city", MakeCsvCity},
    {"custom:csv_special_character", MakeCsvSpecialCharacter},
    {"custom:csv_quotes", MakeCsvQuotes},
    {"custom:date_format_list", MakeDateFormatList},
};

}  // namespace

std::span<const InstructionEntry> IfbenchCustomInstructions() { return kTable; }

}  // namespace temper::reward
