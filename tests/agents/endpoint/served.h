// An endpoint in front of a fake server, for tests: the server, the endpoint "main", its calls.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "agents/endpoint/open_endpoints.h"
#include "tests/agents/endpoint/calls.h"
#include "tests/fakes/fake_openai_server.h"

namespace temper::agents {

inline const SystemClock kRealClock;

inline constexpr char kQuickRetries[] =
    R"(, "retry": {"first_pause": 0.001, "pause_max": 0.002, "attempts": 5})";

inline std::shared_ptr<const FakeScript> Script(const std::string& text) {
  auto script = FakeScript::Parse(text, "script.json");
  EXPECT_TRUE(script.ok()) << script.status();
  return *std::move(script);
}

inline fakes::FakeOpenAiServer::Options Scripted(const std::string& script) {
  return {.script = Script(script), .keeps_requests = true};
}

// `keys`: further keys of the endpoint, each with a comma before it. Of a reward endpoint, the URL
// is without "/v1".
struct Served {
  Served(fakes::FakeOpenAiServer::Options options, const std::string& keys = kQuickRetries,
         const std::string& kind = "openai", const StopToken* stop = nullptr)
      : server(std::move(options)) {
    Open(server.url(), keys, kind, stop);
  }
  void Open(std::string url, const std::string& keys, const std::string& kind,
            const StopToken* stop) {
    if (kind != "openai" && kind != "reward_nim") url = url.substr(0, url.rfind("/v1"));
    auto specs = ParseEndpoints(absl::StrCat(R"({"endpoints": {"main": {"kind": ")", kind,
                                             R"(", "url": ")", url, R"(")", keys, "}}}"),
                                "endpoints.json");
    EXPECT_TRUE(specs.ok()) << specs.status();
    auto opened = OpenEndpoints(*specs, {.clock = &kRealClock, .seed = 5, .stop = stop});
    EXPECT_TRUE(opened.ok()) << opened.status();
    endpoints = *std::move(opened);
    calls = std::make_unique<Calls>(endpoint());
  }
  Endpoint& endpoint() { return *endpoints.at("main"); }

  // Waits until `holds` of the server's counts.
  template <class Holds>
  void Await(Holds holds) {
    const absl::Duration end = kRealClock.Uptime() + absl::Seconds(60);
    while (!holds(server.stats())) {
      ASSERT_LT(kRealClock.Uptime(), end) << "the server never came to that";
      Sleep(Wait::ForWork("the server", absl::Milliseconds(1)));
    }
  }

  fakes::FakeOpenAiServer server;
  Endpoints endpoints;
  std::unique_ptr<Calls> calls;
};

}  // namespace temper::agents
