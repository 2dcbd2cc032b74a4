// The endpoints file: what is read, and what is refused with which words.
#include "agents/endpoint/endpoints_file.h"

#include "agents/endpoint/open_endpoints.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string WordsFor(const std::string& endpoint) {
  const auto specs = ParseEndpoints(R"({"endpoints": {"main": )" + endpoint + "}}", "e.json");
  return specs.ok() ? "" : std::string(specs.status().message());
}

TEST(EndpointsFileTest, ReadsEveryKey) {
  const auto specs = ParseEndpoints(R"({"endpoints": {
    "main": {"kind": "openai", "url": "https://host:1/v1/", "key_env": "KEY", "concurrency": 8,
             "usd_per_million_in": 0.4, "usd_per_million_out": 1.2, "n_max": 2, "grow_after": 5,
             "timeouts": {"connect": 1, "first_byte": 2, "idle": 3, "total": 4},
             "retry": {"attempts": 3, "first_pause": 0.1, "pause_max": 1, "told_pause_max": 60,
                       "budget": 0.1, "budget_floor": 1},
             "headers": {"X-Team": "blue"}, "headers_env": {"api-key": "OTHER"},
             "return_token_ids": true, "prompt_bytes_per_token": 2, "revision": "r1"},
    "policy": {"kind": "rollout", "address": "127.0.0.1:9", "run": "r", "version": 3},
    "reward": {"kind": "reward_pooling", "url": "http://[::1]:9"},
    "fake": {"kind": "fake", "script": "x.json", "reward": true}}})",
                                    "e.json");
  ASSERT_TRUE(specs.ok()) << specs.status();
  ASSERT_EQ(specs->size(), 4);
  const EndpointSpec& main = (*specs)[0];
  EXPECT_EQ(main.name, "main");
  EXPECT_EQ(main.url, "https://host:1/v1/");
  EXPECT_EQ(main.key_env, "KEY");
  EXPECT_EQ(main.concurrency, 8);
  EXPECT_EQ(main.usd_per_million_out, 1.2);
  EXPECT_EQ(main.n_max, 2);
  EXPECT_EQ(main.timeouts.idle, absl::Seconds(3));
  EXPECT_EQ(main.retry.attempts_max, 3);
  EXPECT_EQ(main.retry.budget, 0.1);
  EXPECT_EQ(main.headers.at("X-Team"), "blue");
  EXPECT_EQ(main.headers_env.at("api-key"), "OTHER");
  EXPECT_TRUE(main.return_token_ids);
  EXPECT_EQ((*specs)[1].version, 3);
  EXPECT_FALSE(IsReward((*specs)[1]));
  EXPECT_TRUE(IsReward((*specs)[2]));
  EXPECT_TRUE(IsReward((*specs)[3]));
}

TEST(EndpointsFileTest, RefusesWhatIsWrongWithItsPlaceAndTheNearestName) {
  EXPECT_THAT(
      WordsFor(R"({"kind": "opneai"})"),
      HasSubstr(R"(e.json: endpoints.main.kind: unknown value "opneai"; did you mean "openai"?)"));
  EXPECT_THAT(WordsFor(R"({"kind": "openai", "url": "http://h", "concurency": 3})"),
              HasSubstr(R"(endpoints.main.concurency: unknown key; did you mean "concurrency"?)"));
  EXPECT_THAT(WordsFor(R"({"kind": "openai"})"), HasSubstr("endpoints.main.url: is missing"));
  EXPECT_THAT(WordsFor(R"({"kind": "openai", "url": "http://me:secret@h"})"),
              HasSubstr("do not belong in a URL"));
  EXPECT_THAT(WordsFor(R"({"kind": "openai", "url": "ftp://h"})"), HasSubstr("neither http"));
  EXPECT_THAT(WordsFor(R"({"kind": "openai", "url": "http://h", "concurrency": 0})"),
              HasSubstr("must be a whole number in 1 .. 4096, is 0"));
  EXPECT_THAT(WordsFor(R"({"kind": "openai", "url": "http://h", "timeouts": {"idel": 1}})"),
              HasSubstr(R"(main.timeouts.idel: unknown key; did you mean "idle"?)"));
  EXPECT_THAT(WordsFor(R"({"kind": "fake", "url": "http://h"})"), HasSubstr("main.url: unknown"));
  EXPECT_THAT(WordsFor(R"({"kind": "openai", "url": "http://h", "headers": {"Host": "x"}})"),
              HasSubstr("is no header that may be set"));
  EXPECT_THAT(WordsFor(R"({"kind": "openai", "url": "http://h", "headers": {"X": "a\r\nb: c"}})"),
              HasSubstr("control characters"));
  EXPECT_THAT(
      WordsFor(
          R"({"kind": "openai", "url": "http://h", "headers": {"authorization": "Bearer x"}})"),
      HasSubstr("key_env"));
  EXPECT_THAT(WordsFor("{\n\"kind\": 'x'}"), HasSubstr("e.json:2:9: not valid JSON"));
  EXPECT_THAT(WordsFor("7"), HasSubstr("must be an object"));
  EXPECT_FALSE(ParseEndpoints(R"({"endpoints": {}})", "e.json").ok());
  EXPECT_FALSE(ParseEndpoints(R"({"endpoints": {"a b": {"kind": "fake"}}})", "e.json").ok());
}

TEST(EndpointsFileTest, TheShippedExamplesAreRead) {
  for (const char* name : {"endpoints.json", "fake_endpoints.json"}) {
    const auto specs = ReadEndpoints(absl::StrCat(TEMPER_SOURCE_DIR, "/examples/graphs/", name));
    ASSERT_TRUE(specs.ok()) << specs.status();
    std::map<std::string, bool> rewards;
    for (const EndpointSpec& spec : *specs) rewards[spec.name] = IsReward(spec);
    EXPECT_FALSE(rewards.at("main")) << name;
    EXPECT_TRUE(rewards.at("reward")) << name;
  }
}

}  // namespace
}  // namespace temper::agents
