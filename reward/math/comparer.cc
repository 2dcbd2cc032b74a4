// Dispatch by kind, and everything that is made of elements.
#include "reward/math/comparer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "reward/math/characters.h"
#include "reward/math/rational.h"
#include "reward/math/region.h"

namespace temper::reward::math {
namespace {

constexpr size_t kElementsMax = 256;

Finding NotEqual(std::string reason) { return {Verdict::kNotEqual, false, std::move(reason)}; }

bool HasPlusMinus(const Expr& expr) {
  return Any(expr, [](const Expr& e) { return e.kind == Kind::kPlusMinus; });
}

bool IsListLike(const Expr& expr) {
  return expr.kind == Kind::kList || expr.kind == Kind::kSet || HasPlusMinus(expr);
}

bool IsMeasured(const Expr& expr) {
  return expr.kind == Kind::kQuantity || expr.kind == Kind::kPercent || expr.kind == Kind::kDegree;
}

bool HasMatrix(const Expr& expr) {
  return Any(expr, [](const Expr& e) { return e.kind == Kind::kMatrix; });
}

bool HasEllipsis(const std::vector<ExprPtr>& elements) {
  return std::any_of(elements.begin(), elements.end(), [](const ExprPtr& e) {
    return Any(*e, [](const Expr& part) { return IsConstant(part, "ldots"); });
  });
}

// x_1, x_2, ... number the solutions of one unknown; their order says nothing.
bool NumbersOneUnknown(const std::vector<std::string>& names) {
  const std::string base = names[0].substr(0, names[0].find('_'));
  std::vector<std::string> wanted;
  for (size_t i = 1; i <= names.size(); ++i) wanted.push_back(absl::StrCat(base, "_", i));
  std::sort(wanted.begin(), wanted.end());
  return wanted == names;
}

// "p = 5, q = 2" names its values: then their order counts.
bool NamesDiffer(const std::vector<ExprPtr>& elements) {
  std::vector<std::string> names;
  for (const ExprPtr& element : elements) {
    const std::optional<Assignment> assignment = AsAssignment(*element);
    if (!assignment.has_value()) return false;
    names.push_back(Key(*assignment->name));
  }
  std::sort(names.begin(), names.end());
  return names.size() > 1 && std::adjacent_find(names.begin(), names.end()) == names.end();
}

// x_1 = 1, x_2 = 2 as x = 1, x = 2.
std::vector<ExprPtr> WithoutNumbering(std::vector<ExprPtr> elements) {
  std::vector<std::string> names;
  std::vector<ExprPtr> renamed;
  for (const ExprPtr& element : elements) {
    const std::optional<Assignment> assignment = AsAssignment(*element);
    if (!assignment.has_value() || assignment->name->kind != Kind::kSymbol) return elements;
    const std::string& name = assignment->name->name;
    names.push_back(name);
    auto relation = std::make_shared<Expr>();
    relation->kind = Kind::kRelation;
    relation->ops = {"="};
    relation->args = {Symbol(name.substr(0, name.find('_'))), assignment->value};
    renamed.push_back(std::move(relation));
  }
  std::sort(names.begin(), names.end());
  return names.size() > 1 && NumbersOneUnknown(names) ? renamed : elements;
}

// One unknown with several values.
bool NamesRepeat(const std::vector<ExprPtr>& elements) {
  return std::all_of(elements.begin(), elements.end(),
                     [](const ExprPtr& e) { return AsAssignment(*e).has_value(); }) &&
         !NamesDiffer(elements);
}

std::string Words(const Expr& text) {
  std::string words;
  for (const char c : text.name) {
    const auto u = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(u) || u >= 0x80) words += absl::ascii_tolower(u);
  }
  return words;
}

// A group "p = 5, q = 2" of "...; ..." is the tuple of its values.
ExprPtr AsTuple(const ExprPtr& group) {
  if (group->kind != Kind::kList) return group;
  std::vector<ExprPtr> values;
  for (const ExprPtr& element : group->args) {
    const std::optional<Assignment> assignment = AsAssignment(*element);
    values.push_back(assignment.has_value() ? assignment->value : element);
  }
  return Make(Kind::kBracketed, std::move(values), "()");
}

}  // namespace

