// Batches are scored in order over the wire, and a failure of ours is never a score.
#include "reward/service.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reward/reward_client.h"

namespace temper::reward {
namespace {

using temper::v1::ScoreRequest;
using temper::v1::ScoreResult;
using testing::HasSubstr;

ScoreRequest Request() {
  ScoreRequest request;
  request.mutable_rubric()->add_parts()->set_verifier("answer");
  return request;
}

void AddItem(ScoreRequest& request, const std::string& response, const std::string& answer) {
  temper::v1::ScoreItem& item = *request.add_items();
  item.set_group_id(100 + request.items_size());
  item.set_sample(request.items_size());
  item.set_response(response);
  item.set_answer(answer);
}

// Answers whatever it is asked with `answer`, which only changes between calls.
class FixedService : public temper::v1::RewardService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Score(grpc::CallbackServerContext* context, const ScoreRequest*,
                                  temper::v1::ScoreResponse* response) override {
    *response = answer;
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  temper::v1::ScoreResponse answer;
};

class RewardServiceTest : public testing::Test {
 protected:
  void Start(const RewardService::Options& options) {
    service_ = std::make_unique<RewardService>(options);
    auto listening = Listen("127.0.0.1:0", {service_.get()});
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
    client_ = std::make_unique<RewardClient>(listening_.address);
  }
  void TearDown() override {
    if (listening_.server != nullptr) listening_.server->Shutdown();
  }

  std::unique_ptr<RewardService> service_;
  ListeningServer listening_;
  std::unique_ptr<RewardClient> client_;
};

TEST_F(RewardServiceTest, ScoresABatchInOrder) {
  Start({});
  ScoreRequest request = Request();
  AddItem(request, "#### 72", "48+24 = 72\n#### 72");
  AddItem(request, "#### 73", "72");
  AddItem(request, "cut off at", "72");
  request.mutable_items(2)->set_finish_reason(temper::v1::FINISH_REASON_LENGTH);
  const auto response = client_->Score(request, absl::Seconds(10));
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_EQ(response->results_size(), 3);
  EXPECT_EQ(response->results(0).group_id(), 101);
  EXPECT_EQ(response->results(0).sample(), 1);
  EXPECT_EQ(response->results(0).score().value(), 1);
  EXPECT_EQ(response->results(1).score().value(), 0);
  EXPECT_EQ(response->results(2).score().value(), 0);
  EXPECT_EQ(response->results(2).score().reason(), "answer: no answer found");
  EXPECT_EQ(service_->progress().load(), 3);
}

TEST_F(RewardServiceTest, GivesTheSameAnswerToTheSameQuestion) {
  Start({});
  ScoreRequest request = Request();
  AddItem(request, "\\boxed{0.5}", "1/2");
  AddItem(request, "\\boxed{5}", "6");
  const auto first = client_->Score(request, absl::Seconds(10));
  const auto second = client_->Score(request, absl::Seconds(10));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->SerializeAsString(), second->SerializeAsString());
}

TEST_F(RewardServiceTest, ReportsWhatItCannotJudgeWithoutScoringItAndJudgesTheRest) {
  Start({});
  ScoreRequest request = Request();
  AddItem(request, "#### 72", "");
  AddItem(request, "#### 72", "72");
  const auto response = client_->Score(request, absl::Seconds(10));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->results(0).outcome_case(), ScoreResult::kInternalError);
  EXPECT_THAT(response->results(0).internal_error(), HasSubstr("needs a gold answer"));
  EXPECT_EQ(response->results(1).score().value(), 1);
}

TEST_F(RewardServiceTest, RefusesARubricItCannotMake) {
  Start({});
  ScoreRequest request = Request();
  request.mutable_rubric()->mutable_parts(0)->set_verifier("anser");
  const auto response = client_->Score(request, absl::Seconds(10));
  EXPECT_EQ(response.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(response.status().message(), HasSubstr("did you mean \"answer\"?"));
}

TEST_F(RewardServiceTest, AnswersManyCallersAtOnceOrTellsThemToComeAgain) {
  Start({.threads = 2, .calls_max = 2});
  constexpr int kCallers = 8;
  std::vector<absl::StatusCode> codes(kCallers, absl::StatusCode::kUnknown);
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([this, &code = codes[i], i] {
      ScoreRequest request = Request();
      for (int n = 0; n < 200; ++n) AddItem(request, absl::StrCat("#### ", i), absl::StrCat(i));
      Backoff backoff(absl::Milliseconds(200));
      for (int attempt = 0; attempt < 50; ++attempt) {
        const auto response = client_->Score(request, absl::Seconds(10));
        code = response.status().code();
        if (response.ok() && response->results(199).score().value() != 1) {
          code = absl::StatusCode::kDataLoss;
        }
        if (code != absl::StatusCode::kResourceExhausted) return;
        absl::SleepFor(backoff.Next());
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const absl::StatusCode code : codes) EXPECT_EQ(code, absl::StatusCode::kOk);
  EXPECT_EQ(service_->progress().load(), kCallers * 200);
}

TEST_F(RewardServiceTest, RefusesCallsBeyondItsQueue) {
  Start({.threads = 1, .calls_max = 0});
  EXPECT_EQ(client_->Score(Request(), absl::Seconds(10)).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(RewardClientTest, ReportsAWorkerThatIsNotThere) {
  FixedService service;
  auto listening = Listen("127.0.0.1:0", {&service});
  ASSERT_TRUE(listening.ok()) << listening.status();
  listening->server->Shutdown();
  listening->server.reset();
  const RewardClient client(listening->address);
  const absl::StatusCode code = client.Score(Request(), absl::Seconds(2)).status().code();
  EXPECT_TRUE(code == absl::StatusCode::kUnavailable ||
              code == absl::StatusCode::kDeadlineExceeded);
}

TEST(RewardClientTest, RefusesAnAnswerToAnotherQuestion) {
  ScoreRequest request = Request();
  AddItem(request, "#### 1", "1");
  FixedService service;
  auto listening = Listen("127.0.0.1:0", {&service});
  ASSERT_TRUE(listening.ok()) << listening.status();
  const RewardClient client(listening->address);
  const auto code = [&] { return client.Score(request, absl::Seconds(10)).status().code(); };
  EXPECT_EQ(code(), absl::StatusCode::kInternal);
  ScoreResult& result = *service.answer.add_results();
  result.set_group_id(101);
  result.set_sample(1);
  EXPECT_EQ(code(), absl::StatusCode::kInternal) << "neither a score nor an error";
  result.mutable_score()->set_value(1);
  EXPECT_EQ(code(), absl::StatusCode::kOk);
  result.set_sample(2);
  EXPECT_EQ(code(), absl::StatusCode::kInternal);
  listening->server->Shutdown();
}

}  // namespace
}  // namespace temper::reward
