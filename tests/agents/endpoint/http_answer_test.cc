// Answers and refusals as bytes: what is understood, what is none, and what it means.
#include <string>

#include "agents/endpoint/http/chat_answer.h"
#include "agents/endpoint/http/chat_body.h"
#include "agents/endpoint/http/server_error.h"
#include "agents/endpoint/http/sse_reader.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agents/endpoint/served.h"
#include "tests/fakes/fake_http_server.h"

namespace temper::agents {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1700000000);

TEST(SseReaderTest, ReadsEventsHoweverTheBytesAreCut) {
  const std::string stream =
      ": comment\ndata: one\n\nevent: x\ndata:two\r\ndata: lines\r\n\r\n"
      "data\n\nid: 3\n\ndata: three\r\rdataset: no\n\ndata: last";
  for (size_t cut = 1; cut <= stream.size(); ++cut) {
    std::vector<std::string> events;
    SseReader reader([&events](std::string_view data) { events.emplace_back(data); });
    for (size_t at = 0; at < stream.size(); at += cut) {
      reader.Feed(std::string_view(stream).substr(at, cut));
    }
    reader.End();
    ASSERT_THAT(events, ElementsAre("one", "two\nlines", "", "three", "last")) << cut;
  }
}

AttemptEnd EndOfStream(const std::string& bytes, size_t samples = 1,
                       absl::Status ended = absl::OkStatus()) {
  ChatAnswer answer(samples);
  const HttpHead head{.status = 200, .content_type = "text/event-stream"};
  answer.Feed(head, bytes);
  return answer.End({.status = std::move(ended), .head = head}, kNow, 100);
}

constexpr char kWhole[] =
    R"(data: {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]})"
    "\n\n";

TEST(ChatAnswerTest, IsWholeOnlyWithReasonsAndTheEnd) {
  const std::string done = "data: [DONE]\n\n";
  EXPECT_TRUE(EndOfStream(kWhole + done).status.ok());
  EXPECT_TRUE(absl::IsUnavailable(EndOfStream(kWhole).status));
  EXPECT_TRUE(absl::IsDataLoss(EndOfStream(done).status));
  EXPECT_TRUE(absl::IsUnavailable(
      EndOfStream(R"(data: {"choices": [{"index": 0, "delta": {"content": "hi"}}]})"
                  "\n\n" +
                  done)
          .status));
  EXPECT_TRUE(
      absl::IsDataLoss(EndOfStream("data: {broken\n\n" + std::string(kWhole) + done).status));
  // After "[DONE]" a connection may break as it likes.
  EXPECT_TRUE(EndOfStream(kWhole + done, 1, absl::UnavailableError("reset")).status.ok());
  EXPECT_FALSE(EndOfStream(kWhole, 1, absl::UnavailableError("reset")).status.ok());
}

TEST(ChatAnswerTest, RefusesChoicesThatNobodyAskedFor) {
  const std::string second =
      R"(data: {"choices": [{"index": 1, "delta": {"content": "x"}, "finish_reason": "stop"}]})"
      "\n\ndata: [DONE]\n\n";
  EXPECT_TRUE(absl::IsDataLoss(EndOfStream(kWhole + second, 1).status));
  EXPECT_TRUE(absl::IsDataLoss(EndOfStream(second, 2).status));  // the first is missing
  EXPECT_EQ(EndOfStream(kWhole + second, 2).answer.texts.size(), 2);
  EXPECT_EQ(EndOfStream(kWhole + second, 3).answer.texts.size(), 2);  // it makes fewer at once
}

TEST(ChatAnswerTest, PartsTheThoughtFromTheAnswer) {
  const auto split = [](const std::string& whole) {
    EndpointText text{.text = whole};
    ChatAnswer::SplitReasoning(text);
    return text.reasoning + "|" + text.text;
  };
  EXPECT_EQ(split("plain"), "|plain");
  EXPECT_EQ(split("<think>\nhm\n</think>\n\nyes"), "hm|yes");
  EXPECT_EQ(split("hm</think>yes"), "hm|yes");  // the template had opened it
  EXPECT_EQ(split("<think>never closed"), "never closed|");
  EXPECT_EQ(split("say <think> aloud"), "|say <think> aloud");
}

TEST(ServerErrorTest, ReadsEveryShape) {
  const auto words = [](const std::string& body) { return ReadServerError(400, body).words; };
  EXPECT_EQ(words(R"({"error": {"message": "no", "code": "c"}})"), "no");
  EXPECT_EQ(words(R"({"status": 429, "title": "Too Many Requests"})"), "Too Many Requests");
  EXPECT_EQ(words(R"({"object": "error", "message": "old vLLM"})"), "old vLLM");
  EXPECT_EQ(words(R"({"error": "plain"})"), "plain");
  EXPECT_EQ(words(R"({"detail": "fast"})"), "fast");
  EXPECT_EQ(words("<html>\nBad Gateway"), "<html> Bad Gateway");
  EXPECT_EQ(words(std::string(5000, 'x')).size(), 400);
  EXPECT_EQ(words(R"({"error": {"message": 7}})"), "7");
}

