// The verbs of live control through the real command line, against a controller that records.
#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/fork.h"
#include "orchestrator/cli/replay.h"
#include "orchestrator/cli/verbs.h"
#include "tests/fakes/recording_controller.h"

namespace temper::cli {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

struct Outcome {
  int code = -1;
  std::string output, errors;
};

// As main does, without its process.
Outcome Temper(std::vector<std::string> arguments) {
  CLI::App program;
  Chosen chosen;
  for (const auto add : {AddList, AddShow, AddSubmit, AddWatch, AddSteering, AddSet, AddCheckpoint,
                         AddSamples, AddWaits, AddWorkers, AddQuarantine, AddMetrics}) {
    add(program, chosen);
  }
  AddFork(program, chosen, nullptr);
  AddReplay(program, chosen, nullptr);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome;
  try {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    program.parse(std::move(arguments));
    outcome.code = chosen();
  } catch (const CLI::ParseError& error) {
    outcome.code = program.exit(error) == 0 ? kDone : kWrong;
  }
  outcome.output = testing::internal::GetCapturedStdout();
  outcome.errors = testing::internal::GetCapturedStderr();
  return outcome;
}

class ControlVerbsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "temper_verbs_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    unsetenv("TEMPER_CONTROLLER");
    controller_.AddRun("tiny", 12);
  }
  void TearDown() override {
    unsetenv("TEMPER_CONTROLLER");
    EXPECT_TRUE(RemoveAll(folder_).ok());
  }

  // With --controller at its end.
  Outcome Ask(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--controller", controller_.address()});
    return Temper(std::move(arguments));
  }
  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = JoinPath(folder_, name);
    EXPECT_TRUE(MakeDirectories(Dirname(path)).ok());
    std::ofstream(path) << text;
    return path;
  }
  template <class Request>
  Request Last(const std::string& method) {
    const auto calls = controller_.calls(method);
    EXPECT_THAT(calls, Not(IsEmpty())) << method;
    return calls.empty() ? Request() : static_cast<const Request&>(*calls.back().request);
  }

  std::string folder_;
  fakes::RecordingController controller_;
};

TEST_F(ControlVerbsTest, PausesAndResumesWithAReason) {
  const Outcome paused = Ask({"pause", "tiny", "--reason", "lunch"});
  EXPECT_EQ(paused.code, kDone) << paused.errors;
  EXPECT_EQ(paused.output, "tiny is paused\n");
  EXPECT_EQ(Last<v1::PauseRequest>("Pause").reason(), "lunch");
  const Outcome resumed = Ask({"resume", "tiny", "--json"});
  EXPECT_EQ(json::parse(resumed.output), json({{"run", "tiny"}, {"state", "RUN_STATE_RUNNING"}}));
  EXPECT_EQ(Ask({"drain", "tiny"}).output, "tiny is draining\n");
  EXPECT_EQ(Ask({"stop", "tiny"}).output, "tiny is stopped\n");
  const Outcome again = Ask({"stop", "tiny"});
  EXPECT_EQ(again.code, kWrong);
  EXPECT_EQ(again.errors, "temper: run \"tiny\" has ended\n");
}

TEST_F(ControlVerbsTest, ALostAnswerIsAskedForAgain) {
  controller_.LoseAnswers("Pause", 1);
  EXPECT_EQ(Ask({"pause", "tiny"}).code, kDone);
  EXPECT_EQ(controller_.effects("Pause"), 1);
  controller_.LoseAnswers("Pause", 1);
  const Outcome impatient = Ask({"pause", "tiny", "--wait", "0"});
  EXPECT_EQ(impatient.code, kFailed);
  EXPECT_THAT(impatient.errors, HasSubstr(controller_.address()));
}

TEST_F(ControlVerbsTest, AnUnknownRunIsWrongAndTheNearestNamed) {
  const Outcome outcome = Ask({"pause", "tyny"});
  EXPECT_EQ(outcome.code, kWrong);
  EXPECT_EQ(outcome.errors, "temper: run \"tyny\" is not here; did you mean \"tiny\"?\n");
  EXPECT_EQ(outcome.output, "");
}

