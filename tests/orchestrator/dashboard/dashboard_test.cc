// The dashboard as a browser and as other programs meet it, over a fake controller on a real wire.
#include "orchestrator/dashboard/dashboard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "httplib.h"
#include "nlohmann/json.hpp"
#include "orchestrator/dashboard/http_gate.h"
#include "orchestrator/dashboard/page.h"
#include "re2/re2.h"
#include "tests/fakes/fake_controller.h"

namespace temper::orchestrator {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class DashboardTest : public ::testing::Test {
 protected:
  void SetUp() override { Begin(fakes::FakeController::Options{}); }

  // tokens: a listener's token file; empty: everybody is admin.
  void Begin(const fakes::FakeController::Options& options, const std::string& tokens = "") {
    End();
    controller_ = std::make_unique<fakes::FakeController>(options);
    ListenOptions listen;
    if (!tokens.empty()) listen.credentials.tokens = *TokenTable::Parse(tokens, "tokens");
    auto listening = Listen("127.0.0.1:0", {controller_.get()}, listen);
    ASSERT_TRUE(listening.ok()) << listening.status();
    server_ = std::move(listening->server);
    auto dashboard =
        Dashboard::Start({.listen = "127.0.0.1:0", .controller = Dial(listening->address)});
    ASSERT_TRUE(dashboard.ok()) << dashboard.status();
    dashboard_ = *std::move(dashboard);
    ASSERT_TRUE(absl::SimpleAtoi(dashboard_->address().substr(dashboard_->address().rfind(':') + 1),
                                 &port_));
  }
  void End() {
    dashboard_.reset();
    if (server_) server_->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
    server_.reset();
  }
  void TearDown() override { End(); }

  httplib::Client Client() {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(60, 0);
    return client;
  }
  httplib::Headers Own(const std::string& token = "") {
    httplib::Headers headers = {{kOwnHeader, "1"}};
    if (!token.empty()) headers.emplace("Authorization", "Bearer " + token);
    return headers;
  }
  // The answer to POST /v1/RPC.
  httplib::Result Post(const std::string& rpc, const json& body, const std::string& token = "") {
    return Client().Post("/v1/" + rpc, Own(token), body.dump(), "application/json");
  }
  json Ok(const std::string& rpc, const json& body) {
    const auto result = Post(rpc, body);
    if (!result) {
      ADD_FAILURE() << rpc << " was not answered";
      return {};
    }
    EXPECT_EQ(result->status, 200) << rpc << ": " << result->body;
    return json::parse(result->body, nullptr, false);
  }
  // Bytes as they are, and all that comes back until the connection is closed.
  std::string Raw(const std::string& bytes) {
    const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    std::string answer;
    char part[4096];
    ssize_t got = 0;
    while ((got = recv(connection, part, sizeof(part), 0)) > 0)
      answer.append(part, static_cast<size_t>(got));
    close(connection);
    return answer;
  }

