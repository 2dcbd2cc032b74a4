// A daemon, its fleet and an operator: everything that can be done to a live run, in one story.
#include <csignal>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/json_config.h"
#include "base/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "temper/v1/controller.grpc.pb.h"
#include "tests/end_to_end/live_fleet.h"
#include "tests/end_to_end/program.h"

namespace temper::end_to_end {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Minutes(3);

class LiveControlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(::testing::TempDir(), "/temper_live_control_test");
    ASSERT_TRUE(RemoveAll(folder_).ok());
    spec_path_ = WriteTinyJob(folder_ + "/job");
    fleet_ = std::make_unique<LiveFleet>(folder_ + "/runs");
    Connect();
  }
  void TearDown() override {
    fleet_.reset();
    if (!HasFailure()) {
      EXPECT_TRUE(RemoveAll(folder_).ok());
    }
  }

  void Connect() {
    ASSERT_NE(fleet_->address(), "") << fleet_->Condition();
    calls_ = v1::ControllerService::NewStub(Dial(fleet_->address()));
  }

  // One call; its status in `status_`.
  template <class Request, class Response>
  Response Call(grpc::Status (v1::ControllerService::Stub::*method)(grpc::ClientContext*,
                                                                    const Request&, Response*),
                const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(2));
    context.set_wait_for_ready(true);
    Response response;
    status_ = (calls_.get()->*method)(&context, request, &response);
    return response;
  }
  template <class Request, class Response>
  Response Must(grpc::Status (v1::ControllerService::Stub::*method)(grpc::ClientContext*,
                                                                    const Request&, Response*),
                const Request& request) {
    Response response = Call(method, request);
    EXPECT_TRUE(status_.ok()) << status_.error_message();
    return response;
  }
  template <class Request>
  static Request For(const std::string& run) {
    Request request;
    request.set_run(run);
    return request;
  }

  v1::SubmitRequest Job(const std::string& name, int steps) {
    v1::SubmitRequest request;
    const auto text = ReadFile(spec_path_);
    EXPECT_TRUE(ParseJsonConfig(*text, spec_path_, *request.mutable_spec()).ok());
    request.mutable_spec()->set_name(name);
    request.mutable_spec()->set_steps(steps);
    request.set_base_dir(folder_ + "/job");
    request.set_request_id(absl::StrCat("submit ", name));
    return request;
  }

  v1::GetResponse Get(const std::string& run) {
    return Must(&v1::ControllerService::Stub::Get, For<v1::GetRequest>(run));
  }
  bool WaitUntil(const std::string& run, const std::function<bool(const v1::GetResponse&)>& holds) {
    const absl::Time give_up = absl::Now() + kPatience;
    while (absl::Now() < give_up && fleet_->WorkersRun()) {
      if (holds(Get(run))) return true;
      absl::SleepFor(absl::Milliseconds(20));
    }
    ADD_FAILURE() << Get(run).ShortDebugString() << fleet_->Condition();
    return false;
  }
  // Policy step `step` has been made.
  bool Reach(const std::string& run, int64_t step) {
    return WaitUntil(run, [step](const v1::GetResponse& now) {
      return now.step() - now.warm_start_steps() >= step || now.state() == v1::RUN_STATE_FAILED;
    });
  }
  static int64_t StepOf(const v1::GetResponse& run) { return run.step() - run.warm_start_steps(); }

  std::map<std::string, v1::Worker> Workers() {
    std::map<std::string, v1::Worker> workers;
    const auto listed = Must(&v1::ControllerService::Stub::ListWorkers, v1::ListWorkersRequest());
    for (const v1::Worker& worker : listed.workers()) workers[worker.name()] = worker;
    return workers;
  }
  int64_t TokensMade() {
    int64_t tokens = 0;
    for (const auto& [name, worker] : Workers()) {
      if (worker.role() == v1::ROLE_ROLLOUT) tokens += worker.progress();
    }
    return tokens;
  }
  // No token is made any more: what was under way when a pause was answered has stopped.
  void ExpectSilence() {
    absl::SleepFor(absl::Seconds(1));  // two heartbeats: what is counted is what was made
    const int64_t before = TokensMade();
    absl::SleepFor(absl::Seconds(2));
    EXPECT_EQ(TokensMade(), before);
  }

  std::vector<v1::RunEvent> Events(const std::string& run) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    const int64_t last = Get(run).sequence();
    auto reader = calls_->Watch(&context, For<v1::WatchRequest>(run));
    std::vector<v1::RunEvent> events;
    v1::WatchResponse response;
    while (static_cast<int64_t>(events.size()) < last && reader->Read(&response)) {
      events.push_back(response.event());
    }
    context.TryCancel();
    reader->Finish();
    for (size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i].sequence(), static_cast<int64_t>(i) + 1);
    }
    return events;
  }

  std::string folder_, spec_path_;
  std::unique_ptr<LiveFleet> fleet_;
  std::unique_ptr<v1::ControllerService::Stub> calls_;
  grpc::Status status_;
};