std::vector<ExprPtr> ElementsOf(const ExprPtr& expr) {
  std::vector<ExprPtr> elements;
  if (expr->kind == Kind::kList && expr->name == ";") {
    // "1; 2" is a list like any other; "1, 2; 3, 4" is one of pairs.
    for (const ExprPtr& group : expr->args) elements.push_back(AsTuple(group));
  } else if (expr->kind == Kind::kList || expr->kind == Kind::kSet) {
    for (const ExprPtr& arg : expr->args) {
      if (arg->kind == Kind::kList) {
        for (ExprPtr& element : ElementsOf(arg)) elements.push_back(std::move(element));
      } else {
        elements.push_back(arg);
      }
    }
  } else {
    elements.push_back(expr);
  }
  // "n = 1, 2, 3": the name is for all.
  const std::optional<Assignment> first = AsAssignment(*elements[0]);
  const bool only_first = first.has_value() && elements.size() > 1 &&
                          std::none_of(elements.begin() + 1, elements.end(),
                                       [](const ExprPtr& e) { return e->kind == Kind::kRelation; });
  if (only_first) elements[0] = first->value;
  std::vector<ExprPtr> split;
  for (const ExprPtr& element : elements) {
    for (ExprPtr& sign : BothSigns(element)) split.push_back(std::move(sign));
  }
  return split;
}

Finding Comparer::Compare(const ExprPtr& gold_in, const ExprPtr& answer_in) {
  constexpr int kDeepest = 64;
  if (!fuel_.Spend(1) || depth_ > kDeepest) {
    return {Verdict::kUndecided, false, "out of steps"};
  }
  // Whatever it means, a thing is itself.
  if (depth_ == 0 && Key(*gold_in) == Key(*answer_in)) {
    return {Verdict::kEqual, true, "the same expression"};
  }
  ++depth_;
  struct Leave {
    int& depth;
    ~Leave() { --depth; }
  } leave{depth_};
  const ExprPtr gold = UnitOutside(gold_in);
  const ExprPtr answer = UnitOutside(answer_in);
  if (std::optional<Finding> found = CompareRelations(gold, answer); found.has_value()) {
    return *found;
  }
  if (gold->kind == Kind::kText || answer->kind == Kind::kText) {
    // A symbol of one letter may be written as text.
    const auto words = [](const Expr& e) {
      return e.kind == Kind::kText ? Words(e) : e.kind == Kind::kSymbol ? Lower(e.name) : "";
    };
    const std::string wanted = words(*gold);
    if (!wanted.empty() && wanted == words(*answer))
      return {Verdict::kEqual, true, "the same words"};
    return NotEqual("other words");
  }
  if (IsListLike(*gold) || IsListLike(*answer)) return CompareLists(gold, answer);
  if (IsMeasured(*gold) || IsMeasured(*answer)) return CompareQuantities(gold, answer);
  if (gold->kind == Kind::kRatio || answer->kind == Kind::kRatio) {
    return CompareRatios(gold, answer);
  }
  if (gold->kind == Kind::kCongruence || answer->kind == Kind::kCongruence) {
    return CompareCongruences(*gold, *answer);
  }
  if (HasMatrix(*gold) || HasMatrix(*answer)) return CompareMatrices(*gold, *answer);
  if (gold->kind == Kind::kBracketed || answer->kind == Kind::kBracketed) {
    return CompareTuples(*gold, *answer);
  }
  return CompareScalars(*gold, *answer, policy_.tolerance, seed_, fuel_);
}

