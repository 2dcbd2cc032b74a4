// From samples to the numbers of a report.
#include "orchestrator/eval/report.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::eval {
namespace {

using ::testing::HasSubstr;

bool Same(const std::string& a, const std::string& b) { return a == b; }

std::vector<Task> Tasks() {
  return {{.id = "a", .categories = {{"subject", "x"}}},
          {.id = "b", .categories = {{"subject", "y"}}},
          {.id = "c", .categories = {{"subject", "x"}}}};
}

Sample Scored(const char* task, int index, double score, const char* answer) {
  return {.task = task,
          .index = index,
          .finish_reason = "stop",
          .tokens = 10,
          .score = score,
          .verdict = score == 1 ? "equal" : "not_equal",
          .answer = answer};
}

const Metric& Find(const ReportRow& row, const std::string& name) {
  for (const Metric& metric : row.metrics) {
    if (metric.name == name) return metric;
  }
  ADD_FAILURE() << "no " << name;
  return row.metrics.front();
}

TEST(ReportTest, AveragesOverProblemsAndCategories) {
  const std::vector<Sample> samples = {Scored("a", 0, 1, "1"), Scored("a", 1, 1, "1"),
                                       Scored("b", 0, 0, "2"), Scored("b", 1, 1, "3"),
                                       Scored("c", 1, 0, "4"), Scored("c", 0, 0, "4")};
  const Report report =
      MakeReport(Tasks(), samples, {.ks = {1, 2}, .samples = 2, .votes = true}, Same);
  EXPECT_DOUBLE_EQ(Find(report.all, "pass@1").estimate.value, 0.5);
  EXPECT_DOUBLE_EQ(Find(report.all, "pass@2").estimate.value, 2.0 / 3);
  EXPECT_DOUBLE_EQ(Find(report.all, "maj@2").estimate.value, 0.5) << "1, a tie, 0";
  ASSERT_EQ(report.categories.size(), 1);
  const std::vector<ReportRow>& rows = report.categories[0].second;
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].name, "x");
  EXPECT_EQ(rows[0].problems, 2);
  EXPECT_DOUBLE_EQ(Find(rows[0], "pass@1").estimate.value, 0.5);
  EXPECT_DOUBLE_EQ(Find(rows[1], "pass@2").estimate.value, 1);
  EXPECT_EQ(report.missing, 0);
  EXPECT_EQ(report.verdicts.at("equal"), 3);
  EXPECT_EQ(report.tokens_mean, 10);
}

TEST(ReportTest, LeavesOurFailuresOut) {
  const std::vector<Sample> samples = {Scored("a", 0, 1, "1"),
                                       {.task = "b", .index = 0, .internal_error = "HTTP 500"},
                                       {.task = "c", .index = 0, .invalid = "no tests"}};
  const Report report = MakeReport(Tasks(), samples, {}, Same);
  EXPECT_EQ(Find(report.all, "pass@1").estimate.value, 1);
  EXPECT_EQ(Find(report.all, "pass@1").problems, 1);
  EXPECT_EQ(report.internal_errors, 1);
  EXPECT_EQ(report.invalid, 1);
  const std::string text = ToMarkdown(report, {}, "**m**");
  EXPECT_THAT(text, HasSubstr("1 samples left out: internal errors"));
}

TEST(ReportTest, LeavesOutProblemsWithFewerThanKSamples) {
  const std::vector<Sample> samples = {Scored("a", 0, 1, "1"), Scored("a", 1, 0, "2"),
                                       Scored("b", 0, 0, "2")};
  const Report report = MakeReport(Tasks(), samples, {.ks = {1, 2}, .samples = 2}, Same);
  EXPECT_EQ(Find(report.all, "pass@1").problems, 2);
  EXPECT_EQ(Find(report.all, "pass@2").problems, 1);
  EXPECT_EQ(report.missing, 3);
}

TEST(ReportTest, PassesOverSamplesThatWereNotAskedFor) {
  const std::vector<Sample> samples = {Scored("a", 0, 1, "1"), Scored("a", 1, 0, "1"),
                                       Scored("gone", 0, 0, "1")};
  const Report report = MakeReport(Tasks(), samples, {.samples = 1}, Same);
  EXPECT_EQ(report.scored, 1);
  EXPECT_EQ(Find(report.all, "pass@1").estimate.value, 1);
}

TEST(ReportTest, CountsInstructionsStrictlyAndLoosely) {
  Sample a = Scored("a", 0, 0, ""), b = Scored("b", 0, 1, "");
  a.details_json = R"({"mode": "strict", "followed": [true, false, false]})";
  a.loose_json = R"({"mode": "loose", "followed": [true, true, false]})";
  b.details_json = b.loose_json = R"({"followed": [true]})";
  const Report report = MakeReport(Tasks(), {a, b}, {}, Same);
  EXPECT_DOUBLE_EQ(Find(report.all, "prompt_strict").estimate.value, 0.5);
  EXPECT_DOUBLE_EQ(Find(report.all, "instruction_strict").estimate.value, 0.5);
  EXPECT_DOUBLE_EQ(Find(report.all, "prompt_loose").estimate.value, 0.5);
  EXPECT_DOUBLE_EQ(Find(report.all, "instruction_loose").estimate.value, 0.75);
}

TEST(ReportTest, SaysTheMeanScoreWhereScoresAreNotAllOrNothing) {
  const Report report =
      MakeReport(Tasks(), {Scored("a", 0, 0.5, ""), Scored("b", 0, 1, "")}, {}, Same);
  EXPECT_DOUBLE_EQ(Find(report.all, "score").estimate.value, 0.75);
  EXPECT_DOUBLE_EQ(Find(report.all, "pass@1").estimate.value, 0.5);
}

TEST(ReportTest, WritesATableThatNobodyCanBreak) {
  std::vector<Task> tasks = {{.id = "a", .categories = {{"subject", "x | y\nz"}}}};
  const Report report = MakeReport(tasks, {Scored("a", 0, 1, "1")}, {}, Same);
  const std::string text = ToMarkdown(report, {}, "**m**");
  EXPECT_THAT(text, HasSubstr("| | problems | pass@1 |\n|---|---:|---:|\n"
                              "| all | 1 | 100.00 [100.00, 100.00] |\n"
                              "| subject: x \\| y z | 1 | 100.00 [100.00, 100.00] |\n"));
}

TEST(ReportTest, HasNothingToSayOfNothing) {
  const Report report = MakeReport(Tasks(), {}, {}, Same);
  EXPECT_EQ(report.missing, 3);
  EXPECT_THAT(ToMarkdown(report, {}, "**m**"), HasSubstr("| all | 3 | – |"));
  nlohmann::ordered_json document;
  AddToJson(report, {}, document);
  EXPECT_FALSE(document["metrics"]["pass@1"].contains("value"));
}

}  // namespace
}  // namespace temper::eval