  std::unique_ptr<fakes::FakeController> controller_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Dashboard> dashboard_;
  int port_ = 0;
};

// Blocks of a stream of events, as far as they came.
std::vector<std::string> Events(const std::string& text) {
  return absl::StrSplit(text, "\n\n", absl::SkipEmpty());
}

TEST_F(DashboardTest, EveryRpcOfTheControllerIsReachable) {
  const json bodies = {
      {"Submit", {{"spec", {{"name", "fresh"}, {"steps", 3}}}, {"check", true}}},
      {"Watch", {{"run", "words"}, {"from_sequence", "20"}}},
      {"Alter", {{"run", "arithmetic"}, {"alteration", {{"learning_rate", 1e-4}}}}},
      {"Fork", {{"run", "arithmetic"}, {"step", 40}, {"name", "again"}}},
      {"Replay", {{"run", "arithmetic"}, {"step", 3}}},
      {"CordonWorker", {{"worker", "rollout-0"}, {"cordoned", true}}},
      {"QuarantinePrompt", {{"run", "arithmetic"}, {"prompt_id", "row-1"}}},
      {"Drain", {{"run", "arithmetic-at-20"}}},
      {"Stop", {{"run", "arithmetic-at-20"}}},
      {"List", json::object()},
      {"ListWorkers", json::object()},
  };
  const auto& service =
      *v1::GetRequest::descriptor()->file()->FindServiceByName("ControllerService");
  for (int i = 0; i < service.method_count(); ++i) {
    const std::string& rpc = service.method(i)->name();
    const auto result = Post(rpc, bodies.value(rpc, json{{"run", "arithmetic"}}));
    ASSERT_TRUE(result) << rpc;
    EXPECT_EQ(result->status, 200) << rpc << ": " << result->body;
    EXPECT_EQ(controller_->calls(rpc), 1) << rpc;
    EXPECT_EQ(result->get_header_value("Content-Type"),
              service.method(i)->server_streaming() ? "text/event-stream" : "application/json")
        << rpc;
  }
}

TEST_F(DashboardTest, PausePausesOnceForOneRequestId) {
  const json body = {{"run", "arithmetic"}, {"request_id", "a"}, {"reason", "to look"}};
  EXPECT_EQ(Ok("Pause", body)["state"], "RUN_STATE_PAUSED");
  EXPECT_EQ(Ok("Get", {{"run", "arithmetic"}})["reason"], "to look");
  EXPECT_EQ(Ok("Resume", {{"run", "arithmetic"}})["state"], "RUN_STATE_RUNNING");
  EXPECT_EQ(Ok("Pause", body)["state"], "RUN_STATE_PAUSED");  // answered as before, does nothing
  EXPECT_EQ(Ok("Get", {{"run", "arithmetic"}})["state"], "RUN_STATE_RUNNING");
}

TEST_F(DashboardTest, ErrorsOfTheControllerKeepTheirSentences) {
  const auto expect = [&](const std::string& rpc, const json& body, int http, const char* code,
                          const char* words) {
    const auto result = Post(rpc, body);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->status, http) << result->body;
    const json error = json::parse(result->body, nullptr, false);
    EXPECT_EQ(error["code"], code);
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr(words));
  };
  expect("Get", {{"run", "nosuch"}}, 404, "NOT_FOUND", "no run \"nosuch\"");
  expect("Watch", {{"run", "nosuch"}}, 404, "NOT_FOUND", "no run \"nosuch\"");
  expect("Pause", {{"run", "words"}}, 409, "FAILED_PRECONDITION", "has ended");
  expect("Alter", {{"run", "arithmetic"}, {"alteration", {{"learning_rate", 5}}}}, 400,
         "INVALID_ARGUMENT", "learning_rate: 5");
  expect("Fork", {{"run", "arithmetic"}, {"step", 999}}, 400, "OUT_OF_RANGE", "never reached");
  expect("Get", {{"rum", "arithmetic"}}, 400, "INVALID_ARGUMENT", "rum");
  expect("Delete", json::object(), 404, "NOT_FOUND", "no such rpc");
}

TEST_F(DashboardTest, AControllerThatIsGoneIsUnavailable) {
  server_->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
  const auto result = Post("List", json::object());
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 503) << result->body;
}

TEST_F(DashboardTest, TheBrowsersTokenDecidesWhoMayDoWhat) {
  const std::string boss(32, 'b'), guest_token(32, 'g');
  Begin({}, absl::StrCat("admin ", boss, "\nreader ", guest_token, "\n"));
  EXPECT_EQ(Post("List", json::object())->status, 401);
  EXPECT_EQ(Post("List", json::object(), "wrong")->status, 401);
  EXPECT_EQ(Client().Get("/metrics")->status, 401);
  EXPECT_EQ(Client().Get("/access")->status, 401);
  EXPECT_EQ(Client().Get("/v1/Watch?run=words")->status, 401);
  EXPECT_EQ(Post("List", json::object(), guest_token)->status, 200);
  EXPECT_EQ(Client().Get("/metrics", Own(guest_token))->status, 200);
  const auto refused = Post("Pause", {{"run", "arithmetic"}}, guest_token);
  EXPECT_EQ(refused->status, 403);
  EXPECT_THAT(refused->body, HasSubstr("reader"));
  const json guest = json::parse(Client().Get("/access", Own(guest_token))->body);
  EXPECT_FALSE(guest["may_change"]);
  EXPECT_THAT(guest["reason"].get<std::string>(), HasSubstr("reader"));
  EXPECT_TRUE(json::parse(Client().Get("/access", Own(boss))->body)["may_change"]);
  EXPECT_EQ(Post("Pause", {{"run", "arithmetic"}}, boss)->status, 200);
}

TEST_F(DashboardTest, AStreamEndsWithItsRunAndSaysSo) {
  const auto result = Client().Get("/v1/Watch?run=words&from_sequence=3");
  ASSERT_TRUE(result);
  const auto events = Events(result->body);
  ASSERT_GT(events.size(), 25u);
  EXPECT_EQ(events.back(), "event: end\ndata: {}");
  int64_t next = 3;
  for (size_t i = 0; i + 1 < events.size(); ++i, ++next) {
    ASSERT_TRUE(absl::StartsWith(events[i], "data: ")) << events[i];
    const json message = json::parse(events[i].substr(6), nullptr, false);
    EXPECT_EQ(message["event"]["sequence"], std::to_string(next));
  }
}

