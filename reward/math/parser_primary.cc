// What stands by itself in a formula: numbers, names, macros, brackets.
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "reward/math/characters.h"
#include "reward/math/parser.h"
#include "reward/verifier.h"

namespace temper::reward::math {
namespace {

using Names = absl::flat_hash_set<std::string_view>;
using Table = absl::flat_hash_map<std::string_view, std::string_view>;

// Digits and exponent that a number may have, so that its fraction stays within 1e5 bits.
constexpr size_t kDigitsMax = 16000;
constexpr int kExponentMax = 10000;

const Names& Greek() {
  static const Names& names =
      *new Names{"alpha", "beta",    "gamma",  "delta", "epsilon", "zeta",  "eta",   "theta",
                 "iota",  "kappa",   "lambda", "mu",    "nu",      "xi",    "rho",   "sigma",
                 "tau",   "upsilon", "phi",    "chi",   "psi",     "omega", "Gamma", "Delta",
                 "Theta", "Lambda",  "Xi",     "Sigma", "Phi",     "Psi",   "Omega", "Upsilon",
                 "ell",   "hbar",    "Pi",     "aleph", "partial", "nabla"};
  return names;
}

const Table& Constants() {
  static const Table& table = *new Table{
      {"pi", "pi"}, {"infty", "inf"}, {"infinity", "inf"},      {"inf", "inf"},     {"oo", "inf"},
      {"e", "e"},   {"i", "i"},       {"emptyset", "emptyset"}, {"Infinity", "inf"}};
  return table;
}

// Words that are prose, not products of letters.
const Names& Prose() {
  static const Names& names = *new Names{
      "the",  "is",   "are",  "was",  "for",  "all",   "any",  "not",  "no",    "yes",  "it",
      "its",  "so",   "if",   "we",   "to",   "of",    "by",   "as",   "an",    "at",   "on",
      "be",   "but",  "has",  "can",  "one",  "two",   "then", "thus", "hence", "when", "where",
      "with", "that", "this", "from", "None", "none",  "True", "true", "odd",   "even", "Yes",
      "No",   "The",  "DNE",  "NaN",  "nan",  "There", "does"};
  return names;
}

}  // namespace

bool IsFunctionName(std::string_view name) {
  static const Names& names = *new Names{
      "sin",    "cos",      "tan",       "cot",     "sec",     "csc",   "arcsin", "arccos",
      "arctan", "arccot",   "arcsec",    "arccsc",  "sinh",    "cosh",  "tanh",   "coth",
      "sech",   "csch",     "arcsinh",   "arccosh", "arctanh", "asinh", "acosh",  "atanh",
      "ln",     "log",      "lg",        "exp",     "sqrt",    "cbrt",  "abs",    "floor",
      "ceil",   "ceiling",  "gcd",       "lcm",     "min",     "max",   "sgn",    "sign",
      "cis",    "Re",       "Im",        "arg",     "det",     "asin",  "acos",   "atan",
      "binom",  "binomial", "factorial", "frac",    "conj"};
  return names.contains(name);
}

ExprPtr NumberInBase(std::string_view digits, long base) {
  if (base < 2 || base > 36 || digits.empty()) return nullptr;
  mpz_class value = 0;
  for (const char c : digits) {
    const int digit = absl::ascii_isdigit(static_cast<unsigned char>(c))
                          ? c - '0'
                          : absl::ascii_tolower(static_cast<unsigned char>(c)) - 'a' + 10;
    if (digit < 0 || digit >= base) return nullptr;
    value = value * base + digit;
  }
  return Number(value);
}

namespace {

// The fraction that a number token spells, or null when it is too long.
ExprPtr NumberOf(std::string_view text) {
  const size_t mark = std::min(text.find('e'), text.size());
  const std::string_view mantissa = text.substr(0, mark);
  const bool scientific = mark < text.size();
  int exponent = 0;
  if (scientific && (!absl::SimpleAtoi(std::string(text.substr(mark + 1)), &exponent) ||
                     std::abs(exponent) > kExponentMax)) {
    return nullptr;
  }
  const size_t point = std::min(mantissa.find('.'), mantissa.size());
  const std::string decimals(mantissa.substr(std::min(point + 1, mantissa.size())));
  const std::string digits = std::string(mantissa.substr(0, point)) + decimals;
  if (digits.empty() || digits.size() > kDigitsMax) return nullptr;
  auto number = std::make_shared<Expr>();
  number->written = true;
  if (point < mantissa.size()) number->places = static_cast<int>(decimals.size());
  const size_t leading = std::min(digits.find_first_not_of('0'), digits.size());
  number->significant = static_cast<int>(digits.size() - leading);
  exponent -= static_cast<int>(decimals.size());
  mpz_class power;
  mpz_ui_pow_ui(power.get_mpz_t(), 10, static_cast<unsigned long>(std::abs(exponent)));
  const mpz_class whole(digits, 10);
  number->value = exponent >= 0 ? mpq_class(whole * power) : mpq_class(whole, power);
  number->value.canonicalize();
  if (scientific) number->places = std::max(0, -exponent);
  return number;
}

bool IsProperFraction(const Expr& expr) {
  return expr.kind == Kind::kDivide && expr.args[0]->kind == Kind::kNumber &&
         expr.args[1]->kind == Kind::kNumber && expr.args[0]->places < 0 &&
         expr.args[1]->places < 0 && expr.args[0]->value > 0 &&
         expr.args[0]->value < expr.args[1]->value;
}

ExprPtr Mixed(const Expr& whole, const Expr& fraction) {
  return Number(whole.value + fraction.args[0]->value / fraction.args[1]->value);
}

}  // namespace

ExprPtr Parser::Primary() {
  Deeper deeper(depth_);
  if (deeper.too_deep()) return Fail("nested too deep");
  switch (Now().kind) {
    case TokenKind::kNumber:
      return NumberOrMixed();
    case TokenKind::kWord:
      return Word();
    case TokenKind::kMacro:
      return Macro();
    case TokenKind::kMark:
      return MarkPrimary();
    case TokenKind::kText: {
      ExprPtr text = Make(Kind::kText, {}, Now().text);
      Advance();
      if (text->name == "infinity") return Constant("inf");
      if (text->name.size() == 1 && absl::ascii_isalpha(text->name[0])) {
        return Symbol(text->name);
      }
      return text;
    }
    case TokenKind::kEnd:
      break;
  }
  return Fail("it ends too early");
}

ExprPtr Parser::NumberOrMixed() {
  const std::string digits = Now().text;
  Advance();
  if (Take("_")) {
    std::string raw;
    long base = 0;
    if (!RawArgument(raw)) return nullptr;
    ExprPtr based = absl::SimpleAtoi(raw, &base) ? NumberInBase(digits, base) : nullptr;
    return based != nullptr ? based : Fail("a number with a subscript that is no base of it");
  }
  const bool decimal = Contains(digits, ".");
  const bool overlined = IsMacro("overline") || IsMacro("bar") || IsMacro("dot");
  if (decimal && overlined && !Now().space_before) return Repeating(digits);
  ExprPtr number = NumberOf(digits);
  if (number == nullptr) return Fail("a number that is too long");
  if (number->places >= 0) return number;
  if (IsMacro("frac") || IsMacro("vulgar")) {
    ExprPtr fraction = Macro();
    if (fraction == nullptr) return nullptr;
    if (IsProperFraction(*fraction)) return Mixed(*number, *fraction);
    return Make(Kind::kMul, {number, Scripts(fraction)});
  }
  const bool next = Now().kind == TokenKind::kNumber && Now().space_before;
  if (next && After().kind == TokenKind::kMark && After().text == "/" &&
      After(2).kind == TokenKind::kNumber) {
    ExprPtr above = NumberOf(Now().text);
    ExprPtr below = NumberOf(After(2).text);
    if (above == nullptr || below == nullptr) return Fail("a number that is too long");
    ExprPtr fraction = Make(Kind::kDivide, {above, below});
    if (!IsProperFraction(*fraction)) return Fail("two numbers side by side");
    for (int i = 0; i < 3; ++i) Advance();
    return Mixed(*number, *fraction);
  }
  return number;
}

// 0.1\overline{6}: what is overlined repeats for ever.
ExprPtr Parser::Repeating(const std::string& digits) {
  Advance();
  std::string raw;
  if (!RawArgument(raw)) return nullptr;
  constexpr size_t kPeriodMax = 64;
  const bool all = std::all_of(raw.begin(), raw.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
  if (raw.empty() || !all || raw.size() > kPeriodMax) return Fail("no period of a decimal");
  const bool bare = digits.back() == '.';
  ExprPtr fixed = NumberOf(bare ? digits.substr(0, digits.size() - 1) : digits);
  if (fixed == nullptr) return Fail("a number that is too long");
  mpz_class power;
  mpz_ui_pow_ui(power.get_mpz_t(), 10, raw.size());
  mpz_class shift;
  mpz_ui_pow_ui(shift.get_mpz_t(), 10, static_cast<unsigned long>(std::max(fixed->places, 0)));
  mpq_class tail(mpz_class(raw, 10), (power - 1) * shift);
  tail.canonicalize();
  return Number(fixed->value + tail);
}

ExprPtr Parser::Word() {
  const std::string word = Now().text;
  if (const auto it = Constants().find(word); it != Constants().end()) {
    Advance();
    return Constant(std::string(it->second));
  }
  if (IsFunctionName(word) && (word.size() > 2 || word == "ln" || word == "lg")) {
    Advance();
    return Function(word);
  }
  if (Greek().contains(word)) {
    Advance();
    return Symbol(word);
  }
  if (word.size() > 1 && Prose().contains(word)) return Fail(absl::StrCat("prose: ", Quoted(word)));
  const bool capitals = std::all_of(word.begin(), word.end(), [](char c) {
    return absl::ascii_isupper(static_cast<unsigned char>(c));
  });
  if (word.size() > 4 && !(capitals && word.size() <= 8)) {
    return Fail(absl::StrCat("prose: ", Quoted(word)));
  }
  // A product of letters: the first now, the rest stays.
  Token& token = tokens_[at_];
  if (word.size() == 1) {
    Advance();
  } else {
    token.text.erase(0, 1);
    token.space_before = false;
  }
  const std::string letter = word.substr(0, 1);
  if (letter == "e" || letter == "i") return Constant(letter);
  return Symbol(letter);
}

ExprPtr Parser::Macro() {
  const std::string name = Now().text;
  Advance();
  if (name == "frac" || name == "binom") {
    ExprPtr above = Argument();
    ExprPtr below = above == nullptr ? nullptr : Argument();
    if (below == nullptr) return Fail(absl::StrCat("\\", name, " without two arguments"));
    if (name == "frac") return Make(Kind::kDivide, {above, below});
    return Make(Kind::kFunction, {above, below}, "binom");
  }
  if (name == "vulgar") {
    const std::pair<std::string, std::string> halves = absl::StrSplit(Now().text, '/');
    Advance();
    return Make(Kind::kDivide, {NumberOf(halves.first), NumberOf(halves.second)});
  }
  if (name == "boxed" || name == "fbox" || name == "ensuremath") return Argument();
  if (name == "begin") return Environment();
  if (name == "sum" || name == "prod") return RunningOperator(name);
  if (name == "R" || name == "Z" || name == "N" || name == "Q" || name == "C") {
    std::string set = name;
    if (Is("^") && (After().text == "+" || After().text == "-")) {
      Advance();
      set += Now().text;
      Advance();
    }
    return Constant(set);
  }
  if (const auto it = Constants().find(name); it != Constants().end()) {
    return Constant(std::string(it->second));
  }
  if (IsFunctionName(name)) return Function(name);
  if (Greek().contains(name)) return Symbol(name);
  for (const std::string_view known :
       {"overline", "bar", "vec", "hat", "widehat", "tilde", "overrightarrow", "underline", "dot",
        "widetilde", "overleftrightarrow", "ddot", "overset", "check"}) {
    if (name == known) return Decorated(name);
  }
  if (name == "angle" || name == "triangle" || name == "measuredangle" || name == "odot") {
    if (Now().kind != TokenKind::kWord) return Fail(absl::StrCat("\\", name, " of nothing"));
    const std::string word = Now().text;
    Advance();
    return Symbol(absl::StrCat(name, " ", word));
  }
  return Fail(absl::StrCat("unknown macro ", Quoted(name)));
}

ExprPtr Parser::MarkPrimary() {
  const std::string mark = Now().text;
  if (mark == "(" || mark == "[" || mark == "<<" || mark == "]") return Bracketed(mark);
  if (mark == "{") return Braced();
  if (mark == "\\{") return Set();
  if (mark == "(|") return Between("|)", "abs");
  if (mark == "(||") return Between("||)", "norm");
  if (mark == "|") return Between("|", "abs");
  if (mark == "||") return Between("||", "norm");
  if (mark == "lfloor") return Between("rfloor", "floor");
  if (mark == "lceil") return Between("rceil", "ceil");
  if (mark == "...") {
    Advance();
    return Constant("ldots");
  }
  if (mark == "$") {
    Advance();
    ExprPtr value = Factor();
    return value == nullptr ? nullptr : Make(Kind::kQuantity, {value}, "$");
  }
  return Fail(mark == "" ? "it ends too early" : absl::StrCat("unexpected ", Quoted(mark)));
}

ExprPtr Parser::Bracketed(const std::string& open) {
  Advance();
  const int bars = std::exchange(bars_, 0);
  const bool in_set = std::exchange(in_set_, false);
  ExprPtr inside = Groups();
  bars_ = bars;
  in_set_ = in_set;
  if (inside == nullptr) return nullptr;
  const std::string close = Now().text;
  if (Now().kind != TokenKind::kMark || !(close == ")" || close == "]" || close == ">>" ||
                                          (close == "[" && inside->kind == Kind::kList))) {
    return Fail("a bracket that never closes");
  }
  Advance();
  if (open == "<<" || close == ">>") {
    if (open != "<<" || close != ">>") return Fail("brackets that do not match");
    if (inside->kind != Kind::kList) return inside;
    return Make(Kind::kBracketed, inside->args, "<>");
  }
  const bool opens = open == "(" || open == "]";
  const bool closes = close == ")" || close == "[";
  const bool list = inside->kind == Kind::kList && (inside->name == "," || inside->name == ";");
  if (list) {
    return Make(Kind::kBracketed, inside->args,
                absl::StrCat(opens ? "(" : "[", closes ? ")" : "]"));
  }
  if (opens != closes || open == "]") return Fail("brackets that do not match");
  // The brackets of an array or of a sum.
  return inside;
}

ExprPtr Parser::Braced() {
  Advance();
  if (Take("}")) return Make(Kind::kText, {}, "");
  const int bars = std::exchange(bars_, 0);
  ExprPtr inside = Groups();
  bars_ = bars;
  if (inside == nullptr) return nullptr;
  if (IsMacro("choose")) {
    Advance();
    ExprPtr lower = Sum();
    if (lower == nullptr) return nullptr;
    inside = Make(Kind::kFunction, {inside, lower}, "binom");
  }
  if (!Take("}")) return Fail("a { that never closes");
  return inside;
}

ExprPtr Parser::Set() {
  Advance();
  if (Take("\\}")) return Constant("emptyset");
  const int bars = std::exchange(bars_, 0);
  const bool outer = std::exchange(in_set_, true);
  ExprPtr inside = Groups();
  ExprPtr condition;
  if (inside != nullptr && (Is(":") || Is("|"))) {
    in_set_ = false;
    Advance();
    condition = Groups();
    if (condition == nullptr) inside = nullptr;
  }
  bars_ = bars;
  in_set_ = outer;
  if (inside == nullptr) return nullptr;
  if (!Take("\\}")) return Fail("a set that never closes");
  if (condition != nullptr) return Make(Kind::kBuilder, {inside, condition});
  const bool list = inside->kind == Kind::kList;
  return Make(Kind::kSet, list ? inside->args : std::vector<ExprPtr>{inside});
}

ExprPtr Parser::Between(std::string_view close, const std::string& function) {
  Advance();
  const bool plain = close == "|" || close == "||";
  const int bars = std::exchange(bars_, plain ? bars_ + 1 : 0);
  ExprPtr inside = Sum();
  bars_ = bars;
  if (inside == nullptr) return nullptr;
  // \left| may be closed by a plain bar.
  if (!Take(close) && !(close == "|)" && Take("|"))) return Fail("bars that never close");
  return Make(Kind::kFunction, {inside}, function);
}

ExprPtr Parser::Argument() {
  if (Is("{")) return Braced();
  if (Is("(")) return Bracketed("(");
  if (Now().kind == TokenKind::kNumber && Now().text.size() > 1) {
    // \frac12 takes a digit at a time; x^10 written without braces means ten.
    const Token& before = Before();
    const bool script = before.kind == TokenKind::kMark &&
                        (before.text == "^" || before.text == "_" || before.text == "-");
    const bool sqrt = before.kind == TokenKind::kMacro && before.text == "sqrt";
    if (!script && !sqrt && absl::ascii_isdigit(Now().text[0]) &&
        Now().text.find('.') == std::string::npos) {
      ExprPtr digit = NumberOf(Now().text.substr(0, 1));
      tokens_[at_].text.erase(0, 1);
      return digit;
    }
  }
  if (Now().kind == TokenKind::kNumber) {
    ExprPtr number = NumberOf(Now().text);
    if (number == nullptr) return Fail("a number that is too long");
    Advance();
    return number;
  }
  return Primary();
}

// The text of a subscript; spaces do not matter.
bool Parser::RawArgument(std::string& raw) {
  if (!Is("{")) {
    const Token& token = Now();
    if (token.kind == TokenKind::kEnd) {
      Fail("an empty subscript");
      return false;
    }
    if (token.kind == TokenKind::kWord && token.text.size() > 1) {
      raw = token.text.substr(0, 1);
      tokens_[at_].text.erase(0, 1);
      return true;
    }
    raw = token.text;
    Advance();
    return true;
  }
  int open = 0;
  do {
    if (Now().kind == TokenKind::kEnd) {
      Fail("a { that never closes");
      return false;
    }
    if (Is("{")) ++open;
    if (Is("}")) --open;
    const bool outer = (Is("{") && open == 1) || (Is("}") && open == 0);
    if (!outer) absl::StrAppend(&raw, Now().kind == TokenKind::kMacro ? "\\" : "", Now().text);
    Advance();
  } while (open > 0);
  return true;
}

}  // namespace temper::reward::math
