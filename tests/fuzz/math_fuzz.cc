// Feeds pairs of arbitrary answers to the math verifier: the first line against the rest.
//
// What can be read equals itself; what is equal one way is not proven different the other way;
// blanks and \left \right change nothing.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "reward/math/compare.h"
#include "reward/math/parser.h"

namespace temper::reward::math {
namespace {

// As strict as can be: both directions ask the same question.
Policy Strict() {
  Policy policy;
  policy.percent = PercentPolicy::kStrict;
  policy.units = UnitPolicy::kRequired;
  policy.decimal_comma = CommaPolicy::kNever;
  policy.tolerance = {.gold_places_min = -1, .answer_digits_min = 1 << 30, .relative = 0};
  policy.relation_for_set = true;
  return policy;
}

void CheckReflexive(std::string_view text) {
  const auto first = Parse(text, {});
  if (!first.ok()) {
    TEMPER_CHECK(!first.status().message().empty());
    return;
  }
  const auto second = Parse(text, {});
  TEMPER_CHECK(second.ok() && Key(**first) == Key(**second));
  const Policy policy = Strict();
  Fuel fuel(100000);
  const Finding finding = Comparer(policy, 1, fuel).Compare(*first, *second);
  TEMPER_CHECK(finding.verdict != Verdict::kNotEqual || fuel.empty());
}

void CheckSymmetric(std::string_view a, std::string_view b) {
  const auto left = Parse(a, {});
  const auto right = Parse(b, {});
  if (!left.ok() || !right.ok()) return;
  const Policy policy = Strict();
  Fuel one_way(100000);
  Fuel other_way(100000);
  const Finding there = Comparer(policy, 1, one_way).Compare(*left, *right);
  const Finding back = Comparer(policy, 1, other_way).Compare(*right, *left);
  const auto differ = [](const Finding& x, const Finding& y) {
    return x.verdict == Verdict::kEqual && y.verdict == Verdict::kNotEqual && y.proven;
  };
  TEMPER_CHECK(!differ(there, back) && !differ(back, there));
}

// Text in which a bracket is only a bracket and a blank only a blank.
bool IsPlain(std::string_view text) {
  return text.find_first_not_of("abcdxyzfgn0123456789+-*/^(),=<> ") == std::string_view::npos;
}

void CheckSpelling(std::string_view text) {
  if (!IsPlain(text) || text.size() > 2000) return;
  const auto plain = Parse(text, {});
  if (!plain.ok()) return;
  std::string spelled = "  ";
  for (const char c : text) {
    spelled += c == '(' ? "\\left(" : c == ')' ? "\\right)" : std::string(1, c);
  }
  spelled += " ";
  const auto other = Parse(spelled, {});
  TEMPER_CHECK(other.ok() && Key(**plain) == Key(**other));
}

}  // namespace
}  // namespace temper::reward::math

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  namespace math = temper::reward::math;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const size_t line = std::min(text.find('\n'), text.size());
  const std::string_view gold = text.substr(0, line);
  const std::string_view answer = text.substr(std::min(line + 1, text.size()));
  const auto judgement = math::CompareMath(gold, answer);
  const bool equal = judgement.verdict == temper::reward::kEqual;
  TEMPER_CHECK(judgement.score == (equal ? 1 : 0) && !judgement.reason.empty());
  TEMPER_CHECK(equal || judgement.verdict == temper::reward::kNotEqual ||
               judgement.verdict == temper::reward::kUndecided);
  TEMPER_CHECK(math::CompareMath(gold, answer).reason == judgement.reason);
  TEMPER_CHECK(math::CompareMath(gold, " " + std::string(answer) + " ").verdict ==
               judgement.verdict);
  math::CheckReflexive(gold);
  math::CheckSymmetric(gold, answer);
  math::CheckSpelling(gold);
  return 0;
}
