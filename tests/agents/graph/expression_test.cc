// Conditions over what is there, over lists, and over what is absent.
#include "agents/graph/expression.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using List = Operand::List;

const std::vector<std::string> kBuiltins = {"round", "gain", "unchanged", "spent.usd"};

class Scope : public ExpressionScope {
 public:
  Operand Get(const Reference& reference) const override {
    const auto value = values.find(reference.choices[0].name);
    return value == values.end() ? Operand{} : value->second;
  }
  Operand Builtin(std::string_view name) const override {
    if (name == "round") return {3.0};
    if (name == "gain") return {-0.25};
    if (name == "unchanged") return {false};
    return {0.5};
  }

  std::map<std::string, Operand> values = {
      {"draft", {std::string("a b"), 4.0}},
      {"edit", {std::string("a c"), 4.5}},
      {"plain", {std::string("hé")}},
      {"number", {std::string("0.75")}},
      {"list",
       {List{{std::string("x"), 1.0}, {}, {std::string("y"), 5.0}, {std::string("z"), 3.0}}}},
      {"empty", {List{}}},
  };
};

absl::StatusOr<Operand> Worth(const std::string& text) {
  const auto expression = Expression::Parse(text, {3, 10}, kBuiltins);
  EXPECT_TRUE(expression.ok()) << text << ": " << expression.status();
  if (!expression.ok()) return expression.status();
  return expression->Evaluate(Scope());
}

double Number(const std::string& text) {
  const auto worth = Worth(text);
  EXPECT_TRUE(worth.ok() && std::holds_alternative<double>(worth->value)) << text;
  return worth.ok() && std::holds_alternative<double>(worth->value) ? std::get<double>(worth->value)
                                                                    : -999;
}

bool Holds(const std::string& text) {
  const auto expression = Expression::Parse(text, {1, 1}, kBuiltins);
  EXPECT_TRUE(expression.ok()) << text << ": " << expression.status();
  const auto holds = expression->Holds(Scope());
  EXPECT_TRUE(holds.ok()) << text << ": " << holds.status();
  return holds.ok() && *holds;
}