Finding Comparer::CompareLists(const ExprPtr& gold, const ExprPtr& answer) {
  const std::vector<ExprPtr> wanted = WithoutNumbering(ElementsOf(gold));
  const std::vector<ExprPtr> given = WithoutNumbering(ElementsOf(answer));
  if (wanted.size() > kElementsMax || given.size() > kElementsMax) {
    return {Verdict::kUndecided, false, absl::StrCat("more than ", kElementsMax, " elements")};
  }
  // "1, 2" and "p = 1, q = 2" may stand for (1, 2).
  for (const auto& [list, tuple] : {std::pair(gold, answer), std::pair(answer, gold)}) {
    // "x = 1 or x = 2" are two answers, not one pair.
    const bool bare = list->kind == Kind::kList && (list->name == "," || list->name == "and") &&
                      !HasPlusMinus(*list) && !NamesRepeat(list == gold ? wanted : given);
    if (tuple->kind != Kind::kBracketed || (!bare && !policy_.tuples_as_sets)) continue;
    const std::vector<ExprPtr>& elements = list == gold ? wanted : given;
    if (elements.size() < 2) continue;
    if (policy_.tuples_as_sets)
      return CompareUnordered(wanted.size() > 1 ? wanted : tuple->args,
                              given.size() > 1 ? given : tuple->args);
    if (tuple->name != "()") break;
    const ExprPtr made = AsTuple(Make(Kind::kList, elements, ","));
    return list == gold ? CompareOrdered(made->args, tuple->args, "tuple")
                        : CompareOrdered(tuple->args, made->args, "tuple");
  }
  const bool named =
      NamesDiffer(wanted) && std::none_of(given.begin(), given.end(),
                                          [](const auto& e) { return e->kind == Kind::kRelation; });
  const bool ellipsis = HasEllipsis(wanted) || HasEllipsis(given);
  if (named || ellipsis || (policy_.ordered_lists && gold->kind != Kind::kSet)) {
    return CompareOrdered(wanted, given, "list");
  }
  return CompareUnordered(wanted, given);
}

Finding Comparer::CompareOrdered(const std::vector<ExprPtr>& gold,
                                 const std::vector<ExprPtr>& answer, const char* what) {
  if (gold.size() != answer.size()) {
    return NotEqual(absl::StrCat("a ", what, " of ", answer.size(), ", expected ", gold.size()));
  }
  Finding all{Verdict::kEqual, true, absl::StrCat("the same ", what)};
  for (size_t i = 0; i < gold.size(); ++i) {
    Finding one = Compare(gold[i], answer[i]);
    if (one.verdict == Verdict::kNotEqual) {
      one.reason = absl::StrCat("element ", i + 1, ": ", one.reason);
      return one;
    }
    if (one.verdict == Verdict::kUndecided) all = one;
    all.proven = all.proven && one.proven;
  }
  return all;
}

std::vector<ExprPtr> Comparer::WithoutRepeats(std::vector<ExprPtr> elements) {
  std::vector<ExprPtr> kept;
  std::vector<std::string> keys;
  for (ExprPtr& element : elements) {
    std::string key = Key(*element);
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    keys.push_back(std::move(key));
    kept.push_back(std::move(element));
  }
  return kept;
}

// Every element of one is in the other, both ways.
Finding Comparer::CompareUnordered(std::vector<ExprPtr> gold, std::vector<ExprPtr> answer) {
  gold = WithoutRepeats(std::move(gold));
  answer = WithoutRepeats(std::move(answer));
  Finding all{Verdict::kEqual, true, "the same elements"};
  std::vector<bool> met(answer.size(), false);
  for (const ExprPtr& wanted : gold) {
    bool found = false;
    for (size_t i = 0; i < answer.size(); ++i) {
      const Finding one = Compare(wanted, answer[i]);
      if (one.verdict == Verdict::kEqual) {
        found = true;
        met[i] = true;
        all.proven = all.proven && one.proven;
      } else if (one.verdict == Verdict::kUndecided) {
        all = one;
        found = true;
        met[i] = true;
      }
    }
    if (!found) return NotEqual("an element of the gold answer is missing");
  }
  if (std::find(met.begin(), met.end(), false) != met.end()) {
    return NotEqual("an element that the gold answer does not have");
  }
  return all;
}

