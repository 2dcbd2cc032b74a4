// The live view, as text.
#include "orchestrator/cli/watch_view.h"

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/cli/screen_text.h"

namespace temper::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

v1::GetResponse ARun() {
  v1::GetResponse run;
  run.set_name("arithmetic");
  run.set_state(v1::RUN_STATE_RUNNING);
  run.set_warm_start_steps(800);
  run.set_step(812);
  run.set_steps(830);
  run.mutable_spec()->set_steps(30);
  run.mutable_spec()->mutable_warm_start()->set_steps(800);
  for (const char* name : {"rollout-0", "rollout-1"}) {
    v1::Worker& worker = *run.add_workers();
    worker.set_name(name);
    worker.set_role(v1::ROLE_ROLLOUT);
    worker.set_connected(true);
    worker.set_version(812);
    worker.set_samples_out(17);
  }
  run.mutable_workers(1)->set_cordoned(true);
  return run;
}

v1::RunEvent AStep(int64_t step) {
  v1::RunEvent event;
  event.mutable_step()->set_step(step);
  event.mutable_step()->set_stage("policy");
  event.mutable_step()->set_reward_mean(0.05 * static_cast<double>(step));
  event.mutable_step()->set_length_mean(31.5);
  event.mutable_step()->set_tokens_per_second(12345);
  event.mutable_step()->mutable_seconds()->set_total(10);
  return event;
}

std::string Text(const WatchView& view, int width = 100, int height = 40) {
  return absl::StrJoin(view.Lines(width, height), "\n");
}

TEST(WatchViewTest, ShowsWhereTheRunStandsAndHowLongItTakes) {
  WatchView view("127.0.0.1:7000");
  view.On(ARun());
  for (int step = 1; step <= 12; ++step) view.On(AStep(step));
  const std::string text = Text(view);
  EXPECT_THAT(text, HasSubstr("arithmetic  running"));
  EXPECT_THAT(text, HasSubstr("127.0.0.1:7000"));
  EXPECT_THAT(text, HasSubstr("40 %  step 12 of 30, 3 min 00 s left"));
  EXPECT_THAT(text, HasSubstr("reward  ▁"));
  EXPECT_THAT(text, HasSubstr("0.050 -> 0.600"));
  EXPECT_THAT(text, AllOf(HasSubstr("  12   0.600    31.5"), HasSubstr("12,345")));
  EXPECT_THAT(text, Not(HasSubstr("\n   6   0.300")));  // six steps are shown: 7 to 12
  EXPECT_THAT(text, HasSubstr("rollout-1  rollout  cordoned"));
}

TEST(WatchViewTest, PromisesNoTimeWhileTheRunIsPaused) {
  WatchView view("here");
  v1::GetResponse run = ARun();
  run.set_state(v1::RUN_STATE_PAUSED);
  run.set_reason("lunch");
  view.On(run);
  view.On(AStep(12));
  EXPECT_THAT(Text(view), AllOf(HasSubstr("paused: lunch"), Not(HasSubstr("left"))));
}

TEST(WatchViewTest, CountsTheWarmStartByItself) {
  WatchView view("here");
  v1::GetResponse run = ARun();
  run.set_step(200);
  view.On(run);
  v1::RunEvent event = AStep(200);
  event.mutable_step()->set_stage("warm_start");
  event.mutable_step()->set_loss(1.25);
  view.On(event);
  EXPECT_THAT(Text(view), AllOf(HasSubstr("25 %  warm start 200 of 800"), HasSubstr("1.2500"),
                                Not(HasSubstr("reward"))));
}

TEST(WatchViewTest, ListsTheOldestWaitsButNotThoseForWork) {
  WatchView view("here");
  v1::GetResponse run = ARun();
  const std::pair<double, v1::WaitPolicy> waits[] = {
      {1, v1::WAIT_POLICY_RETRY}, {94, v1::WAIT_POLICY_DROP}, {500, v1::WAIT_POLICY_IDLE}};
  for (const auto& [age, policy] : waits) {
    v1::Wait& wait = *run.add_waits();
    wait.set_name("group 17 on rollout-3");
    wait.set_age_seconds(age);
    wait.set_deadline_seconds(120);
    wait.set_policy(policy);
  }
  view.On(run);
  const std::string text = Text(view);
  EXPECT_LT(text.find("1 min 34 s  2 min 00 s  drop"), text.find("1.0 s  2 min 00 s  retry"));
  EXPECT_THAT(text, Not(HasSubstr("8 min 20 s")));
}

TEST(WatchViewTest, FitsEveryWidthAndHeight) {
  WatchView view("127.0.0.1:7000");
  view.On(ARun());
  for (int step = 1; step <= 20; ++step) {
    view.On(AStep(step));
    v1::RunEvent note;
    note.set_note("worker rollout-0 was lost; its leases are given to others");
    view.On(note);
  }
  for (const int width : {0, 1, 10, 39, 80, 250}) {
    for (const int height : {0, 1, 5, 24, 60}) {
      const std::vector<std::string> lines = view.Lines(width, height);
      EXPECT_LE(static_cast<int>(lines.size()), height);
      for (const std::string& line : lines) EXPECT_LE(Columns(line), width) << line;
    }
  }
}

TEST(WatchViewTest, LetsNoControlCharacterThrough) {
  WatchView view("here");
  v1::GetResponse run = ARun();
  run.set_reason("\x1b[2J");
  view.On(run);
  v1::RunEvent note;
  note.set_note("\x1b]0;title\x07\r\nboo");
  view.On(note);
  view.set_trouble("gone\x1b[1A");
  for (const std::string& line : view.Lines(100, 40)) {
    for (const char c : line) EXPECT_FALSE(static_cast<unsigned char>(c) < 0x20) << line;
  }
  EXPECT_THAT(Text(view), HasSubstr("gone\\u{1B}[1A"));
}

}  // namespace
}  // namespace temper::cli
