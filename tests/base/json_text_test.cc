// JSON of others is read whole or refused with the place of the fault.
#include "base/json_text.h"

#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace temper {
namespace {

using testing::HasSubstr;

std::string Problem(std::string_view text) {
  const auto parsed = ParseJson(text, "file");
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(parsed.status().message());
}

TEST(JsonTextTest, ReadsOneDocument) {
  const auto parsed = ParseJson(" {\"a\": [1, null]} ", "file");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->dump(), R"({"a":[1,null]})");
}

TEST(JsonTextTest, RefusesWhatFollowsANul) {
  EXPECT_THAT(Problem(std::string_view("{}\n\0{", 5)), HasSubstr("file:2:1: not valid JSON"));
  EXPECT_THAT(Problem(std::string_view("\0", 1)), HasSubstr("NUL"));
}

TEST(JsonTextTest, RefusesRepeatedKeysAndDeepNesting) {
  EXPECT_THAT(Problem(R"({"a": 1, "a": 2})"), HasSubstr("stands twice"));
  EXPECT_THAT(Problem(std::string(65, '[')), HasSubstr("deeper than 64"));
}

}  // namespace
}  // namespace temper
