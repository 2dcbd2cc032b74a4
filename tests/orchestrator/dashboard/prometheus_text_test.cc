// The text that Prometheus scrapes: every line parses, every number is there.
#include "orchestrator/dashboard/prometheus_text.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "re2/re2.h"
#include "tests/fakes/made_run.h"

namespace temper::orchestrator {
namespace {

// Samples by "name{labels}"; fails the test on a line that is no such text.
std::map<std::string, double> Parse(const std::string& text) {
  static const RE2 kComment(R"(# (HELP [a-z_:]+ .+|TYPE [a-z_:]+ gauge))");
  static const RE2 kSample(R"(([a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})?) (\S+))");
  std::map<std::string, double> samples;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  for (const std::string& line : lines) {
    if (RE2::FullMatch(line, kComment)) continue;
    std::string name, value;
    double number = 0;
    if (!RE2::FullMatch(line, kSample, &name, &value) || !absl::SimpleAtod(value, &number)) {
      ADD_FAILURE() << "not a sample: " << line;
      continue;
    }
    EXPECT_TRUE(samples.emplace(name, number).second) << name << " stands twice";
  }
  return samples;
}

TEST(PrometheusTextTest, HoldsTheNewestStepOfEachRun) {
  v1::ListResponse runs;
  for (const char* name : {"a", "b"}) {
    fakes::MadeRun run(name, 50, 1000);
    for (int i = 0; i < 20; ++i) run.Advance();
    *runs.add_runs() = run.view();
  }
  v1::GetResponse& first = *runs.mutable_runs(0);
  first.add_workers()->set_connected(true);
  first.add_workers();
  first.add_waits()->set_age_seconds(3);
  first.add_waits()->set_age_seconds(41.5);
  auto samples = Parse(PrometheusText(runs));
  EXPECT_EQ(samples["temper_runs"], 2);
  EXPECT_EQ(samples["temper_step{run=\"a\"}"], 20);
  EXPECT_EQ(samples["temper_workers_connected{run=\"a\"}"], 1);
  EXPECT_EQ(samples["temper_oldest_wait_seconds{run=\"a\"}"], 41.5);
  EXPECT_EQ(samples["temper_oldest_wait_seconds{run=\"b\"}"], 0);
  EXPECT_EQ(samples["temper_run_state{run=\"b\",state=\"running\"}"], 1);
  EXPECT_EQ(samples["temper_run_state{run=\"b\",state=\"paused\"}"], 0);
  const v1::StepMetrics& last = runs.runs(1).last();
  EXPECT_DOUBLE_EQ(samples["temper_reward_mean{run=\"b\"}"], last.reward_mean());
  EXPECT_DOUBLE_EQ(samples["temper_learning_rate{run=\"b\"}"], last.learning_rate());
  EXPECT_DOUBLE_EQ(samples["temper_step_seconds{run=\"b\",part=\"train\"}"],
                   last.seconds().train());
  EXPECT_DOUBLE_EQ(samples["temper_eval_accuracy{run=\"b\"}"], last.eval_accuracy());
  for (const char* name :
       {"reward_std", "length_mean", "entropy", "kl", "clip_fraction", "grad_norm",
        "logprob_mismatch", "tokens_per_second", "version", "policy_step", "loss"}) {
    EXPECT_TRUE(samples.contains(absl::StrCat("temper_", name, "{run=\"a\"}"))) << name;
  }
}

TEST(PrometheusTextTest, ARunWithoutAStepHasNoStepsGauges) {
  v1::ListResponse runs;
  v1::GetResponse& run = *runs.add_runs();
  run.set_name("new");
  run.set_state(v1::RUN_STATE_SUBMITTED);
  auto samples = Parse(PrometheusText(runs));
  EXPECT_TRUE(samples.contains("temper_run_state{run=\"new\",state=\"submitted\"}"));
  EXPECT_FALSE(samples.contains("temper_reward_mean{run=\"new\"}"));
}

TEST(PrometheusTextTest, NamesCannotBreakOutOfTheirLabels) {
  v1::ListResponse runs;
  runs.add_runs()->set_name("x\"} 1\ntemper_evil 2\\");
  const auto samples = Parse(PrometheusText(runs));
  EXPECT_FALSE(samples.contains("temper_evil"));
}

}  // namespace
}  // namespace temper::orchestrator
