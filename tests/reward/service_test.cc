// Batches are scored in order over the wire, and a failure of ours is never a score.
#include "reward/service.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/bounded_queue.h"
#include "base/rpc.h"
#include "gmock/gmock.h"
#include "grpcpp/test/default_reactor_test_peer.h"
#include "gtest/gtest.h"
#include "reward/reward_client.h"
#include "tests/fakes/faulty_verifier.h"

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
  void Start(size_t items_max = 1024) {
    Scorer::Options options;
    options.pool = FaultyPool();
    options.items_max = items_max;
    options.callers = 1;
    scorer_ = std::make_unique<Scorer>(options);
    service_ = std::make_unique<RewardService>(*scorer_);
    auto listening = Listen("127.0.0.1:0", {service_.get()});
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
    client_ = std::make_unique<RewardClient>(listening_.address);
  }
  void TearDown() override {
    if (listening_.server != nullptr) listening_.server->Shutdown();
  }

  std::unique_ptr<Scorer> scorer_;
  std::unique_ptr<RewardService> service_;
  ListeningServer listening_;
  std::unique_ptr<RewardClient> client_;
};

TEST_F(RewardServiceTest, ScoresABatchInOrder) {
  Start();
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
  EXPECT_EQ(scorer_->progress().load(), 3);
}

TEST_F(RewardServiceTest, GivesTheSameAnswerToTheSameQuestion) {
  Start();
  ScoreRequest request = Request();
  AddItem(request, "\\boxed{0.5}", "1/2");
  AddItem(request, "\\boxed{5}", "6");
  const auto first = client_->Score(request, absl::Seconds(10));
  const auto second = client_->Score(request, absl::Seconds(10));
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->SerializeAsString(), second->SerializeAsString());
}

TEST_F(RewardServiceTest, ReportsWhatItCannotJudgeWithoutScoringItAndJudgesTheRest) {
  Start();
  ScoreRequest request;
  request.mutable_rubric()->add_parts()->set_verifier("format");
  request.mutable_rubric()->mutable_parts(0)->set_pattern("x");
  for (const char* response : {"crash", "refuse", "fine"}) AddItem(request, response, "");
  const auto response = client_->Score(request, absl::Seconds(30));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(response->results(0).internal_error(), HasSubstr("signal 6"));
  EXPECT_THAT(response->results(1).invalid(), HasSubstr("has no tests"));
  EXPECT_EQ(response->results(2).score().value(), 1);
}