TEST(ServerErrorTest, KnowsWhatAnErrorMeans) {
  const auto end = [](int status, const std::string& body, HttpHead head = {}) {
    head.status = status;
    return EndOf(ReadServerError(status, body), head, kNow);
  };
  EXPECT_TRUE(end(503, "").worth_a_retry);
  EXPECT_TRUE(end(503, "").overloaded);
  EXPECT_FALSE(end(500, "").overloaded);
  EXPECT_FALSE(end(503, "", {.x_should_retry = "false"}).worth_a_retry);
  EXPECT_TRUE(end(400, "", {.x_should_retry = "true"}).worth_a_retry);
  EXPECT_EQ(end(429, "", {.retry_after = "7"}).pause, absl::Seconds(7));
  for (const char* code :
       {"insufficient_quota", "credit_balance_exhausted", "project_spend_limit_exceeded"}) {
    for (const char* key : {"code", "type"}) {
      const AttemptEnd quota =
          end(429, absl::StrCat(R"({"error": {")", key, R"(": ")", code, R"("}})"));
      EXPECT_TRUE(absl::IsResourceExhausted(quota.status)) << code;
      EXPECT_FALSE(quota.worth_a_retry) << code;
    }
  }
  EXPECT_TRUE(absl::IsPermissionDenied(end(401, "").status));
  EXPECT_TRUE(absl::IsNotFound(end(404, "").status));
  EXPECT_TRUE(absl::IsInvalidArgument(end(422, "").status));
  EXPECT_TRUE(absl::IsOutOfRange(
      end(400, R"({"message": "This model's maximum context length is 4096 tokens."})").status));
  EXPECT_THAT(std::string(end(302, "").status.message()), HasSubstr("redirect"));
}

TEST(ServerErrorTest, AnErrorInsideAnAnswerMayNameItsStatus) {
  const auto inside = [](const char* body) { return ErrorInside(nlohmann::json::parse(body)); };
  EXPECT_EQ(inside(R"({"choices": [], "error": null})"), std::nullopt);
  EXPECT_EQ(inside(R"({"error": {"message": "x", "code": 400}})")->status, 400);
  EXPECT_EQ(inside(R"({"error": {"message": "x", "code": "429"}})")->status, 429);
  EXPECT_EQ(inside(R"({"error": {"message": "x"}})")->status, 200);
  EXPECT_TRUE(inside(R"({"object": "error", "message": "x"})").has_value());
  EXPECT_TRUE(EndOf(*inside(R"({"error": "x"})"), {.status = 200}, kNow).worth_a_retry);
}

TEST(ServerErrorTest, KnowsARefusalOfN) {
  const auto refuses = [](const std::string& words) {
    return ServerError{.words = words, .status = 400}.refuses_n();
  };
  EXPECT_TRUE(refuses("'n' must be 1"));
  EXPECT_TRUE(refuses("n > 1 is not supported"));
  EXPECT_TRUE(refuses("Only one completion choice is allowed"));
  EXPECT_FALSE(refuses("token must be a string"));
  EXPECT_FALSE(refuses("a description should be given"));
}

TEST(ChatMannersTest, TwoRequestsUnderWayTeachTheSameOnce) {
  ChatManners manners;
  const ChatManners sent = manners;
  const ServerError error{.words = "Use 'max_completion_tokens' instead.", .status = 400};
  EXPECT_TRUE(manners.Learn(error, sent));
  EXPECT_TRUE(manners.completion_tokens);
  EXPECT_TRUE(manners.Learn(error, sent));
  EXPECT_TRUE(manners.completion_tokens);
  EXPECT_TRUE(manners.Learn({.words = "unknown key stream_options", .status = 422}, sent));
  EXPECT_FALSE(manners.stream_options);
  EXPECT_FALSE(manners.Learn({.words = "bad prompt", .status = 400}, sent));
  EXPECT_FALSE(manners.Learn(
      {.words = "'max_completion_tokens' exceeds the maximum context length", .status = 400},
      sent));
}

// A server of the test's own words.
EndpointEnd AnswerOf(const fakes::FakeAnswer& answer, int* requests = nullptr) {
  std::atomic<int> count{0};
  fakes::FakeHttpServer server([&](const fakes::FakeRequest&) {
    ++count;
    return answer;
  });
  const auto specs = ParseEndpoints(
      absl::StrCat(R"({"endpoints": {"main": {"kind": "openai",
      "url": ")",
                   server.url(), R"(", "retry": {"attempts": 2, "first_pause": 0.001}}}})"),
      "e.json");
  auto endpoints = OpenEndpoints(*specs, {.clock = &kRealClock});
  EndpointEnd end;
  {
    Calls calls(*endpoints->at("main"));
    end = calls.Do(Ask("hello"));
  }
  endpoints->clear();
  if (requests != nullptr) *requests = count;
  return end;
}

TEST(HttpWireTest, NothingIsSentElsewhere) {
  int requests = 0;
  const EndpointEnd end =
      AnswerOf({.status = 307, .headers = "Location: http://127.0.0.1:9/v1/chat/completions\r\n"},
               &requests);
  EXPECT_TRUE(absl::IsInvalidArgument(end.status)) << end.status;
  EXPECT_THAT(std::string(end.status.message()), HasSubstr("not followed"));
  EXPECT_EQ(requests, 1);
}

TEST(HttpWireTest, OtherServersWordsAreTold) {
  EXPECT_TRUE(absl::IsNotFound(AnswerOf({.status = 404, .body = "no such page"}).status));
  int requests = 0;
  const EndpointEnd end = AnswerOf({.status = 502, .body = "<h1>Bad Gateway"}, &requests);
  EXPECT_THAT(std::string(end.status.message()), HasSubstr("HTTP 502: <h1>Bad Gateway"));
  EXPECT_EQ(requests, 2);
  EXPECT_TRUE(absl::IsDataLoss(AnswerOf({.body = "hello"}).status));
  EXPECT_TRUE(absl::IsUnavailable(
      AnswerOf({.body = "hello", .fault = fakes::FakeAnswer::Fault::kCutShort}).status));
  EXPECT_TRUE(absl::IsUnavailable(AnswerOf({.fault = fakes::FakeAnswer::Fault::kClose}).status));
}

}  // namespace
}  // namespace temper::agents
