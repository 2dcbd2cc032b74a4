// The client against a controller that loses answers and breaks streams.
#include "orchestrator/controller_client.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/recording_controller.h"

namespace temper::orchestrator {
namespace {

using fakes::RecordingController;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr absl::Duration kPatience = absl::Seconds(60);

ControllerClient Patient(const std::string& address) {
  return ControllerClient(address, {.timeout = kPatience, .retry_budget = kPatience});
}

void TellNotes(RecordingController& controller, int count) {
  for (int i = 0; i < count; ++i) {
    v1::RunEvent event;
    event.set_note("something");
    controller.Tell("tiny", event);
  }
}

TEST(ControllerClientTest, SendsALostCallAgainUnderTheSameIdAndItHappensOnce) {
  RecordingController controller;
  controller.AddRun("tiny", 10);
  controller.LoseAnswers("Pause", 2);
  const auto state = Patient(controller.address()).Pause("tiny", "lunch");
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(*state, v1::RUN_STATE_PAUSED);
  const auto calls = controller.calls("Pause");
  ASSERT_THAT(calls, SizeIs(3));
  EXPECT_EQ(calls[0].request_id, calls[1].request_id);
  EXPECT_EQ(calls[0].request_id, calls[2].request_id);
  EXPECT_EQ(controller.effects("Pause"), 1);
}

TEST(ControllerClientTest, MakesAnotherIdForEachCallAndKeepsOneThatIsGiven) {
  RecordingController controller;
  controller.AddRun("tiny", 10);
  ControllerClient client(controller.address());
  EXPECT_TRUE(client.Pause("tiny", "").ok());
  EXPECT_TRUE(client.Resume("tiny", "").ok());
  EXPECT_TRUE(client.Pause("tiny", "", "mine").ok());
  std::set<std::string> ids;
  for (const auto& call : controller.calls()) ids.insert(call.request_id);
  EXPECT_THAT(ids, SizeIs(3));
  EXPECT_TRUE(ids.contains("mine"));
  EXPECT_EQ(NewRequestId().size(), 32u);
}

TEST(ControllerClientTest, WithoutABudgetALostAnswerIsTheCallersToSee) {
  RecordingController controller;
  controller.AddRun("tiny", 10);
  controller.LoseAnswers("Stop", 1);
  const auto state = ControllerClient(controller.address()).Stop("tiny", "");
  EXPECT_TRUE(absl::IsUnavailable(state.status())) << state.status();
  EXPECT_THAT(controller.calls("Stop"), SizeIs(1));
}

TEST(ControllerClientTest, DoesNotRepeatWhatWasRefused) {
  RecordingController controller;
  controller.AddRun("tiny", 10);
  const auto state = Patient(controller.address()).Pause("tyny", "");
  EXPECT_TRUE(absl::IsNotFound(state.status())) << state.status();
  EXPECT_THAT(std::string(state.status().message()), HasSubstr("did you mean \"tiny\""));
  EXPECT_THAT(controller.calls("Pause"), SizeIs(1));
}

TEST(ControllerClientTest, SaysWhereNobodyAnswers) {
  std::string address;
  { address = RecordingController().address(); }
  const auto run = ControllerClient(address).Get("tiny");
  EXPECT_TRUE(absl::IsUnavailable(run.status())) << run.status();
  EXPECT_THAT(std::string(run.status().message()), HasSubstr(address));
}

TEST(ControllerClientTest, WatchComesBackWithTheNextNumberAndSaysSo) {
  RecordingController controller;
  controller.AddRun("tiny", 10);
  TellNotes(controller, 5);
  controller.BreakWatches(2, 2);  // after events 2 and 4
  controller.Edit("tiny", [](v1::GetResponse& run) { run.set_state(v1::RUN_STATE_DONE); });
  std::vector<int64_t> seen, back;
  int lost = 0;
  ControllerClient::WatchOptions options;
  options.reconnect_budget = kPatience;
  options.on_lost = [&](const absl::Status&) { ++lost; };
  options.on_back = [&](int64_t next) { back.push_back(next); };
  const StopToken never;
  const absl::Status status =
      ControllerClient(controller.address())
          .Watch(
              "tiny", 1, never,
              [&](const v1::RunEvent& event) { seen.push_back(event.sequence()); }, options);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(seen, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(back, ElementsAre(3, 5));
  EXPECT_EQ(lost, 2);
  std::vector<int64_t> asked;
  for (const auto& call : controller.calls("Watch")) {
    asked.push_back(static_cast<const v1::WatchRequest&>(*call.request).from_sequence());
  }
  EXPECT_THAT(asked, ElementsAre(1, 3, 5));
}

TEST(ControllerClientTest, WatchGoesOnWithAControllerThatWasStartedAgain) {
  auto controller = std::make_unique<RecordingController>();
  const std::string address = controller->address();
  controller->AddRun("tiny", 10);
  TellNotes(*controller, 2);
  std::vector<int64_t> seen;
  ControllerClient::WatchOptions options;
  options.reconnect_budget = kPatience;
  options.on_lost = [&](const absl::Status&) {
    controller.reset();
    controller = std::make_unique<RecordingController>(address);
    controller->AddRun("tiny", 10);
    TellNotes(*controller, 3);
    controller->Edit("tiny", [](v1::GetResponse& run) { run.set_state(v1::RUN_STATE_DONE); });
  };
  controller->BreakWatches(2, 1);
  const StopToken never;
  const absl::Status status = ControllerClient(address).Watch(
      "tiny", 1, never, [&](const v1::RunEvent& event) { seen.push_back(event.sequence()); },
      options);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(seen, ElementsAre(1, 2, 3));
}

TEST(ControllerClientTest, WatchEndsWhenItIsStopped) {
  RecordingController controller;
  controller.AddRun("tiny", 10);
  TellNotes(controller, 1);
  StopToken stop;
  const absl::Status status =
      ControllerClient(controller.address()).Watch("tiny", 1, stop, [&](const v1::RunEvent&) {
        stop.Stop();
      });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST(ControllerClientTest, WatchGivesUpWhenItsBudgetIsSpent) {
  std::string address;
  { address = RecordingController().address(); }
  ControllerClient::WatchOptions options;
  options.reconnect_budget = absl::Milliseconds(200);
  int idle = 0;
  options.on_idle = [&] { ++idle; };
  const StopToken never;
  const absl::Status status = ControllerClient(address).Watch(
      "tiny", 1, never, [](const v1::RunEvent&) {}, options);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_GT(idle, 0);
}

TEST(ControllerClientTest, ReplayTellsItsProgressAndReturnsTheReport) {
  RecordingController controller;
  controller.AddRun("tiny", 10);
  controller.Edit("tiny", [](v1::GetResponse& run) { run.set_step(3); });
  const StopToken never;
  ControllerClient client(controller.address());
  int told = 0;
  const auto report = client.Replay("tiny", 3, never, [&](const v1::ReplayProgress&) { ++told; });
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_TRUE(report->equal());
  EXPECT_EQ(told, 2);
  const auto never_made = client.Replay("tiny", 4, never, [](const v1::ReplayProgress&) {});
  EXPECT_TRUE(absl::IsOutOfRange(never_made.status())) << never_made.status();
}

}  // namespace
}  // namespace temper::orchestrator
