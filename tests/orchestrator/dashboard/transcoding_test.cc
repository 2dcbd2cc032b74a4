// JSON to messages and back, by descriptor.
#include "orchestrator/dashboard/transcoding.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "temper/v1/controller.pb.h"

namespace temper::orchestrator {
namespace {

using testing::HasSubstr;

TEST(TranscodingTest, EveryRpcOfTheServiceIsFound) {
  const auto& service =
      *v1::GetRequest::descriptor()->file()->FindServiceByName("ControllerService");
  ASSERT_GE(service.method_count(), 18);
  for (int i = 0; i < service.method_count(); ++i) {
    const auto rpc = FindRpc(service.method(i)->name());
    ASSERT_TRUE(rpc.ok()) << rpc.status();
    EXPECT_EQ(PathOf(**rpc), "/temper.v1.ControllerService/" + service.method(i)->name());
    EXPECT_EQ(NewMessage(*(*rpc)->input_type())->GetTypeName(), (*rpc)->input_type()->full_name());
  }
}

TEST(TranscodingTest, AnUnknownRpcNamesTheNearest) {
  const auto rpc = FindRpc("Puase");
  EXPECT_EQ(rpc.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(rpc.status().message()), HasSubstr("Pause"));
}

TEST(TranscodingTest, ZerosArePrintedAndAbsentOptionalsAreNot) {
  v1::Sample sample;
  sample.set_group_id(int64_t{1} << 60);
  sample.add_tokens()->set_text("\xff");
  const auto text = ToBrowserJson(sample);
  ASSERT_TRUE(text.ok()) << text.status();
  const auto json = nlohmann::json::parse(*text);
  EXPECT_EQ(json["number"], 0);
  EXPECT_EQ(json["group_id"], "1152921504606846976");  // more than a browser's number holds
  EXPECT_EQ(json["tokens"][0]["text"], "/w==");
  EXPECT_FALSE(json.contains("advantage"));
  EXPECT_FALSE(json.contains("score"));
}

TEST(TranscodingTest, WhatIsPrintedIsReadBack) {
  v1::AlterRequest request;
  request.set_run("r");
  request.mutable_alteration()->set_learning_rate(2e-5);
  (*request.mutable_alteration()->mutable_mixture()->mutable_shares())["algebra"] = 3;
  v1::AlterRequest back;
  ASSERT_TRUE(FromJson(*ToBrowserJson(request), back).ok());
  EXPECT_EQ(back.SerializeAsString(), request.SerializeAsString());
}

TEST(TranscodingTest, AnUnknownFieldAWrongTypeAndBrokenJsonAreRefused) {
  v1::GetSamplesRequest request;
  for (const char* json : {R"({"stepp": 3})", R"({"limit": "many"})", R"({"run": )", "[]", "7"}) {
    const absl::Status read = FromJson(json, request);
    EXPECT_EQ(read.code(), absl::StatusCode::kInvalidArgument) << json;
    EXPECT_THAT(std::string(read.message()), HasSubstr("temper.v1.GetSamplesRequest"));
  }
}

TEST(TranscodingTest, NestingWithoutEndIsRefused) {
  v1::SubmitRequest request;
  std::string json;
  for (int i = 0; i < 100'000; ++i) json += R"({"spec":)";
  EXPECT_FALSE(FromJson(json, request).ok());
}

TEST(TranscodingTest, FieldsOfAnAddressAreSetByTheirTypes) {
  v1::GetSamplesRequest request;
  EXPECT_TRUE(SetField("run", "12", request).ok());
  EXPECT_TRUE(SetField("step", "7", request).ok());
  EXPECT_TRUE(SetField("score_min", "0.5", request).ok());
  EXPECT_TRUE(SetField("evaluation", "true", request).ok());
  EXPECT_EQ(request.run(), "12");
  EXPECT_EQ(request.step(), 7);
  EXPECT_EQ(request.score_min(), 0.5);
  EXPECT_TRUE(request.evaluation());
  EXPECT_FALSE(SetField("step", "seven", request).ok());
  EXPECT_FALSE(SetField("evaluation", "maybe", request).ok());
  EXPECT_FALSE(SetField("nothing", "1", request).ok());
  EXPECT_FALSE(SetField("run", "\xff", request).ok() && request.run() == "\xff");
  v1::AlterRequest alter;
  EXPECT_FALSE(SetField("alteration", "{}", alter).ok());  // no plain field
}

TEST(TranscodingTest, EveryCodeHasAnHttpCodeAndAnErrorItsSentence) {
  EXPECT_EQ(HttpCode(absl::StatusCode::kOk), 200);
  for (int code = 1; code <= 16; ++code) {
    EXPECT_GE(HttpCode(static_cast<absl::StatusCode>(code)), 400) << code;
  }
  EXPECT_EQ(HttpCode(absl::StatusCode::kUnauthenticated), 401);
  EXPECT_EQ(HttpCode(absl::StatusCode::kPermissionDenied), 403);
  EXPECT_EQ(HttpCode(absl::StatusCode::kNotFound), 404);
  EXPECT_EQ(HttpCode(absl::StatusCode::kFailedPrecondition), 409);
  EXPECT_EQ(HttpCode(absl::StatusCode::kResourceExhausted), 429);
  EXPECT_EQ(HttpCode(absl::StatusCode::kUnavailable), 503);
  const auto json = nlohmann::json::parse(ErrorJson(absl::NotFoundError("no \"x\" \xff")));
  EXPECT_EQ(json["code"], "NOT_FOUND");
  EXPECT_THAT(json["message"].get<std::string>(), HasSubstr("no \"x\""));
}

}  // namespace
}  // namespace temper::orchestrator