TEST_F(RewardServiceTest, RefusesAGoldAnswerThatIsMissing) {
  Start();
  ScoreRequest request = Request();
  AddItem(request, "#### 72", "72");
  AddItem(request, "#### 72", "");
  const auto response = client_->Score(request, absl::Seconds(10));
  EXPECT_EQ(response.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(response.status().message(), HasSubstr("items[1].answer: is empty"));
}

TEST_F(RewardServiceTest, StreamsResultsAsTheyAreReady) {
  Start(4096);
  const auto stub = temper::v1::RewardService::NewStub(Dial(listening_.address));
  const auto context = Deadline(absl::Seconds(60));
  const auto stream = stub->ScoreStream(context.get());
  temper::v1::ScoreStreamRequest request;
  request.mutable_rubric()->add_parts()->set_verifier("format");
  request.mutable_rubric()->mutable_parts(0)->set_pattern("x");
  request.mutable_rubric()->mutable_parts(0)->set_timeout_seconds(3600);
  constexpr int kItems = 3000;
  request.add_items()->set_response("hang");
  request.mutable_items(0)->set_sample(0);
  ASSERT_TRUE(stream->Write(request));
  request.clear_rubric();
  std::thread writer([&] {
    for (int i = 1; i < kItems; ++i) {
      if (i % 100 == 1) request.clear_items();
      temper::v1::ScoreItem& item = *request.add_items();
      item.set_sample(i);
      item.set_response(absl::StrCat("fine ", i));
      if (i % 100 == 0 || i + 1 == kItems) {
        EXPECT_TRUE(stream->Write(request));
      }
    }
    stream->WritesDone();
  });
  // All others come while the first hangs.
  std::vector<int> seen(kItems, 0);
  temper::v1::ScoreStreamResponse response;
  for (int results = 1; results < kItems && stream->Read(&response);) {
    for (const ScoreResult& result : response.results()) {
      ++results;
      ++seen[static_cast<size_t>(result.sample())];
      EXPECT_TRUE(result.has_score()) << result.ShortDebugString();
    }
  }
  writer.join();
  std::vector<int> expected(kItems, 1);
  expected[0] = 0;
  EXPECT_EQ(seen, expected);
  context->TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(RewardServiceTest, RefusesAStreamWithoutARubric) {
  Start();
  const auto stub = temper::v1::RewardService::NewStub(Dial(listening_.address));
  const auto context = Deadline(absl::Seconds(20));
  const auto stream = stub->ScoreStream(context.get());
  temper::v1::ScoreStreamRequest request;
  request.add_items()->set_response("x");
  stream->Write(request);
  temper::v1::ScoreStreamResponse response;
  EXPECT_FALSE(stream->Read(&response));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("rubric: is missing"));
}

TEST_F(RewardServiceTest, TellsItsStatistics) {
  Start();
  ScoreRequest request = Request();
  AddItem(request, "#### 72", "72");
  AddItem(request, "#### 73", "72");
  ASSERT_TRUE(client_->Score(request, absl::Seconds(10)).ok());
  const auto stub = temper::v1::RewardService::NewStub(Dial(listening_.address));
  const auto context = Deadline(absl::Seconds(10));
  temper::v1::GetStatisticsResponse response;
  ASSERT_TRUE(stub->GetStatistics(context.get(), {}, &response).ok());
  ASSERT_EQ(response.verifiers_size(), 1);
  EXPECT_EQ(response.verifiers(0).verifier(), "answer");
  EXPECT_EQ(response.verifiers(0).verdicts().at("equal"), 1);
  EXPECT_EQ(response.verifiers(0).verdicts().at("not_equal"), 1);
}

TEST_F(RewardServiceTest, RefusesARubricItCannotMake) {
  Start();
  ScoreRequest request = Request();
  request.mutable_rubric()->mutable_parts(0)->set_verifier("anser");
  const auto response = client_->Score(request, absl::Seconds(10));
  EXPECT_EQ(response.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(response.status().message(), HasSubstr("did you mean \"answer\"?"));
}

TEST_F(RewardServiceTest, AnswersManyCallersAtOnceOrTellsThemToComeAgain) {
  Start(500);
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
  EXPECT_EQ(scorer_->progress().load(), kCallers * 200);
}

// gRPC frees a call's messages with Finish(), while the scorer may still be at work on the request:
// what it remembers it delivers from the midst of taking the request in.
TEST_F(RewardServiceTest, ReadsNoRequestWhoseCallHasEnded) {
  Start();
  ScoreRequest request = Request();
  AddItem(request, "#### 72", "72");
  ASSERT_TRUE(client_->Score(request, absl::Seconds(10)).ok());
  grpc::CallbackServerContext context;
  BoundedQueue<grpc::Status> ended(1);
  const grpc::testing::DefaultReactorTestPeer call(&context, [&](const grpc::Status& status) {
    // Freed memory may become anything.
    for (int i = 0; i < 1000; ++i) AddItem(request, "#### 72", "72");
    (void)ended.TryPush(status);
  });
  temper::v1::ScoreResponse response;
  service_->Score(&context, &request, &response);
  const auto status = ended.Pop(Wait::OrFail("the end of the call", absl::Seconds(30)));
  ASSERT_TRUE(status.has_value() && status->ok());
  EXPECT_EQ(response.results(0).score().value(), 1);
  ScoreRequest next = Request();
  AddItem(next, "#### 73", "72");
  ASSERT_TRUE(client_->Score(next, absl::Seconds(10)).ok());
  EXPECT_EQ(scorer_->progress().load(), 3);
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

int main(int argc, char** argv) {
  if (const auto code = temper::reward::RunAsFaultyHost(argc, argv)) return *code;
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