TEST_F(ControlVerbsTest, AltersOnlyWhatIsAlterable) {
  const Outcome set = Ask({"set", "tiny", "learning_rate=1e-4", "temperature=0.9"});
  EXPECT_EQ(set.code, kDone) << set.errors;
  EXPECT_EQ(set.output,
            "from step 1 on:\n"
            "  learning_rate    0.0002 -> 0.0001\n"
            "  temperature      1 -> 0.9\n");
  const Outcome immutable = Ask({"set", "tiny", "temperature=0.8", "seed=3"});
  EXPECT_EQ(immutable.code, kWrong);
  EXPECT_THAT(immutable.errors, HasSubstr("seed=3: \"seed\" cannot change while a run lives"));
  const Outcome range = Ask({"set", "tiny", "learning_rate=-1"});
  EXPECT_EQ(range.code, kWrong);
  EXPECT_THAT(range.errors, HasSubstr("learning_rate: found -1, expected a number above 0"));
  EXPECT_THAT(controller_.calls("Alter"), SizeIs(2));  // the immutable one was never sent
}

TEST_F(ControlVerbsTest, MixesSharesIntoTheMixtureInForce) {
  controller_.Edit("tiny", [](v1::GetResponse& run) {
    (*run.mutable_spec()->mutable_dataset()->mutable_mixture())["algebra"] = 3;
  });
  EXPECT_EQ(Ask({"set", "tiny", "mixture.code=1"}).code, kDone);
  const auto shares = Last<v1::AlterRequest>("Alter").alteration().mixture().shares();
  EXPECT_EQ(shares.size(), 2u);
  EXPECT_EQ(shares.at("algebra"), 3);
}

TEST_F(ControlVerbsTest, SubmitsASpecWithTheFolderOfItsFiles) {
  const std::string spec = Write("jobs/job.json", R"({"name": "fresh", "steps": 3})");
  const Outcome outcome = Ask({"submit", spec, "--set", "steps=5", "--request-id", "one"});
  EXPECT_EQ(outcome.code, kDone) << outcome.errors;
  EXPECT_EQ(outcome.output, absl::StrCat("submitted fresh to ", controller_.address(),
                                         "\nfollow it: temper watch fresh\n"));
  const auto request = Last<v1::SubmitRequest>("Submit");
  EXPECT_EQ(request.spec().steps(), 5);
  EXPECT_EQ(request.base_dir(), Dirname(spec));
  EXPECT_TRUE(request.base_dir().starts_with('/'));
  EXPECT_EQ(request.request_id(), "one");
  EXPECT_EQ(Ask({"submit", spec, "--set", "steps=5", "--request-id", "one"}).code, kDone);
  EXPECT_EQ(controller_.effects("Submit"), 1);
  EXPECT_EQ(Ask({"submit", spec}).code, kWrong);  // the name is taken
}

TEST_F(ControlVerbsTest, ABadSpecIsRefusedBeforeAnyCall) {
  const std::string spec = Write("job.json", "{\"name\": \"fresh\",\n \"stesp\": 3}");
  const Outcome outcome = Ask({"submit", spec});
  EXPECT_EQ(outcome.code, kWrong);
  EXPECT_THAT(outcome.errors, HasSubstr("did you mean \"steps\""));
  EXPECT_EQ(Ask({"submit", "nowhere.json"}).code, kWrong);
  EXPECT_THAT(controller_.calls(), IsEmpty());
}

TEST_F(ControlVerbsTest, AFailedCheckIsAFailure) {
  const std::string spec = Write("job.json", R"({"name": "fresh", "steps": 3})");
  v1::Check memory;
  memory.set_name("memory: learner");
  memory.set_ok(true);
  memory.set_detail("needs 1 GiB of 4");
  controller_.set_checks({memory});
  EXPECT_EQ(Ask({"submit", spec, "--check"}).code, kDone);
  memory.set_ok(false);
  controller_.set_checks({memory});
  const Outcome outcome = Ask({"submit", spec, "--check"});
  EXPECT_EQ(outcome.code, kFailed);
  EXPECT_THAT(outcome.output, HasSubstr("NOT OK  memory: learner  needs 1 GiB of 4"));
}