using Stub = v1::ControllerService::Stub;

TEST_F(LiveControlTest, ARunIsPausedAlteredForkedReplayedAndSurvivesTheDaemon) {
  // Submitted, once, however often it is said.
  v1::SubmitRequest check = Job("story", 1000);
  check.set_check(true);
  const v1::SubmitResponse checked = Must(&Stub::Submit, check);
  EXPECT_EQ(checked.checks_size(), 6) << checked.ShortDebugString();
  for (const v1::Check& one : checked.checks()) {
    EXPECT_TRUE(one.ok()) << one.ShortDebugString();
  }
  Must(&Stub::Submit, Job("story", 1000));
  Must(&Stub::Submit, Job("story", 1000));
  v1::SubmitRequest again = Job("story", 1000);
  again.set_request_id("another");
  again.mutable_spec()->set_seed(99);
  Call(&Stub::Submit, again);
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::ALREADY_EXISTS) << status_.error_message();

  // Paused: no token is made.
  ASSERT_TRUE(Reach("story", 2));
  EXPECT_EQ(Must(&Stub::Pause, For<v1::PauseRequest>("story")).state(), v1::RUN_STATE_PAUSED);
  ExpectSilence();
  const int64_t paused_at = StepOf(Get("story"));

  // Altered at the next step boundary, with who, old and new.
  auto alter = For<v1::AlterRequest>("story");
  alter.set_request_id("alter");
  alter.mutable_alteration()->set_learning_rate(0.0005);
  alter.mutable_alteration()->set_temperature(0.9);
  const v1::Altered altered = Must(&Stub::Alter, alter).altered();
  EXPECT_GT(altered.from_step(), paused_at);
  ASSERT_EQ(altered.changes_size(), 2);
  EXPECT_EQ(altered.changes(0).field(), "learning_rate");
  EXPECT_EQ(altered.changes(0).before(), "0.001");
  EXPECT_EQ(altered.changes(0).after(), "0.0005");
  EXPECT_EQ(Must(&Stub::Alter, alter).altered().from_step(), altered.from_step());

  Must(&Stub::Resume, For<v1::ResumeRequest>("story"));
  ASSERT_TRUE(Reach("story", altered.from_step() + 1));
  int alterations = 0;
  for (const v1::RunEvent& event : Events("story")) {
    if (event.has_altered()) ++alterations;
    if (!event.has_step() || event.step().stage() != "policy") continue;
    EXPECT_EQ(event.step().learning_rate(),
              event.step().step() < altered.from_step() ? 0.001 : 0.0005)
        << event.step().step();
    EXPECT_EQ(event.step().logprob_mismatch(), 0);
  }
  EXPECT_EQ(alterations, 1);

  // Forked at a kept checkpoint with another clip range.
  const v1::CheckpointKept kept =
      Must(&Stub::Checkpoint, For<v1::CheckpointRequest>("story")).checkpoint();
  EXPECT_TRUE(Exists(kept.path() + "/model.safetensors")) << kept.path();
  auto fork = For<v1::ForkRequest>("story");
  fork.set_request_id("fork");
  fork.set_step(kept.step());
  fork.set_name("branch");
  fork.add_settings("clip_high=0.3");
  fork.add_settings("steps=1000");
  EXPECT_EQ(Must(&Stub::Fork, fork).run(), "branch");
  EXPECT_EQ(Must(&Stub::Fork, fork).run(), "branch");
  ASSERT_TRUE(Reach("branch", kept.step() + 2));
  EXPECT_EQ(Get("branch").parent(), "story");
  EXPECT_EQ(Get("branch").spec().clip_high(), 0.3);
  EXPECT_EQ(Get("branch").spec().learning_rate(), 0.0005);

  // Replayed: every bit is the same.
  {
    auto replay = For<v1::ReplayRequest>("story");
    replay.set_step(altered.from_step());
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(2));
    auto reader = calls_->Replay(&context, replay);
    v1::ReplayResponse response;
    v1::ReplayReport report;
    while (reader->Read(&response)) {
      if (response.has_report()) report = response.report();
    }
    const grpc::Status ended = reader->Finish();
    EXPECT_TRUE(ended.ok()) << ended.error_message();
    EXPECT_TRUE(report.equal()) << report.DebugString();
    EXPECT_GE(report.comparisons_size(), 5) << report.DebugString();
  }

  // Cordoned: its samples finish elsewhere.
  v1::CordonWorkerRequest cordon;
  cordon.set_worker("rollout-0");
  cordon.set_cordoned(true);
  cordon.set_reason("to be looked at");
  EXPECT_TRUE(Must(&Stub::CordonWorker, cordon).worker().cordoned());
  absl::SleepFor(absl::Seconds(1));
  const int64_t idle = Workers()["rollout-0"].progress();
  ASSERT_TRUE(Reach("branch", StepOf(Get("branch")) + 2));
  absl::SleepFor(absl::Seconds(1));
  EXPECT_EQ(Workers()["rollout-0"].progress(), idle);

  // The daemon dies; both runs go on, and the cordon stands.
  const int64_t story_at = StepOf(Get("story")), branch_at = StepOf(Get("branch"));
  fleet_->KillController();
  fleet_->RestartController();
  Connect();
  ASSERT_TRUE(Reach("story", story_at + 2));
  ASSERT_TRUE(Reach("branch", branch_at + 2));
  EXPECT_TRUE(Workers()["rollout-0"].cordoned());
  EXPECT_EQ(Must(&Stub::Fork, fork).run(), "branch");  // still remembered
  cordon.set_cordoned(false);
  EXPECT_FALSE(Must(&Stub::CordonWorker, cordon).worker().cordoned());

  // Samples with their scores and tokens, and who did what when.
  auto samples = For<v1::GetSamplesRequest>("story");
  samples.set_step(altered.from_step());
  samples.set_with_tokens(true);
  const auto found = Must(&Stub::GetSamples, samples);
  ASSERT_EQ(found.samples_size(), 16);
  EXPECT_EQ(found.samples(0).state(), "trained");
  ASSERT_GT(found.samples(0).tokens_size(), 0);
  EXPECT_LE(found.samples(0).tokens(0).logprob(), 0);
  std::string text;
  for (const v1::SampleToken& token : found.samples(0).tokens()) text += token.text();
  EXPECT_FALSE(text.empty());  // bytes: a response shows broken characters otherwise
  auto timeline = For<v1::GetTimelineRequest>("story");
  timeline.set_step(altered.from_step() + 1);
  std::set<std::string> kinds;
  const v1::GetTimelineResponse spans = Must(&Stub::GetTimeline, timeline);
  for (const v1::Span& span : spans.spans()) {
    kinds.insert(span.kind());
    EXPECT_LE(span.from_us(), span.to_us());
  }
  EXPECT_TRUE(kinds.contains("generate") && kinds.contains("score") && kinds.contains("train"));

  // Drained at a step's end, stopped, resumed.
  Must(&Stub::Drain, For<v1::DrainRequest>("branch"));
  ASSERT_TRUE(
      WaitUntil("branch", [](const auto& run) { return run.state() == v1::RUN_STATE_STOPPED; }));
  EXPECT_THAT(Get("branch").reason(), HasSubstr("drained"));
  const int64_t drained_at = StepOf(Get("branch"));
  Must(&Stub::Resume, For<v1::ResumeRequest>("branch"));
  ASSERT_TRUE(Reach("branch", drained_at + 1));
  Must(&Stub::Stop, For<v1::StopRequest>("branch"));
  Must(&Stub::Stop, For<v1::StopRequest>("story"));
  for (const char* run : {"story", "branch"}) {
    EXPECT_EQ(Get(run).state(), v1::RUN_STATE_STOPPED);
  }
  // A run that rests is described from its ledger: its spec as it was in force.
  fleet_->KillController();
  fleet_->RestartController();
  Connect();
  EXPECT_EQ(Get("story").spec().learning_rate(), 0.0005);
  EXPECT_EQ(Get("story").spec().temperature(), 0.9);
  EXPECT_EQ(Get("branch").spec().clip_high(), 0.3);
  fleet_->KillController();
  for (const char* run : {"story", "branch"}) {
    const Outcome audit = Temper({"audit", absl::StrCat(folder_, "/runs/", run)});
    EXPECT_EQ(audit.exit_code, 0) << audit.output << audit.errors;
  }
}