TEST_F(DashboardTest, AStreamBringsWhatHappensLater) {
  const std::string newest = Ok("Get", {{"run", "arithmetic"}})["sequence"];
  std::string text;
  std::atomic<bool> paused{false};
  auto client = Client();
  const auto result = client.Get(absl::StrCat("/v1/Watch?run=arithmetic&from_sequence=", newest),
                                 [&](const char* bytes, size_t size) {
                                   text.append(bytes, size);
                                   if (!paused.exchange(true))
                                     Ok("Pause", {{"run", "arithmetic"}, {"reason", "now"}});
                                   return text.find("RUN_STATE_PAUSED") ==
                                          std::string::npos;  // then the reader leaves
                                 });
  EXPECT_THAT(text, HasSubstr("RUN_STATE_PAUSED"));
}

TEST_F(DashboardTest, TooManyStreamsAreShedAndReadersThatLeaveMakeRoom) {
  std::vector<std::thread> readers;
  std::atomic<int> open{0};
  std::atomic<bool> leave{false};
  for (int i = 0; i < 16; ++i) {
    readers.emplace_back([&] {
      auto client = Client();
      bool first = true;
      client.Get("/v1/Watch?run=arithmetic", [&](const char*, size_t) {
        if (std::exchange(first, false)) ++open;
        return !leave.load();
      });
    });
  }
  while (open.load() < 16) absl::SleepFor(absl::Milliseconds(5));
  const auto shed = Client().Get("/v1/Watch?run=arithmetic");
  ASSERT_TRUE(shed);
  EXPECT_EQ(shed->status, 429);
  EXPECT_EQ(Post("List", json::object())->status, 200);  // questions are still answered
  leave = true;
  controller_->Advance();
  for (std::thread& reader : readers) reader.join();
  int status = 429;
  const absl::Time until = absl::Now() + absl::Seconds(60);
  while (status == 429 && absl::Now() < until) {
    controller_->Advance();  // whoever has gone is noticed by what is sent to it
    status = Client().Get("/v1/Watch?run=words")->status;
  }
  EXPECT_EQ(status, 200);
}

TEST_F(DashboardTest, StopEndsOpenStreams) {
  std::atomic<bool> open{false};
  std::thread reader([&] {
    auto client = Client();
    client.Get("/v1/Watch?run=arithmetic", [&](const char*, size_t) {
      open = true;
      return true;
    });
  });
  while (!open.load()) absl::SleepFor(absl::Milliseconds(5));
  dashboard_->Stop();
  reader.join();
  EXPECT_FALSE(Client().Get("/"));
}

TEST_F(DashboardTest, PagesOfOthersAreRefused) {
  auto client = Client();
  const std::string body = R"({"run": "arithmetic"})";
  const auto post = [&](httplib::Headers headers, const char* type) {
    return client.Post("/v1/Stop", headers, body, type)->status;
  };
  EXPECT_EQ(post({{kOwnHeader, "1"}, {"Host", "evil.example"}}, "application/json"), 403);
  EXPECT_EQ(post({{kOwnHeader, "1"}, {"Origin", "http://evil.example"}}, "application/json"), 403);
  EXPECT_EQ(post({}, "application/json"), 403);
  EXPECT_EQ(post({{kOwnHeader, "1"}}, "text/plain"), 415);
  EXPECT_EQ(client.Options("/v1/Stop")->status, 405);  // so a preflight is never granted
  EXPECT_EQ(client.Get("/metrics", {{"Host", "evil.example"}})->status, 403);
  EXPECT_EQ(controller_->calls("Stop"), 0);
  EXPECT_EQ(Ok("Get", {{"run", "arithmetic"}})["state"], "RUN_STATE_RUNNING");
}

TEST_F(DashboardTest, TheBodyOfARefusedRequestIsNotTheNextRequest) {
  const std::string inner =
      absl::StrCat("POST /v1/Stop HTTP/1.1\r\nHost: 127.0.0.1:", port_, "\r\n", kOwnHeader,
                   ": 1\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{\"run\": "
                   "\"arithmetic\"}");
  const std::string answer = Raw(absl::StrCat(
      "POST /v1/Stop HTTP/1.1\r\nHost: 127.0.0.1:", port_,
      "\r\nOrigin: http://evil.example\r\nContent-Type: text/plain\r\nContent-Length: ",
      inner.size(), "\r\n\r\n", inner));
  EXPECT_THAT(answer, testing::StartsWith("HTTP/1.1 403"));
  EXPECT_EQ(answer.find("HTTP/1.1", 8), std::string::npos) << answer;
  EXPECT_EQ(controller_->calls("Stop"), 0);
}