TEST_F(ControlVerbsTest, FollowsARunToItsEnd) {
  controller_.set_step_time(absl::ZeroDuration());
  const Outcome lines = Ask({"watch", "tiny"});
  EXPECT_EQ(lines.code, kDone) << lines.errors;
  EXPECT_THAT(lines.output, AllOf(HasSubstr("step 12/12  reward"), HasSubstr("ended as done")));
  EXPECT_THAT(lines.output, Not(HasSubstr("\x1b")));
  EXPECT_THAT(lines.errors, HasSubstr("temper: tiny is done"));
  const Outcome events = Ask({"watch", "tiny", "--from", "-2", "--json"});
  const std::vector<std::string> last = absl::StrSplit(events.output, '\n', absl::SkipWhitespace());
  ASSERT_THAT(last, SizeIs(2));
  EXPECT_EQ(json::parse(last[1])["ended"]["state"], "RUN_STATE_DONE");
}

TEST_F(ControlVerbsTest, AWatchThatBreaksGoesOnAndSaysSo) {
  controller_.set_step_time(absl::ZeroDuration());
  controller_.BreakWatches(5, 1);
  const Outcome outcome = Ask({"watch", "tiny", "--json"});
  EXPECT_EQ(outcome.code, kDone) << outcome.errors;
  std::vector<int64_t> numbers;
  for (const auto line : absl::StrSplit(outcome.output, '\n', absl::SkipWhitespace())) {
    numbers.push_back(json::parse(std::string(line))["sequence"]);
  }
  ASSERT_THAT(numbers, SizeIs(19));  // 12 steps, 6 checkpoints, the end
  for (size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(numbers[i], static_cast<int64_t>(i) + 1);
  EXPECT_THAT(outcome.errors, AllOf(HasSubstr("the watch is broken"), HasSubstr("again")));
}

TEST_F(ControlVerbsTest, ShowsARunWithItsPast) {
  EXPECT_EQ(Ask({"set", "tiny", "temperature=0.9", "--reason", "too \x1b[31mhot"}).code, kDone);
  EXPECT_EQ(Ask({"checkpoint", "tiny"}).code, kDone);
  EXPECT_EQ(Ask({"fork", "tiny", "--at", "0", "--set", "clip_high=0.1"}).code, kDone);
  const Outcome parent = Ask({"show", "tiny"});
  EXPECT_EQ(parent.code, kDone) << parent.errors;
  EXPECT_THAT(parent.output, HasSubstr("temperature 1 -> 0.9; too \\u{1B}[31mhot"));
  EXPECT_THAT(parent.output, HasSubstr("fork         tiny-at-0 at step 0"));
  EXPECT_THAT(parent.output, HasSubstr("/nowhere/runs/tiny/checkpoints/step-0"));
  EXPECT_THAT(parent.output, HasSubstr("rollout-1  rollout  connected"));
  const Outcome child = Ask({"show", "tiny-at-0"});
  EXPECT_THAT(child.output, HasSubstr("parent       tiny at step 0"));
  EXPECT_EQ(json::parse(Ask({"show", "tiny-at-0", "--json"}).output)["spec"]["clip_high"], 0.1);
}

TEST_F(ControlVerbsTest, ListsWaitsWithWhatHappensThen) {
  EXPECT_EQ(Ask({"waits"}).errors, "nothing is waited for\n");
  controller_.Edit("tiny", [](v1::GetResponse& run) {
    v1::Wait& wait = *run.add_waits();
    wait.set_name("step 412 waits for group 17 on rollout-3");
    wait.set_owner("run tiny");
    wait.set_age_seconds(94);
    wait.set_deadline_seconds(120);
    wait.set_policy(v1::WAIT_POLICY_RETRY);
  });
  for (const auto& command : std::vector<std::vector<std::string>>{
           {"waits"}, {"waits", "tiny"}, {"show", "tiny", "--waits"}}) {
    EXPECT_THAT(Ask(command).output,
                HasSubstr("1 min 34 s  2 min 00 s  retry  run tiny  step 412 waits for group 17"));
  }
  EXPECT_EQ(json::parse(Ask({"waits", "--json"}).output)["waits"].size(), 1u);
}

TEST_F(ControlVerbsTest, AForkWithAnUnknownFieldIsRefusedBeforeAnyCall) {
  const Outcome outcome = Ask({"fork", "tiny", "--at", "0", "--set", "clip_hihg=0.1"});
  EXPECT_EQ(outcome.code, kWrong);
  EXPECT_THAT(outcome.errors, HasSubstr("did you mean \"clip_high\""));
  EXPECT_THAT(controller_.calls(), IsEmpty());
  const Outcome unreached = Ask({"fork", "tiny", "--at", "99"});
  EXPECT_EQ(unreached.code, kWrong);
  EXPECT_THAT(unreached.errors, HasSubstr("step 99 was never reached"));
}

TEST_F(ControlVerbsTest, AReplayThatDiffersIsAFailure) {
  controller_.Edit("tiny", [](v1::GetResponse& run) { run.set_step(3); });
  const Outcome equal = Ask({"replay", "tiny", "--step", "3"});
  EXPECT_EQ(equal.code, kDone) << equal.errors;
  EXPECT_THAT(equal.output, AllOf(HasSubstr("advantages     1,024          0  -"),
                                  HasSubstr("equal, bit for bit")));
  EXPECT_THAT(equal.errors, HasSubstr("generates the samples again  1 of 2"));
  controller_.set_replay_difference("layers.0.norm[3]");
  const Outcome differs = Ask({"replay", "tiny", "--step", "3", "--json"});
  EXPECT_EQ(differs.code, kFailed);
  EXPECT_EQ(json::parse(differs.output)["comparisons"][4]["first_difference"], "layers.0.norm[3]");
  EXPECT_EQ(Ask({"replay", "tiny", "--step", "0"}).code, kWrong);
}

TEST_F(ControlVerbsTest, PagesThroughSamplesAndEscapesThem) {
  for (int i = 0; i < 130; ++i) {
    v1::Sample sample;
    sample.set_step(2);
    sample.set_number(i);
    sample.set_state("trained");
    sample.set_prompt_id(absl::StrCat("p", i % 2));
    sample.set_response("bad \x1b]0;x\x07\nsecond line");
    sample.mutable_score()->set_value(i % 4 == 0 ? 1 : 0);
    v1::SampleToken& token = *sample.add_tokens();
    token.set_id(i);
    token.set_text("\xe6");
    controller_.AddSample(sample);
  }
  const Outcome all = Ask({"samples", "tiny", "--limit", "100", "--tokens", "--json"});
  EXPECT_EQ(std::count(all.output.begin(), all.output.end(), '\n'), 100);
  EXPECT_THAT(controller_.calls("GetSamples"), SizeIs(2));  // 64 with tokens a page
  EXPECT_THAT(all.errors, HasSubstr("the first 100"));
  const Outcome some = Ask({"samples", "tiny", "--step", "2", "--prompt", "p0", "--score-min",
                            "0.5", "--score-max", "1", "--limit", "1", "--tokens"});
  const auto request = Last<v1::GetSamplesRequest>("GetSamples");
  EXPECT_EQ(request.step(), 2);
  EXPECT_EQ(request.prompt_id(), "p0");
  EXPECT_EQ(request.score_min(), 0.5);
  EXPECT_TRUE(request.with_tokens());
  EXPECT_THAT(some.output, HasSubstr("  response  bad \\u{1B}]0;x\\u{7}\n            second line"));
  EXPECT_THAT(some.output, Not(HasSubstr("\x1b")));
  EXPECT_EQ(Ask({"samples", "tiny", "--step", "9"}).errors, "no such samples\n");
}

TEST_F(ControlVerbsTest, CordonsAndUncordonsAWorker) {
  EXPECT_THAT(Ask({"workers"}).output, HasSubstr("cpu avx2, 2 threads, 4.0 GiB"));
  EXPECT_EQ(Ask({"cordon", "rollout-1", "--reason", "disk"}).code, kDone);
  EXPECT_THAT(Ask({"workers"}).output, HasSubstr("cordoned: disk"));
  EXPECT_EQ(Ask({"uncordon", "rollout-1"}).output, "rollout-1 is in again\n");
  EXPECT_EQ(Ask({"cordon", "rollout-7"}).code, kWrong);
}

TEST_F(ControlVerbsTest, QuarantinesAPrompt) {
  const Outcome outcome = Ask({"quarantine", "tiny", "p17", "--reason", "wrong gold"});
  EXPECT_EQ(outcome.code, kDone) << outcome.errors;
  EXPECT_EQ(Last<v1::QuarantinePromptRequest>("QuarantinePrompt").prompt_id(), "p17");
  EXPECT_THAT(Ask({"show", "tiny"}).output, HasSubstr("quarantined  p17"));
}

TEST_F(ControlVerbsTest, PrintsMetricsOfALiveRun) {
  controller_.set_step_time(absl::ZeroDuration());
  EXPECT_EQ(Ask({"watch", "tiny"}).code, kDone);
  const Outcome metrics = Ask({"metrics", "tiny", "--json"});
  EXPECT_EQ(std::count(metrics.output.begin(), metrics.output.end(), '\n'), 12);
}

TEST_F(ControlVerbsTest, FindsTheControllerByTheEnvironmentThenByFiles) {
  const std::string root = JoinPath(folder_, "runs");
  const Outcome nowhere = Temper({"pause", "tiny", "--root", root});
  EXPECT_EQ(nowhere.code, kWrong);
  EXPECT_THAT(nowhere.errors, AllOf(HasSubstr("neither --controller nor TEMPER_CONTROLLER"),
                                    HasSubstr(root + "/controller.address")));
  Write("runs/controller.address", controller_.address() + "\n");
  EXPECT_EQ(Temper({"pause", "tiny", "--root", root}).code, kDone);
  setenv("TEMPER_CONTROLLER", controller_.address().c_str(), 1);
  EXPECT_EQ(Temper({"resume", "tiny", "--root", folder_}).code, kDone);
}

TEST_F(ControlVerbsTest, ARunsFolderNamesTheRunAndItsOwnController) {
  Write("runs/some/spec.json", R"({"name": "tiny"})");
  Write("runs/some/controller.address", controller_.address());
  Write("runs/controller.address", "127.0.0.1:1");
  const std::string root = JoinPath(folder_, "runs");
  EXPECT_EQ(Temper({"pause", "some", "--root", root}).output, "tiny is paused\n");
  EXPECT_EQ(Temper({"resume", JoinPath(root, "some/"), "--root", root}).output,
            "tiny is running\n");
  EXPECT_EQ(Last<v1::ResumeRequest>("Resume").run(), "tiny");
}

TEST_F(ControlVerbsTest, AFileLeftOverByAKilledControllerDoesNotHideTheDaemon) {
  std::string gone;
  { gone = fakes::RecordingController().address(); }
  Write("runs/tiny/spec.json", R"({"name": "tiny"})");
  Write("runs/tiny/controller.address", gone);
  Write("runs/controller.address", controller_.address());
  EXPECT_EQ(Temper({"pause", "tiny", "--root", JoinPath(folder_, "runs")}).code, kDone);
}

TEST_F(ControlVerbsTest, ListsTheControllersRuns) {
  const Outcome outcome = Ask({"list"});
  EXPECT_THAT(outcome.output, HasSubstr("tiny  running  step 0 of 12"));
  EXPECT_EQ(json::parse(Ask({"list", "--json"}).output)["name"], "tiny");
}

TEST_F(ControlVerbsTest, EveryVerbHasAnExampleInItsHelp) {
  for (const char* verb : {"list", "show", "submit", "watch", "pause", "resume", "drain", "stop",
                           "set", "checkpoint", "fork", "replay", "samples", "waits", "workers",
                           "cordon", "uncordon", "quarantine", "metrics"}) {
    const Outcome help = Temper({verb, "--help"});
    EXPECT_EQ(help.code, kDone);
    EXPECT_THAT(help.output, AllOf(HasSubstr(absl::StrCat("Example: temper ", verb)),
                                   HasSubstr("--controller"), HasSubstr("--json")));
  }
}

}  // namespace
}  // namespace temper::cli