TEST_F(LiveControlTest, PausingAndResumingChangesNoBit) {
  Must(&Stub::Submit, Job("plain", 6));
  Must(&Stub::Submit, Job("paused", 6));
  for (const int64_t step : {1, 3, 4}) {
    ASSERT_TRUE(Reach("paused", step));
    Must(&Stub::Pause, For<v1::PauseRequest>("paused"));
    absl::SleepFor(absl::Milliseconds(200));
    Must(&Stub::Resume, For<v1::ResumeRequest>("paused"));
  }
  for (const char* run : {"plain", "paused"}) {
    ASSERT_TRUE(WaitUntil(run, [](const auto& now) { return now.state() == v1::RUN_STATE_DONE; }));
  }
  const std::string expected = FinalModelSha256(folder_ + "/runs/plain");
  EXPECT_EQ(expected.size(), 64u);
  EXPECT_EQ(FinalModelSha256(folder_ + "/runs/paused"), expected);
}

TEST_F(LiveControlTest, BadOrdersAreRefusedWithTheReasonAndChangeNothing) {
  Must(&Stub::Submit, Job("bad", 50));
  ASSERT_TRUE(Reach("bad", 1));
  Must(&Stub::Pause, For<v1::PauseRequest>("bad"));
  // The step that was training, and a worker that comes late, are events of their own.
  ASSERT_TRUE(WaitUntil("bad", [](const v1::GetResponse& now) {
    return now.waits_size() == 0 && now.workers_size() == 4;
  }));
  const int64_t sequence = Get("bad").sequence();
  const auto expect = [&](grpc::StatusCode code, const std::string& words) {
    EXPECT_EQ(status_.error_code(), code) << status_.error_message();
    EXPECT_THAT(status_.error_message(), HasSubstr(words));
  };
  auto alter = For<v1::AlterRequest>("bad");
  Call(&Stub::Alter, alter);
  expect(grpc::StatusCode::INVALID_ARGUMENT, "nothing would change");
  alter.mutable_alteration()->set_temperature(-1);
  Call(&Stub::Alter, alter);
  expect(grpc::StatusCode::INVALID_ARGUMENT, "temperature: found -1, expected");
  alter.mutable_alteration()->clear_temperature();
  alter.mutable_alteration()->set_staleness(2);
  Call(&Stub::Alter, alter);
  expect(grpc::StatusCode::INVALID_ARGUMENT, "staleness: found 2, expected 0");
  auto fork = For<v1::ForkRequest>("bad");
  fork.set_step(40);
  fork.set_name("future");
  Call(&Stub::Fork, fork);
  expect(grpc::StatusCode::OUT_OF_RANGE, "40");
  auto replay = For<v1::ReplayRequest>("bad");
  replay.set_step(40);
  {
    grpc::ClientContext context;
    auto reader = calls_->Replay(&context, replay);
    v1::ReplayResponse response;
    EXPECT_FALSE(reader->Read(&response));
    status_ = reader->Finish();
    EXPECT_EQ(status_.error_code(), grpc::StatusCode::OUT_OF_RANGE) << status_.error_message();
  }
  Call(&Stub::Get, For<v1::GetRequest>("bat"));
  expect(grpc::StatusCode::NOT_FOUND, "did you mean \"bad\"");
  v1::CordonWorkerRequest cordon;
  cordon.set_worker("rollout-7");
  Call(&Stub::CordonWorker, cordon);
  expect(grpc::StatusCode::NOT_FOUND, "rollout-7");
  v1::SubmitRequest contradictory = Job("contradictory", 5);
  contradictory.mutable_spec()->set_group_size(1);
  Call(&Stub::Submit, contradictory);
  expect(grpc::StatusCode::INVALID_ARGUMENT, "group_size: found 1");
  auto reused = For<v1::PauseRequest>("bad");
  reused.set_request_id("r");
  Must(&Stub::Pause, reused);
  auto other = For<v1::StopRequest>("bad");
  other.set_request_id("r");
  Call(&Stub::Stop, other);
  expect(grpc::StatusCode::INVALID_ARGUMENT, "was used for another request");
  EXPECT_EQ(Get("bad").sequence(), sequence);
  EXPECT_FALSE(Exists(folder_ + "/runs/contradictory/spec.json"));

  // A second controller on the folder.
  const Outcome second = Temper({"controller", "--dir", folder_ + "/runs"});
  EXPECT_EQ(second.exit_code, 2) << second.errors;
  EXPECT_THAT(second.errors, HasSubstr("another controller"));
}

