// The operators of the grammar, loosest first.
#include "reward/math/parser.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "reward/math/characters.h"
#include "reward/math/unit.h"
#include "reward/verifier.h"

namespace temper::reward::math {
namespace {

// (5, 2), as in C(5, 2).
bool IsConstantPair(const Expr& expr) {
  return expr.kind == Kind::kBracketed && expr.name == "()" && expr.args.size() == 2 &&
         expr.args[0]->kind == Kind::kNumber && expr.args[1]->kind == Kind::kNumber;
}

bool HasSymbol(const Expr& expr) {
  return Any(expr, [](const Expr& e) { return e.kind == Kind::kSymbol || e.kind == Kind::kText; });
}

}  // namespace

absl::StatusOr<ExprPtr> Parse(std::string_view text, const NumberStyle& style) {
  auto tokens = Tokenise(text, style);
  if (!tokens.ok()) return tokens.status();
  return Parser(*std::move(tokens)).Run();
}

absl::StatusOr<ExprPtr> Parser::Run() {
  if (Now().kind == TokenKind::kEnd) return absl::InvalidArgumentError("nothing to read");
  ExprPtr read = Groups();
  while (read != nullptr && (Is(".") || Is(",") || Is(";") || Is("!"))) Advance();
  if (read != nullptr && Now().kind == TokenKind::kEnd) return read;
  if (problem_.empty()) problem_ = absl::StrCat("unexpected ", Quoted(Now().text));
  return absl::InvalidArgumentError(problem_);
}

ExprPtr Parser::Groups() {
  Deeper deeper(depth_);
  if (deeper.too_deep()) return Fail("nested too deep");
  std::vector<ExprPtr> groups;
  do {
    if (!groups.empty() && Now().kind == TokenKind::kEnd) break;
    ExprPtr group = List();
    if (group == nullptr) return nullptr;
    groups.push_back(std::move(group));
  } while (Take(";"));
  return groups.size() == 1 ? groups[0] : Make(Kind::kList, std::move(groups), ";");
}

bool Parser::JoinMark(std::string& name) {
  bool found = false;
  while (true) {
    const bool word = Now().kind == TokenKind::kWord;
    if (Is(",")) {
      if (name.empty()) name = ",";
    } else if (Is("and") || Is("&") || (word && EqualWords(Now().text, "and"))) {
      if (name != "or") name = "and";
    } else if (Is("or") || (word && EqualWords(Now().text, "or"))) {
      name = "or";
    } else {
      return found;
    }
    found = true;
    Advance();
  }
}

ExprPtr Parser::List() {
  std::vector<ExprPtr> items;
  std::string name;
  do {
    const bool ends = Now().kind == TokenKind::kEnd || Is(")") || Is("]") || Is("}") || Is("\\}") ||
                      Is(";") || Is(".");
    if (!items.empty() && ends) break;
    ExprPtr item = Relation();
    if (item == nullptr) return nullptr;
    items.push_back(std::move(item));
  } while (JoinMark(name));
  return items.size() == 1 ? items[0] : Make(Kind::kList, std::move(items), name);
}

bool Parser::RelationMark(std::string& op) const {
  if (Now().kind == TokenKind::kWord && Now().text == "in" && Now().space_before) {
    op = "in";
    return true;
  }
  if (Now().kind != TokenKind::kMark) return false;
  for (const std::string_view mark : {"=", "<", "<=", ">", ">=", "!=", "in", "approx"}) {
    if (Now().text == mark) {
      op = mark;
      return true;
    }
  }
  return false;
}

ExprPtr Parser::Relation() {
  ExprPtr first = SetTerm();
  if (first == nullptr) return nullptr;
  if (ExprPtr congruence = Modulus(first); congruence != nullptr || !problem_.empty()) {
    return congruence;
  }
  auto relation = std::make_shared<Expr>();
  relation->kind = Kind::kRelation;
  relation->args.push_back(first);
  for (std::string op; RelationMark(op);) {
    Advance();
    // "x = 3 =" and "= 3" are read as far as they go.
    ExprPtr next = SetTerm();
    if (next == nullptr) return nullptr;
    relation->ops.push_back(op);
    relation->args.push_back(std::move(next));
  }
  if (relation->ops.empty()) return first;
  return relation;
}

// "b (mod m)" and "a = b (mod m)"; null and no problem where there is no modulus.
ExprPtr Parser::Modulus(ExprPtr left) {
  std::vector<ExprPtr> sides{left};
  if (Is("equiv")) {
    Advance();
    ExprPtr right = SetTerm();
    if (right == nullptr) return nullptr;
    sides.push_back(std::move(right));
  }
  ExprPtr modulus;
  if (IsMacro("pmod")) {
    Advance();
    modulus = Argument();
  } else if (IsMacro("mod") || (Now().kind == TokenKind::kWord && Now().text == "mod")) {
    Advance();
    modulus = Factor();
  } else if (Is("(") && (After().text == "mod" || After().text == "bmod")) {
    Advance();
    Advance();
    modulus = Sum();
    if (modulus != nullptr && !Take(")")) return Fail("a (mod that never closes");
  } else if (sides.size() == 1) {
    return nullptr;
  } else {
    auto relation = std::make_shared<Expr>();
    relation->kind = Kind::kRelation;
    relation->args = sides;
    relation->ops = {"="};
    return relation;
  }
  if (modulus == nullptr) return Fail("no modulus");
  sides.push_back(std::move(modulus));
  return Make(Kind::kCongruence, std::move(sides));
}

ExprPtr Parser::SetTerm() {
  ExprPtr left = Ratio();
  while (left != nullptr) {
    std::string name;
    const bool letter = Now().kind == TokenKind::kWord && (Now().text == "U" || Now().text == "u");
    const bool interval =
        left->kind == Kind::kBracketed || left->kind == Kind::kSet || left->kind == Kind::kSetOf;
    if (Is("cup") || (letter && interval)) {
      name = "union";
    } else if (Is("cap")) {
      name = "intersection";
    } else if (Is("setminus")) {
      name = "difference";
    } else {
      return left;
    }
    Advance();
    ExprPtr right = Ratio();
    if (right == nullptr) return nullptr;
    left = Make(Kind::kSetOf, {left, right}, name);
  }
  return nullptr;
}

ExprPtr Parser::Ratio() {
  ExprPtr first = Sum();
  if (first == nullptr || in_set_ || !Is(":")) return first;
  std::vector<ExprPtr> parts{first};
  while (Take(":")) {
    ExprPtr part = Sum();
    if (part == nullptr) return nullptr;
    parts.push_back(std::move(part));
  }
  return Make(Kind::kRatio, std::move(parts));
}

ExprPtr Parser::Sum() {
  std::vector<ExprPtr> terms;
  const bool minus = Is("-");
  if (Is("+-") || Is("-+")) {
    const std::string name = Now().text;
    Advance();
    ExprPtr operand = Product();
    if (operand == nullptr) return nullptr;
    terms.push_back(Make(Kind::kPlusMinus, {operand}, name));
  } else {
    if (minus || Is("+")) Advance();
    ExprPtr term = Product();
    if (term == nullptr) return nullptr;
    terms.push_back(minus ? Make(Kind::kNegate, {term}) : term);
  }
  while (Is("+") || Is("-") || Is("+-") || Is("-+")) {
    const std::string sign = Now().text;
    Advance();
    ExprPtr term = Product();
    if (term == nullptr) return nullptr;
    if (sign == "+") {
      terms.push_back(std::move(term));
    } else if (sign == "-") {
      terms.push_back(Make(Kind::kNegate, {term}));
    } else {
      ExprPtr before = terms.size() == 1 ? terms[0] : Make(Kind::kAdd, std::move(terms));
      terms = {Make(Kind::kPlusMinus, {before, term}, sign)};
    }
  }
  return terms.size() == 1 ? terms[0] : Make(Kind::kAdd, std::move(terms));
}

bool Parser::StartsFactor() const {
  const Token& token = Now();
  if (token.kind == TokenKind::kWord) {
    const bool closed = Before().text == ")" || Before().text == "]";
    const bool opens = After().text == "(" || After().text == "[" || After().text == "\\{";
    if ((token.text == "U" || token.text == "u") && closed && opens) return false;
    return !EqualWords(token.text, "and") && !EqualWords(token.text, "or") && token.text != "mod" &&
           !(token.text == "in" && token.space_before);
  }
  if (token.kind == TokenKind::kMacro) {
    for (const std::string_view name :
         {"end", "pmod", "mod", "to", "rightarrow", "implies", "Rightarrow", "choose", "because",
          "therefore", "notin", "subset"}) {
      if (token.text == name) return false;
    }
    return true;
  }
  if (token.kind == TokenKind::kNumber) return true;
  if (token.kind != TokenKind::kMark) return false;
  if (token.text == "(") return After().text != "mod" && After().text != "bmod";
  if (token.text == "|" || token.text == "||") return bars_ == 0 && !in_set_;
  return token.text == "{" || token.text == "(|" || token.text == "(||" || token.text == "lfloor" ||
         token.text == "lceil";
}

ExprPtr Parser::Product() {
  ExprPtr left = Factor();
  std::vector<ExprPtr> factors;
  const auto product = [&] {
    return factors.size() == 1 ? factors[0] : Make(Kind::kMul, std::move(factors));
  };
  if (left == nullptr) return nullptr;
  factors.push_back(left);
  while (true) {
    if (StartsUnit(*factors.back())) {
      ExprPtr value = product();
      if (HasSymbol(*value) && Now().kind != TokenKind::kText) {
        factors = {value};
      } else {
        ExprPtr quantity = Unit(value);
        if (quantity == nullptr) return nullptr;
        if (StartsFactor() && !Is("$")) return Fail("prose after a number");
        factors = {std::move(quantity)};
        continue;
      }
    }
    // "1.2 x 10^4"
    const bool cross = Now().kind == TokenKind::kWord && (Now().text == "x" || Now().text == "X") &&
                       Before().kind == TokenKind::kNumber && Now().space_before &&
                       After().kind == TokenKind::kNumber && After().space_before;
    const bool divides = Is("/");
    const bool remainder = IsMacro("bmod");
    const bool number = Now().kind == TokenKind::kNumber;
    if (number && Before().kind == TokenKind::kNumber) {
      return Fail("two numbers side by side");
    }
    if (Is("*") || divides || remainder || cross) {
      Advance();
    } else if (!StartsFactor()) {
      return product();
    }
    ExprPtr right = Factor();
    if (right == nullptr) return nullptr;
    if (divides || remainder) {
      ExprPtr before = product();
      factors.clear();
      factors.push_back(divides ? Make(Kind::kDivide, {before, right})
                                : Make(Kind::kFunction, {before, right}, "mod"));
    } else if (IsConstantPair(*right) && factors.back()->kind == Kind::kSymbol &&
               factors.back()->name == "C") {
      factors.back() = Make(Kind::kFunction, right->args, "binom");
    } else {
      factors.push_back(std::move(right));
    }
  }
}

bool Parser::StartsUnit(const Expr& left) const {
  const Token& token = Now();
  if (token.kind == TokenKind::kText) return true;
  if (Is("$")) return true;
  if (token.kind != TokenKind::kWord || left.kind == Kind::kSymbol) return false;
  const Token& next = After();
  if (token.text.size() == 1) {
    // "5 m" at the very end.
    const bool per = next.text == "/" && After(2).kind == TokenKind::kWord &&
                     ReadUnit(After(2).text).has_value();
    const bool last = next.kind == TokenKind::kEnd || next.text == "," || next.text == "^" || per;
    return token.space_before && left.kind == Kind::kNumber && last &&
           ReadUnit(token.text).has_value();
  }
  if (IsFunctionName(token.text)) return false;
  return ReadUnit(token.text).has_value() || IsPercentWord(token.text) || IsLabelWord(token.text);
}

// Everything up to the next separator is the unit.
ExprPtr Parser::Unit(ExprPtr value) {
  if (Take("$")) return Make(Kind::kQuantity, {value}, "$");
  if (Now().kind != TokenKind::kText && IsPercentWord(Now().text)) {
    Advance();
    return value->kind == Kind::kPercent ? value : Make(Kind::kPercent, {value});
  }
  std::string unit;
  int braces = 0;
  bool raised = false;  // a number may stand here
  while (true) {
    const std::string& text = Now().text;
    const bool word = Now().kind == TokenKind::kText || Now().kind == TokenKind::kWord;
    const bool slash =
        Is("/") && (After().kind == TokenKind::kText || After().kind == TokenKind::kWord);
    const bool power = raised && (Now().kind == TokenKind::kNumber || Is("{") || Is("-"));
    if (!word && !slash && !power && !Is("^") && !(Is("}") && braces > 0)) break;
    raised = Is("^") || (raised && (Is("{") || Is("-")));
    braces += Is("{") ? 1 : Is("}") ? -1 : 0;
    if (Now().kind == TokenKind::kWord && (text == "and" || text == "or")) break;
    if (Now().space_before || Now().kind == TokenKind::kText) unit += ' ';
    unit += text;
    Advance();
  }
  const std::string_view trimmed = Trimmed(unit);
  if (IsPercentWord(trimmed)) return Make(Kind::kPercent, {value});
  if (trimmed == "degrees" || trimmed == "degree") return Make(Kind::kDegree, {value});
  return Make(Kind::kQuantity, {value}, std::string(trimmed));
}

ExprPtr Parser::Factor() {
  Deeper deeper(depth_);
  if (deeper.too_deep()) return Fail("nested too deep");
  if (Take("+")) return Factor();
  if (Take("-")) {
    ExprPtr operand = Factor();
    return operand == nullptr ? nullptr : Make(Kind::kNegate, {operand});
  }
  if (Is("+-") || Is("-+")) {
    const std::string name = Now().text;
    Advance();
    ExprPtr operand = Factor();
    return operand == nullptr ? nullptr : Make(Kind::kPlusMinus, {operand}, name);
  }
  return Postfix();
}

ExprPtr Parser::Postfix() {
  ExprPtr base = Primary();
  return base == nullptr ? nullptr : Scripts(std::move(base));
}

// An angle, or a temperature where C or F follows.
ExprPtr Parser::Degrees(ExprPtr value) {
  const bool letter = Now().kind == TokenKind::kWord || Now().kind == TokenKind::kText;
  if (!letter || (Now().text != "C" && Now().text != "F")) return Make(Kind::kDegree, {value});
  const std::string unit = "deg" + Now().text;
  Advance();
  return Make(Kind::kQuantity, {value}, unit);
}

ExprPtr Parser::Scripts(ExprPtr base) {
  while (true) {
    if (Is("!")) {
      // "5!" at the end of a sentence is still a factorial.
      Advance();
      const bool twice = Take("!");
      base = Make(Kind::kFunction, {base}, twice ? "factorial2" : "factorial");
    } else if (Is("'") && base->kind == Kind::kSymbol) {
      Advance();
      base = Symbol(base->name + "'");
    } else if (Is("%")) {
      Advance();
      base = Make(Kind::kPercent, {base});
    } else if (Is("deg")) {
      Advance();
      base = Degrees(std::move(base));
    } else if (Is("_")) {
      Advance();
      std::string raw;
      if (!RawArgument(raw)) return nullptr;
      if (base->kind == Kind::kSymbol && base->name == "C" && Is("^")) {
        Advance();
        ExprPtr upper = Argument();
        auto lower = Parse(raw, {});
        if (upper == nullptr || !lower.ok()) return Fail("a binomial that cannot be read");
        const bool power = (*lower)->kind == Kind::kNumber && upper->kind == Kind::kNumber &&
                           (*lower)->value < upper->value;
        base = power ? Make(Kind::kPower, {Symbol("C_" + raw), upper})
                     : Make(Kind::kFunction, {*lower, upper}, "binom");
      } else if (base->kind == Kind::kSymbol) {
        base = Symbol(absl::StrCat(base->name, "_", raw));
      } else {
        base = Symbol(absl::StrCat(Key(*base), "_", raw));
      }
    } else if (Is("^")) {
      Advance();
      if (Is("deg") || (Is("{") && After().text == "deg" && After(2).text == "}")) {
        if (Take("{")) {
          Advance();
          Advance();
        } else {
          Advance();
        }
        base = Degrees(std::move(base));
        continue;
      }
      if (Is("'")) continue;
      const bool minus = Take("-");
      ExprPtr exponent = Argument();
      // x^2^3 is x^(2^3).
      if (exponent != nullptr && Is("^")) exponent = Scripts(std::move(exponent));
      if (exponent == nullptr) return nullptr;
      if (minus) exponent = Make(Kind::kNegate, {exponent});
      if (base->kind == Kind::kSymbol && base->name == "C" && Take("_")) {
        ExprPtr lower = Argument();
        if (lower == nullptr) return nullptr;
        base = Make(Kind::kFunction, {lower, exponent}, "binom");
      } else {
        base = Make(Kind::kPower, {base, exponent});
      }
    } else {
      return base;
    }
  }
}

}  // namespace temper::reward::math