std::string Refusal(const std::string& text) {
  const auto expression = Expression::Parse(text, {3, 10}, kBuiltins);
  EXPECT_EQ(expression.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(expression.status().message());
}

TEST(AgentExpressionTest, CalculatesWithScoresOfCandidates) {
  EXPECT_DOUBLE_EQ(Number("score($edit) - score($draft)"), 0.5);
  EXPECT_DOUBLE_EQ(Number("$edit - $draft"), 0.5);
  EXPECT_DOUBLE_EQ(Number("0.5*gain + 0.5*spent.usd"), 0.125);
  EXPECT_DOUBLE_EQ(Number("-2 - -3 * (1 + 1) / 4"), -0.5);
  EXPECT_DOUBLE_EQ(Number("abs(gain) + 1e-2"), 0.26);
  EXPECT_DOUBLE_EQ(Number("min(3, round, $edit)"), 3);
  EXPECT_DOUBLE_EQ(Number("$number + 1"), 1.75);
}

TEST(AgentExpressionTest, ReducesLists) {
  EXPECT_DOUBLE_EQ(Number("count($list)"), 3);
  EXPECT_DOUBLE_EQ(Number("len($list)"), 3);
  EXPECT_DOUBLE_EQ(Number("count($list > 2)"), 2);
  EXPECT_DOUBLE_EQ(Number("count(2 < $list)"), 2);
  EXPECT_DOUBLE_EQ(Number("mean($list)"), 3);
  EXPECT_DOUBLE_EQ(Number("max($list, 4)"), 5);
  EXPECT_DOUBLE_EQ(Number("min($list + 1)"), 2);
  EXPECT_DOUBLE_EQ(Number("len($plain)"), 2);  // characters
  EXPECT_DOUBLE_EQ(Number("count($nothing)"), 0);
  EXPECT_DOUBLE_EQ(Number("count($empty)"), 0);
  EXPECT_TRUE(Worth("mean($empty)")->absent());
}

TEST(AgentExpressionTest, HasAnswersThatWhatIsAbsentLeavesOpen) {
  EXPECT_TRUE(Worth("$nothing < 4")->absent());
  EXPECT_TRUE(Worth("$nothing + 4")->absent());
  EXPECT_TRUE(Worth("score($plain)")->absent());
  EXPECT_FALSE(Holds("$nothing < 4"));
  EXPECT_FALSE(Holds("not $nothing < 4"));
  EXPECT_TRUE(Holds("$nothing < 4 or round == 3"));
  EXPECT_FALSE(Holds("$nothing < 4 and round == 3"));
  EXPECT_TRUE(Holds("not ($nothing < 4 and round == 4)"));
}

TEST(AgentExpressionTest, HoldsAsAPersonReadsIt) {
  EXPECT_TRUE(Holds("gain < 0.1 or unchanged"));
  EXPECT_TRUE(Holds("not unchanged and round >= 3"));
  EXPECT_TRUE(Holds("$draft == \"a b\""));
  EXPECT_TRUE(Holds("$draft != 'a c'"));
  EXPECT_TRUE(Holds("$draft < $edit"));
  EXPECT_TRUE(Holds("1 or 0 and 0"));
  EXPECT_TRUE(Holds("count($list > 4.5) >= 1"));
  EXPECT_FALSE(Holds("0"));
}

TEST(AgentExpressionTest, NamesOperandsThatDoNotGoTogether) {
  EXPECT_EQ(Worth("$plain < 4").status().message(),
            "3:10: found the text \"hé\"; \"<\" expects a number or a text that has a score");
  EXPECT_THAT(std::string(Worth("1 / (round - 3)").status().message()),
              HasSubstr("divides 1 by 0"));
  EXPECT_THAT(std::string(Worth("$list + $list").status().message()),
              HasSubstr("a list on both sides"));
  EXPECT_THAT(std::string(Worth("$draft and round").status().message()),
              HasSubstr("expected a condition"));
}

TEST(AgentExpressionTest, PointsAtWhatCannotBeRead) {
  EXPECT_EQ(Refusal("gian < 0.1"),
            "3:10: found \"gian\", which is not known here; did you mean \"gain\"?");
  EXPECT_EQ(Refusal("round >= (3 + 1"), "3:25: found the end; expected \")\"");
  EXPECT_EQ(Refusal("round = 3"), "3:16: found \"= 3\"; expected \"==\"");
  EXPECT_EQ(Refusal("1 < round < 3"),
            "3:20: found \"< 3\"; expected one comparison; join two with \"and\"");
  EXPECT_EQ(Refusal("cuont($list)"), "3:10: found the function \"cuont\"; did you mean \"count\"?");
  EXPECT_EQ(Refusal("len(1, 2)"), "3:10: found 2 operands of len; expected 1");
  EXPECT_THAT(Refusal("1 +"), StartsWith("3:13: found the end; expected a value"));
  EXPECT_THAT(Refusal("$ < 1"), StartsWith("3:10: found"));
  EXPECT_THAT(Refusal("'open"), HasSubstr("a text that is closed"));
  EXPECT_THAT(Refusal("1e999"), HasSubstr("expected a number"));
  EXPECT_THAT(Refusal("$a | 3"), HasSubstr("another reference"));
  EXPECT_THAT(Refusal(""), HasSubstr("found the end"));
  EXPECT_THAT(Refusal(std::string(100, '(')), HasSubstr("nested over 32 levels"));
  EXPECT_THAT(Refusal(std::string(5000, '1')), HasSubstr("expected at most 4096"));
}

TEST(AgentExpressionTest, ListsItsReferencesInTheOrderOfTheText) {
  const auto expression = Expression::Parse("max($b.x | $c, 1) > $a", {2, 5}, {});
  ASSERT_TRUE(expression.ok());
  ASSERT_EQ(expression->references().size(), 2u);
  EXPECT_EQ(expression->references()[0]->choices[1].name, "c");
  EXPECT_EQ(expression->references()[0]->choices[0].fields[0], "x");
  EXPECT_EQ(expression->references()[1]->place.column, 25);
}

TEST(AgentExpressionTest, RefusesListsWhereOneValueMustStand) {
  const auto check = [](const std::string& text) {
    const auto expression = Expression::Parse(text, {1, 1}, {});
    return std::string(
        expression->CheckLists([](const Reference& r) { return r.choices[0].name == "list"; })
            .message());
  };
  EXPECT_EQ(check("count($list > 1) > 2 and $x < mean($list)"), "");
  EXPECT_THAT(check("$list > 1"), StartsWith("1:1: found a list where one value is expected"));
  EXPECT_THAT(check("max($list + $list)"), StartsWith("1:5: found a list on both sides of \"+\""));
  EXPECT_THAT(check("$x or score($list)"), StartsWith("1:7: found a list; \"or\" expects one"));
}

}  // namespace
}  // namespace temper::agents
