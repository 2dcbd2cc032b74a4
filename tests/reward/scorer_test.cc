// Whatever happens inside a verifier, every item gets its outcome, and only its own.
#include "reward/scorer.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/faulty_verifier.h"

namespace temper::reward {
namespace {

using temper::v1::ScoreRequest;
using temper::v1::ScoreResult;
using testing::HasSubstr;

// Submits one request and waits for its outcomes.
class Outcomes {
 public:
  std::vector<ScoreResult> Of(Scorer& scorer, const std::vector<std::string>& responses,
                              double timeout_seconds = 0.3) {
    auto request = std::make_shared<ScoreRequest>();
    temper::v1::RubricPart& part = *request->mutable_rubric()->add_parts();
    part.set_verifier("format");
    part.set_pattern("any");
    part.set_timeout_seconds(timeout_seconds);
    for (const std::string& response : responses) request->add_items()->set_response(response);
    std::vector<ScoreResult> results(responses.size());
    size_t left = responses.size();
    const absl::Status taken = scorer.Submit(request, [&](int index, ScoreResult result) {
      std::unique_lock lock(mutex_);
      results[static_cast<size_t>(index)] = std::move(result);
      if (--left == 0) done_.notify_all();
    });
    EXPECT_TRUE(taken.ok()) << taken;
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(done_.wait_for(lock, std::chrono::seconds(120), [&] { return left == 0; }));
    return results;
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
};

Scorer::Options Small() {
  Scorer::Options options;
  options.pool = FaultyPool();
  options.pool.asleep_deadline = absl::Milliseconds(500);
  options.callers = 1;
  return options;
}

temper::v1::GetStatisticsResponse Statistics(Scorer& scorer) {
  BoundedQueue<temper::v1::GetStatisticsResponse> answers(1);
  scorer.AskStatistics([&](const auto& response) { (void)answers.TryPush(response); });
  return *answers.Pop(Wait::OrFail("statistics", absl::Seconds(10)));
}

std::vector<std::string> ChildrenAndDescriptors() {
  std::vector<std::string> found;
  std::ifstream children(absl::StrCat("/proc/self/task/", getpid(), "/children"));
  for (std::string pid; children >> pid;) found.push_back("child " + pid);
  DIR* folder = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  found.push_back(absl::StrCat(count, " descriptors"));
  return found;
}

TEST(ScorerTest, JudgesInWorkersAndRemembers) {
  Scorer scorer(Small());
  Outcomes outcomes;
  const auto results = outcomes.Of(scorer, {"a", "b", "a", "refuse", "fail"});
  EXPECT_EQ(results[0].score().value(), 1);
  EXPECT_EQ(results[0].score().parts(0).verdict(), "pass");
  EXPECT_THAT(results[3].invalid(), HasSubstr("format: the problem has no tests"));
  EXPECT_THAT(results[4].internal_error(), HasSubstr("the weather is bad"));
  const auto again = outcomes.Of(scorer, {"a", "b"});
  EXPECT_EQ(again[0].SerializeAsString(), results[0].SerializeAsString());
  const auto statistics = Statistics(scorer);
  ASSERT_EQ(statistics.verifiers_size(), 1);
  EXPECT_EQ(statistics.verifiers(0).verdicts().at("pass"), 3);
  EXPECT_EQ(statistics.verifiers(0).cached(), 2);
  EXPECT_EQ(statistics.verifiers(0).invalid(), 1);
  EXPECT_EQ(statistics.verifiers(0).internal_errors(), 1);
  EXPECT_EQ(scorer.progress().load(), 7);
  EXPECT_EQ(scorer.inside(), 0);
}

TEST(ScorerTest, GivesEveryOtherItemItsScoreWhenSomeKillTheirProcess) {
  Scorer scorer(Small());
  Outcomes outcomes;
  const std::map<std::string, std::string> deaths = {
      {"crash", "signal 6"},
      {"exit", "ended with code 0"},
      {"hang", "no verdict after 300ms of processor time"},
      {"sleep", "no verdict after sleeping for 500ms"},
#ifdef NDEBUG  // sanitizers, which build without it, let nobody limit memory
      {"eat", "signal 6"},
#endif
  };
  std::vector<std::string> responses;
  for (int i = 0; i < 40; ++i) {
    for (const auto& [fault, death] : deaths) responses.push_back(fault);
    for (int n = 0; n < 20; ++n) responses.push_back(absl::StrCat("fine ", i, " ", n));
  }
  // Each fault once: what it does to others is looked at, not how often it is tried.
  std::vector<std::string> distinct;
  for (const std::string& response : responses) {
    if (!deaths.contains(response) ||
        std::find(distinct.begin(), distinct.end(), response) == distinct.end()) {
      distinct.push_back(response);
    }
  }
  const auto results = outcomes.Of(scorer, distinct);
  for (size_t i = 0; i < distinct.size(); ++i) {
    const auto death = deaths.find(distinct[i]);
    if (death == deaths.end()) {
      EXPECT_EQ(results[i].score().value(), 1) << distinct[i] << results[i].ShortDebugString();
    } else {
      EXPECT_THAT(results[i].internal_error(), HasSubstr(death->second)) << distinct[i];
    }
  }
  const auto statistics = Statistics(scorer);
  // Once for those that reached a deadline, twice for the others.
  EXPECT_EQ(statistics.workers_lost(), 2 * static_cast<int64_t>(deaths.size()) - 2);
  EXPECT_EQ(statistics.quarantined(), static_cast<int64_t>(deaths.size()));
}

TEST(ScorerTest, TriesNothingThatIsInQuarantine) {
  Scorer scorer(Small());
  Outcomes outcomes;
  const auto first = outcomes.Of(scorer, {"crash"});
  EXPECT_THAT(first[0].internal_error(), HasSubstr("signal 6"));
  const int64_t lost = Statistics(scorer).workers_lost();
  const auto second = outcomes.Of(scorer, {"crash", "fine"});
  EXPECT_THAT(second[0].internal_error(), HasSubstr("quarantined: its process died of signal 6"));
  EXPECT_EQ(second[1].score().value(), 1);
  EXPECT_EQ(Statistics(scorer).workers_lost(), lost);
}

TEST(ScorerTest, LetsALongComputationEndBesideTheLane) {
  Scorer scorer(Small());
  Outcomes outcomes;
  std::vector<std::string> responses;
  for (int i = 0; i < 8; ++i) responses.push_back(absl::StrCat("spin ", 60 + i));
  for (int i = 0; i < 100; ++i) responses.push_back(absl::StrCat("fine ", i));
  for (const ScoreResult& result : outcomes.Of(scorer, responses, 5)) {
    EXPECT_EQ(result.score().value(), 1) << result.ShortDebugString();
  }
  EXPECT_EQ(Statistics(scorer).workers_lost(), 0);
}

TEST(ScorerTest, StartsAnotherHostWhenItsOwnIsKilled) {
  Scorer scorer(Small());
  Outcomes outcomes;
  EXPECT_EQ(outcomes.Of(scorer, {"a"})[0].score().value(), 1);
  for (const std::string& line : ChildrenAndDescriptors()) {
    int pid = 0;
    if (absl::StartsWith(line, "child ") && absl::SimpleAtoi(line.substr(6), &pid)) {
      kill(pid, SIGKILL);
    }
  }
  EXPECT_EQ(outcomes.Of(scorer, {"b"})[0].score().value(), 1);
}

TEST(ScorerTest, LeavesNothingBehind) {
  { Scorer warm_up(Small()); }
  const auto before = ChildrenAndDescriptors();
  {
    Scorer scorer(Small());
    Outcomes outcomes;
    outcomes.Of(scorer, {"a", "crash", "sleep", "b", "hang"});
  }
  EXPECT_EQ(ChildrenAndDescriptors(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
}

TEST(ScorerTest, EndsWhatIsInsideWhenItIsDestroyed) {
  int internal_errors = 0;
  {
    Scorer scorer(Small());
    auto request = std::make_shared<ScoreRequest>();
    request->mutable_rubric()->add_parts()->set_verifier("format");
    request->mutable_rubric()->mutable_parts(0)->set_pattern("x");
    for (int i = 0; i < 5; ++i) request->add_items()->set_response("hang");
    ASSERT_TRUE(scorer
                    .Submit(request,
                            [&](int, ScoreResult result) {
                              internal_errors +=
                                  result.outcome_case() == ScoreResult::kInternalError;
                            })
                    .ok());
  }
  EXPECT_EQ(internal_errors, 5);
}

TEST(ScorerTest, TakesInNoMoreThanItHasRoomFor) {
  Scorer::Options options = Small();
  options.items_max = 2;
  Scorer scorer(options);
  auto request = std::make_shared<ScoreRequest>();
  request->mutable_rubric()->add_parts()->set_verifier("format");
  request->mutable_rubric()->mutable_parts(0)->set_pattern("x");
  for (int i = 0; i < 2; ++i) request->add_items()->set_response("sleep");
  EXPECT_TRUE(scorer.Submit(request, [](int, ScoreResult) {}).ok());
  EXPECT_EQ(scorer.Submit(request, [](int, ScoreResult) {}).code(),
            absl::StatusCode::kResourceExhausted);
  auto large = std::make_shared<ScoreRequest>(*request);
  large->add_items();
  EXPECT_EQ(scorer.Submit(large, [](int, ScoreResult) {}).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ScorerTest, RefusesAMalformedItemBeforeAnyWork) {
  Scorer scorer(Small());
  const auto refusal = [&](auto spoil) {
    auto request = std::make_shared<ScoreRequest>();
    request->mutable_rubric()->add_parts()->set_verifier("answer");
    for (int i = 0; i < 2; ++i) {
      request->add_items()->set_answer("1");
    }
    spoil(*request);
    const absl::Status status =
        scorer.Submit(request, [](int, ScoreResult) { ADD_FAILURE() << "work was done"; });
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(refusal([](ScoreRequest& r) { r.mutable_items(1)->set_metadata_json("{\"a\":"); }),
              HasSubstr("items[1].metadata_json: found"));
  EXPECT_THAT(refusal([](ScoreRequest& r) { r.mutable_items(1)->set_metadata_json("[]"); }),
              HasSubstr("items[1].metadata_json: found"));
  EXPECT_THAT(refusal([](ScoreRequest& r) { r.mutable_items(0)->set_answer(" \n"); }),
              HasSubstr("items[0].answer: is empty"));
  EXPECT_THAT(refusal([](ScoreRequest& r) { r.mutable_items(0)->set_tokens(-1); }),
              HasSubstr("items[0].tokens: found -1"));
  EXPECT_THAT(refusal([](ScoreRequest& r) { r.mutable_items(0)->set_tokens_max(-5); }),
              HasSubstr("items[0].tokens_max: found -5"));
  EXPECT_THAT(refusal([](ScoreRequest& r) {
                r.mutable_items(1)->set_finish_reason(static_cast<temper::v1::FinishReason>(9));
              }),
              HasSubstr("items[1].finish_reason: found 9"));
  EXPECT_THAT(
      refusal([](ScoreRequest& r) { r.mutable_rubric()->mutable_parts(0)->set_verifier("x"); }),
      HasSubstr("rubric.parts[0].verifier: found \"x\", expected one of answer"));
}

}  // namespace
}  // namespace temper::reward

int main(int argc, char** argv) {
  if (const auto code = temper::reward::RunAsFaultyHost(argc, argv)) return *code;
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