TEST_F(DashboardTest, LargeBodiesAndUnknownPlacesAreRefused) {
  const auto large =
      Client().Post("/v1/Get", Own(), std::string(kBodyBytesMax + 1, ' '), "application/json");
  if (large) {
    EXPECT_EQ(large->status, 413);
  }
  EXPECT_EQ(controller_->calls("Get"), 0);
  EXPECT_EQ(Client().Get("/nothing")->status, 404);
  EXPECT_EQ(Client().Get("/../dashboard.h")->status, 404);
  EXPECT_EQ(Client().Get("/v1/Stop?run=arithmetic")->status, 404);  // a GET changes nothing
  EXPECT_EQ(controller_->calls("Stop"), 0);
}

TEST_F(DashboardTest, ThePageIsWholeAndNeedsNoOtherServer) {
  for (const PageFile& file : PageFiles()) {
    const auto result = Client().Get(std::string(file.path));
    ASSERT_TRUE(result) << file.path;
    EXPECT_EQ(result->status, 200) << file.path;
    EXPECT_EQ(result->body, file.bytes) << file.path;
    EXPECT_EQ(result->get_header_value("Content-Type"), file.type);
    EXPECT_THAT(result->get_header_value("Content-Security-Policy"),
                HasSubstr("default-src 'self'"));
    EXPECT_EQ(result->get_header_value("X-Content-Type-Options"), "nosniff");
    if (file.path == "/chart.js") continue;  // the library's own comments name its home
    EXPECT_EQ(file.bytes.find("innerHTML"), std::string_view::npos) << file.path;
    const std::string text(file.bytes);
    re2::StringPiece rest(text);
    std::string url;
    while (RE2::FindAndConsume(&rest, "(https?://[a-z0-9.]+)", &url)) {
      EXPECT_EQ(url, "http://www.w3.org") << file.path;  // a name space, not an address
    }
    // What a file asks for is there.
    rest = re2::StringPiece(text);
    while (RE2::FindAndConsume(
        &rest, R"re((?:src|href|from) ?=?['" ]+\.?(/[a-z]+\.(?:js|css|svg)))re", &url)) {
      EXPECT_EQ(Client().Get(url)->status, 200) << file.path << " asks for " << url;
    }
  }
}

TEST_F(DashboardTest, MetricsAndTracesAreServed) {
  const auto metrics = Client().Get("/metrics");
  ASSERT_TRUE(metrics);
  EXPECT_EQ(metrics->status, 200);
  EXPECT_THAT(metrics->get_header_value("Content-Type"),
              testing::StartsWith("text/plain; version=0.0.4"));
  EXPECT_THAT(metrics->body, HasSubstr("\ntemper_policy_step{run=\"arithmetic\"} 42\n"));
  const auto trace = Client().Get("/trace?run=arithmetic&step=20");
  ASSERT_TRUE(trace);
  const json document = json::parse(trace->body, nullptr, false);
  ASSERT_FALSE(document.is_discarded());
  EXPECT_GT(document["traceEvents"].size(), 10u);
  EXPECT_EQ(document["otherData"]["step"], 20);
  EXPECT_EQ(Client().Get("/trace?run=arithmetic&step=soon")->status, 400);
  EXPECT_EQ(Client().Get("/trace?run=arithmetic&step=999")->status, 404);
}

TEST_F(DashboardTest, SamplesComeWithTokensInPages) {
  json body = {{"run", "arithmetic"}, {"step", 5}, {"limit", 10}, {"with_tokens", true}};
  const json first = Ok("GetSamples", body);
  ASSERT_EQ(first["samples"].size(), 10u);
  EXPECT_EQ(first["samples"][0]["step"], "5");
  EXPECT_GT(first["samples"][0]["tokens"].size(), 5u);
  body["page_token"] = first["next_page_token"];
  const json second = Ok("GetSamples", body);
  EXPECT_EQ(second["samples"].size(), 6u);
  EXPECT_EQ(second["next_page_token"], "");
}

TEST(DashboardStartTest, OnlyLoopbackAndFreePortsAreTaken) {
  const auto channel = Dial("127.0.0.1:1");
  for (const char* listen :
       {"0.0.0.0:0", "8080", "", "[::]:0", "example.com:80", "127.0.0.1:99999", "127.0.0.1:x"}) {
    const auto started = Dashboard::Start({.listen = listen, .controller = channel});
    ASSERT_FALSE(started.ok()) << listen;
    EXPECT_EQ(started.status().code(), absl::StatusCode::kInvalidArgument) << listen;
  }
  const auto first = Dashboard::Start({.listen = "127.0.0.1:0", .controller = channel});
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Dashboard::Start({.listen = (*first)->address(), .controller = channel});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace temper::orchestrator
