// One table of units; products, quotients and powers of them are read word by word.
#include "reward/math/unit.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "reward/math/characters.h"

namespace temper::reward::math {
namespace {

struct Row {
  const char* names;  // separated by blanks; a plural "s" is understood for words over two letters
  const char* dimension;
  long numerator;
  long denominator;
};

constexpr Row kRows[] = {
    {"m meter metre", "m", 1, 1},
    {"cm centimeter centimetre", "m", 1, 100},
    {"mm millimeter millimetre", "m", 1, 1000},
    {"dm decimeter decimetre", "m", 1, 10},
    {"km kilometer kilometre", "m", 1000, 1},
    {"in inch inches", "m", 254, 10000},
    {"ft foot feet", "m", 3048, 10000},
    {"yd yard", "m", 9144, 10000},
    {"mi mile", "m", 1609344, 1000},
    {"nm nanometer", "m", 1, 1000000000},
    {"s sec secs second", "s", 1, 1},
    {"ms millisecond", "s", 1, 1000},
    {"min mins minute", "s", 60, 1},
    {"h hr hrs hour", "s", 3600, 1},
    {"day", "s", 86400, 1},
    {"week wk", "s", 604800, 1},
    {"month", "month", 1, 1},
    {"year yr yrs", "month", 12, 1},
    {"g gram gm", "g", 1, 1},
    {"kg kgs kilogram", "g", 1000, 1},
    {"mg milligram", "g", 1, 1000},
    {"lb lbs pound", "g", 45359237, 100000},
    {"oz ounce", "g", 45359237, 1600000},
    {"ton tonne", "ton", 1, 1},
    {"l liter litre", "l", 1, 1},
    {"L", "l", 1, 1},
    {"ml mL milliliter millilitre", "l", 1, 1000},
    {"gal gallon", "gallon", 1, 1},
    {"qt quart", "gallon", 1, 4},
    {"pint", "gallon", 1, 8},
    {"cup", "gallon", 1, 16},
    {"tbsp tablespoon", "gallon", 1, 256},
    {"tsp teaspoon", "gallon", 1, 768},
    {"$ dollar USD usd buck", "$", 1, 1},
    {"cent c ¢", "$", 1, 100},
    {"euro EUR", "euro", 1, 1},
    {"rupee Rs", "rupee", 1, 1},
    {"yuan", "yuan", 1, 1},
    {"rad radian", "rad", 1, 1},
    {"K kelvin", "K", 1, 1},
    {"degC", "degC", 1, 1},
    {"degF", "degF", 1, 1},
    {"N newton", "N", 1, 1},
    {"J joule", "J", 1, 1},
    {"kJ", "J", 1000, 1},
    {"W watt", "W", 1, 1},
    {"kW", "W", 1000, 1},
    {"V volt", "V", 1, 1},
    {"A amp ampere", "A", 1, 1},
    {"Pa pascal", "Pa", 1, 1},
    {"Hz hertz", "Hz", 1, 1},
    {"mol mole", "mol", 1, 1},
    {"unit", "unit", 1, 1},
    {"mph", "m*s^-1", 1609344, 3600000},
    {"kph kmh", "m*s^-1", 1000, 3600},
};

using Units = absl::flat_hash_map<std::string, const Row*>;

const Units& Table() {
  static const Units& table = *[] {
    auto* units = new Units;
    for (const Row& row : kRows) {
      for (const std::string& name : std::vector<std::string>(absl::StrSplit(row.names, ' '))) {
        units->emplace(name, &row);
        if (name.size() > 2) units->emplace(absl::StrCat(name, "s"), &row);
      }
    }
    return units;
  }();
  return table;
}

const Row* FindUnit(std::string_view word) {
  const auto& table = Table();
  auto it = table.find(std::string(word));
  if (it == table.end() && word.size() > 2) it = table.find(Lower(word));
  return it == table.end() ? nullptr : it->second;
}

// Words of a unit with "^2" and "/" as words of their own.
std::vector<std::string> WordsOf(std::string_view text) {
  const std::string spaced = absl::StrReplaceAll(std::string(text), {{"²", " ^ 2"},
                                                                     {"³", " ^ 3"},
                                                                     {"^", " ^ "},
                                                                     {"/", " / "},
                                                                     {"{", ""},
                                                                     {"}", ""},
                                                                     {"(", ""},
                                                                     {")", ""},
                                                                     {".", ""},
                                                                     {"*", " "},
                                                                     {"·", " "},
                                                                     {"\\", ""},
                                                                     {" - ", "-"},
                                                                     {"- ", "-"}});
  return absl::StrSplit(spaced, ' ', absl::SkipWhitespace());
}

}  // namespace

std::optional<UnitOfMeasure> ReadUnit(std::string_view text) {
  constexpr size_t kBytesMax = 64;
  if (text.size() > kBytesMax) return std::nullopt;
  const std::vector<std::string> words = WordsOf(text);
  std::map<std::string, int> powers;
  mpq_class scale = 1;
  int side = 1;   // below "per" or "/": -1
  int power = 1;  // of the next unit: "square", "cubic"
  bool any = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string word = Lower(words[i]);
    if (word == "/" || word == "per") {
      side = -1;
      continue;
    }
    if (word == "square" || word == "sq") {
      power = 2;
      continue;
    }
    if (word == "cubic" || word == "cu") {
      power = 3;
      continue;
    }
    const Row* row = FindUnit(words[i]);
    if (row == nullptr) return std::nullopt;
    int exponent = power;
    power = 1;
    if (i + 2 < words.size() && words[i + 1] == "^") {
      if (!absl::SimpleAtoi(words[i + 2], &exponent) || std::abs(exponent) > 9) {
        return std::nullopt;
      }
      i += 2;
    } else if (i + 1 < words.size() && (words[i + 1] == "squared" || words[i + 1] == "cubed")) {
      exponent = words[i + 1] == "squared" ? 2 : 3;
      ++i;
    }
    exponent *= side;
    any = true;
    mpq_class one(row->numerator, row->denominator);
    one.canonicalize();
    for (int n = 0; n < std::abs(exponent); ++n)
      scale = exponent > 0 ? mpq_class(scale * one) : mpq_class(scale / one);
    if (std::string_view(row->dimension) == "m*s^-1") {
      powers["m"] += exponent;
      powers["s"] -= exponent;
    } else {
      powers[row->dimension] += exponent;
    }
  }
  if (!any) return std::nullopt;
  UnitOfMeasure unit{"", scale};
  for (const auto& [dimension, exponent] : powers) {
    if (exponent != 0) absl::StrAppend(&unit.dimension, dimension, "^", exponent, "*");
  }
  return unit;
}

bool IsPercentWord(std::string_view word) {
  for (const std::string_view known : {"%", "percent", "pct", "percentage", "percents", "\\%"}) {
    if (EqualWords(word, known)) return true;
  }
  return false;
}

bool IsLabelWord(std::string_view word) {
  static const absl::flat_hash_set<std::string_view>& shorter =
      *new absl::flat_hash_set<std::string_view>{
          "men",  "boys", "cars", "cats", "dogs", "ways",  "eggs",   "bags", "cups", "pens",
          "hats", "jobs", "wins", "girl", "boy",  "sum",   "per",    "of",   "for",  "the",
          "is",   "are",  "more", "less", "left", "total", "people", "if",   "when", "at",
          "on",   "from", "a.m.", "pm",   "am",   "terms", "times",  "than"};
  if (shorter.contains(word)) return true;
  return word.size() >= 4 && std::all_of(word.begin(), word.end(), [](char c) {
           return absl::ascii_islower(static_cast<unsigned char>(c));
         });
}

}  // namespace temper::reward::math
