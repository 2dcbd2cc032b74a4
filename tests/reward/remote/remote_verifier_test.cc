// Somebody else's verifier, over the wire; its failures are failures.
#include "reward/remote/remote_verifier.h"

#include <functional>
#include <memory>
#include <string>

#include "base/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::reward {
namespace {

using temper::v1::VerifyRequest;
using temper::v1::VerifyResponse;
using testing::HasSubstr;

class ToldService : public temper::v1::VerifierService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Verify(grpc::CallbackServerContext* context,
                                   const VerifyRequest* request,
                                   VerifyResponse* response) override {
    asked = *request;
    *response = answer;
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(status);
    return reactor;
  }
  VerifyRequest asked;
  VerifyResponse answer;
  grpc::Status status;
};

class RemoteVerifierTest : public testing::Test {
 protected:
  void SetUp() override {
    auto listening = Listen("127.0.0.1:0", {&service_});
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
    temper::v1::RemoteOptions options;
    options.set_address(listening_.address);
    options.set_config_json("{\"strict\": true}");
    auto made = RemoteVerifier::Create(options, absl::Seconds(5));
    ASSERT_TRUE(made.ok());
    verifier_ = *std::move(made);
  }
  void TearDown() override { listening_.server->Shutdown(); }

  ToldService service_;
  ListeningServer listening_;
  std::unique_ptr<const Verifier> verifier_;
};

TEST_F(RemoteVerifierTest, AsksWithEverythingAndTakesTheVerdict) {
  temper::v1::Verdict& verdict = *service_.answer.add_results()->mutable_verdict();
  verdict.set_value(0.5);
  verdict.set_verdict("half");
  verdict.set_reason("half of it");
  const auto judgement = verifier_->Judge(
      {.text = "response", .gold = "gold", .prompt = "prompt", .metadata = "{\"a\":1}"});
  ASSERT_TRUE(judgement.ok()) << judgement.status();
  EXPECT_EQ(judgement->score, 0.5);
  EXPECT_EQ(judgement->verdict, "half");
  EXPECT_EQ(judgement->reason, "half of it");
  ASSERT_EQ(service_.asked.items_size(), 1);
  EXPECT_EQ(service_.asked.config_json(), "{\"strict\": true}");
  EXPECT_EQ(service_.asked.items(0).response(), "response");
  EXPECT_EQ(service_.asked.items(0).answer(), "gold");
  EXPECT_EQ(service_.asked.items(0).prompt(), "prompt");
  EXPECT_EQ(service_.asked.items(0).metadata_json(), "{\"a\":1}");
}

TEST_F(RemoteVerifierTest, NeverScoresAFailure) {
  EXPECT_EQ(verifier_->Judge({}).status().code(), absl::StatusCode::kInternal) << "no results";
  service_.answer.add_results();
  EXPECT_EQ(verifier_->Judge({}).status().code(), absl::StatusCode::kInternal) << "no outcome";
  service_.answer.mutable_results(0)->set_internal_error("out of disk");
  EXPECT_THAT(verifier_->Judge({}).status().message(), HasSubstr("out of disk"));
  service_.answer.mutable_results(0)->mutable_verdict()->set_value(2);
  EXPECT_THAT(verifier_->Judge({}).status().message(), HasSubstr("found the value 2"));
  service_.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down");
  EXPECT_EQ(verifier_->Judge({}).status().code(), absl::StatusCode::kUnavailable);
}

TEST(RemoteVerifierOptionsTest, NeedsAnAddress) {
  EXPECT_THAT(RemoteVerifier::Create({}, absl::Seconds(1)).status().message(),
              HasSubstr("remote.address: missing"));
}

}  // namespace
}  // namespace temper::reward