Finding Comparer::CompareTuples(const Expr& gold, const Expr& answer) {
  if (gold.kind != Kind::kBracketed || answer.kind != Kind::kBracketed) {
    return NotEqual("a tuple or interval against another kind of answer");
  }
  if (policy_.tuples_as_sets) return CompareUnordered(gold.args, answer.args);
  const auto plain = [](const Expr& e) { return e.name == "<>" ? std::string("()") : e.name; };
  if (gold.args.size() == 2 && plain(gold) != plain(answer)) {
    return NotEqual("open and closed ends differ");
  }
  return CompareOrdered(gold.args, answer.args, "tuple");
}

// 7 : 32 = 14 : 64; a time of day is compared digit by digit.
Finding Comparer::CompareRatios(const ExprPtr& gold, const ExprPtr& answer) {
  const auto quotient = [](const Expr& ratio) {
    return Make(Kind::kDivide, {ratio.args[0], ratio.args[1]});
  };
  if (gold->kind != Kind::kRatio || answer->kind != Kind::kRatio) {
    const Expr& ratio = gold->kind == Kind::kRatio ? *gold : *answer;
    if (ratio.args.size() != 2) return NotEqual("a ratio against another kind of answer");
    return gold->kind == Kind::kRatio ? Compare(quotient(*gold), answer)
                                      : Compare(gold, quotient(*answer));
  }
  Finding same = CompareOrdered(gold->args, answer->args, "ratio");
  if (same.verdict == Verdict::kEqual || gold->args.size() != answer->args.size()) return same;
  if (HasEllipsis(gold->args) || HasEllipsis(answer->args)) return same;
  for (size_t i = 1; i < gold->args.size(); ++i) {
    const ExprPtr left = Make(Kind::kMul, {gold->args[0], answer->args[i]});
    const ExprPtr right = Make(Kind::kMul, {answer->args[0], gold->args[i]});
    if (IsNumber(*gold->args[i], 0) || IsNumber(*answer->args[i], 0)) return same;
    const Finding one = Compare(left, right);
    if (one.verdict != Verdict::kEqual) return one;
    same = one;
  }
  return same;
}

Finding Comparer::CompareCongruences(const Expr& gold, const Expr& answer) {
  if (gold.kind != answer.kind) {
    // "9 (mod 11)" answers 9.
    const Expr& congruence = gold.kind == Kind::kCongruence ? gold : answer;
    const Expr& other = gold.kind == Kind::kCongruence ? answer : gold;
    const ExprPtr& residue = congruence.args[congruence.args.size() - 2];
    return &congruence == &gold ? Compare(residue, std::make_shared<Expr>(other))
                                : Compare(std::make_shared<Expr>(other), residue);
  }
  const Finding modulus = Compare(gold.args.back(), answer.args.back());
  if (modulus.verdict != Verdict::kEqual) return modulus;
  if (gold.args.size() == 3 && answer.args.size() == 3) {
    const Finding side = Compare(gold.args[0], answer.args[0]);
    if (side.verdict != Verdict::kEqual) return side;
  }
  mpq_class a;
  mpq_class b;
  mpq_class m;
  const ExprPtr& left = gold.args[gold.args.size() - 2];
  const ExprPtr& right = answer.args[answer.args.size() - 2];
  const bool folded = FoldRational(*left, fuel_, a) == Fold::kValue &&
                      FoldRational(*right, fuel_, b) == Fold::kValue &&
                      FoldRational(*gold.args.back(), fuel_, m) == Fold::kValue && m != 0;
  if (!folded) return Compare(left, right);
  const mpq_class steps = (a - b) / m;
  if (steps.get_den() == 1) return {Verdict::kEqual, true, "the same residue"};
  return {Verdict::kNotEqual, true, "another residue"};
}

}  // namespace temper::reward::math
