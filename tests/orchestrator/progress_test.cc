// The words a person sees while a run goes on.
#include "orchestrator/progress.h"

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"

namespace temper::orchestrator {
namespace {

v1::RunSpec Spec() {
  v1::RunSpec spec;
  spec.mutable_warm_start()->set_steps(50);
  spec.set_steps(10);
  return spec;
}

// What `events` print in a style.
std::string Shown(Progress::Style style, const std::vector<v1::RunEvent>& events) {
  char* text = nullptr;
  size_t size = 0;
  FILE* const out = open_memstream(&text, &size);
  Progress progress(Spec(), style, out);
  for (const v1::RunEvent& event : events) progress.Show(event);
  progress.Finish();
  std::fclose(out);
  const std::string shown(text, size);
  std::free(text);
  return shown;
}

v1::RunEvent Step(const std::string& stage, int64_t number) {
  v1::RunEvent event;
  event.mutable_step()->set_stage(stage);
  event.mutable_step()->set_step(number);
  event.mutable_step()->set_reward_mean(0.25);
  event.mutable_step()->mutable_seconds()->set_total(2);
  return event;
}

TEST(ProgressTest, WithoutATerminalEveryPolicyStepIsOneLine) {
  const std::string shown = Shown(Progress::Style::kLines, {Step("policy", 1), Step("policy", 2)});
  EXPECT_EQ(shown.find("step 1/10  reward 0.250"), 0u) << shown;
  EXPECT_NE(shown.find("\nstep 2/10  reward 0.250"), std::string::npos) << shown;
  EXPECT_EQ(shown.find('\r'), std::string::npos);
}

TEST(ProgressTest, TheWarmStartIsShownNowAndThen) {
  EXPECT_EQ(Shown(Progress::Style::kLines, {Step("warm_start", 7)}), "");
  EXPECT_EQ(Shown(Progress::Style::kLines, {Step("warm_start", 25)}).find("warm start 25/50"), 0u)
      << Shown(Progress::Style::kLines, {Step("warm_start", 25)});
}

TEST(ProgressTest, OnATerminalTheLineIsRewrittenAndTellsTheTimeLeft) {
  const std::string shown =
      Shown(Progress::Style::kTerminal, {Step("policy", 1), Step("policy", 2)});
  EXPECT_EQ(shown.find("\r\x1b[Kstep 1/10"), 0u) << shown;
  EXPECT_NE(shown.find("left 16s"), std::string::npos) << shown;
}

TEST(ProgressTest, JsonIsOneObjectALine) {
  const std::string shown = Shown(Progress::Style::kJson, {Step("policy", 3)});
  EXPECT_NE(shown.find("\"reward_mean\":0.25"), std::string::npos) << shown;
  EXPECT_EQ(shown.find('\n'), shown.size() - 1);
}

TEST(ProgressTest, LargeNumbersHaveCommas) {
  EXPECT_EQ(WithCommas(0), "0");
  EXPECT_EQ(WithCommas(999), "999");
  EXPECT_EQ(WithCommas(-1234567), "-1,234,567");
}

}  // namespace
}  // namespace temper::orchestrator