TEST_F(LiveControlTest, ADamagedRunIsLeftAloneWithTheReasonAndTheOthersAreServed) {
  Must(&Stub::Submit, Job("sound", 2));
  Must(&Stub::Submit, Job("damaged", 2));
  for (const char* run : {"sound", "damaged"}) {
    ASSERT_TRUE(WaitUntil(run, [](const auto& now) { return now.state() == v1::RUN_STATE_DONE; }));
  }
  fleet_->KillController();
  const std::string ledger = folder_ + "/runs/damaged/ledger.db";
  auto bytes = ReadFile(ledger);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  (*bytes)[40] ^= 1;  // of the first page, which everything reads
  ASSERT_TRUE(WriteFileAtomically(ledger, *bytes).ok());
  fleet_->RestartController();
  Connect();
  EXPECT_EQ(Get("sound").state(), v1::RUN_STATE_DONE);
  Call(&Stub::Get, For<v1::GetRequest>("damaged"));
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status_.error_message(), HasSubstr("differs from its checksum"));
  const v1::ListResponse listed = Must(&Stub::List, v1::ListRequest());
  ASSERT_EQ(listed.runs_size(), 2);
  EXPECT_EQ(listed.runs(1).name(), "damaged");
  EXPECT_EQ(listed.runs(1).state(), v1::RUN_STATE_FAILED);
  EXPECT_THAT(listed.runs(1).reason(), HasSubstr("cannot be opened"));
  Call(&Stub::Submit, Job("damaged", 3));
  EXPECT_FALSE(status_.ok());  // its folder is not written over
}

TEST_F(LiveControlTest, AReaderThatTakesNothingDisturbsNobody) {
  Must(&Stub::Submit, Job("watched", 20));
  grpc::ClientContext context;
  auto reader = calls_->Watch(&context, For<v1::WatchRequest>("watched"));  // never read
  ASSERT_TRUE(
      WaitUntil("watched", [](const auto& run) { return run.state() == v1::RUN_STATE_DONE; }));
  context.TryCancel();
  reader->Finish();
}

}  // namespace
}  // namespace temper::end_to_end
