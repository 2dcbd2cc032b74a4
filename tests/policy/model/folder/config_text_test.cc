// One member changes, everything else stays as it was written.
#include "policy/model/folder/config_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"

namespace temper::model {
namespace {

constexpr char kConfig[] = R"({
  "a": {"b": 1, "text": "}\"]"},
  "limit": [0.0, Infinity],
  "b": "two, \"b\": {",
  "c" : -1.50e+3
}
)";

TEST(ConfigTextTest, OnlyOutermostMembersCount) {
  EXPECT_TRUE(HasMember(kConfig, "a"));
  EXPECT_TRUE(HasMember(kConfig, "b"));
  EXPECT_TRUE(HasMember(kConfig, "c"));
  EXPECT_FALSE(HasMember(kConfig, "text"));
  EXPECT_FALSE(HasMember(kConfig, "two, "));
  EXPECT_FALSE(HasMember("{}", "a"));
  EXPECT_FALSE(HasMember("", "a"));
}

TEST(ConfigTextTest, AMemberIsTakenOutWithItsComma) {
  EXPECT_EQ(WithoutMember(kConfig, "a"), R"({
  "limit": [0.0, Infinity],
  "b": "two, \"b\": {",
  "c" : -1.50e+3
}
)");
  EXPECT_EQ(WithoutMember(kConfig, "limit"), R"({
  "a": {"b": 1, "text": "}\"]"},
  "b": "two, \"b\": {",
  "c" : -1.50e+3
}
)");
  EXPECT_EQ(WithoutMember(kConfig, "c"), R"({
  "a": {"b": 1, "text": "}\"]"},
  "limit": [0.0, Infinity],
  "b": "two, \"b\": {"
}
)");
  EXPECT_EQ(WithoutMember("{\"a\":1}", "a"), "{}");
  EXPECT_EQ(WithoutMember("{ \"a\" : [1, {}] , \"b\":2}", "a"), "{ \"b\":2}");
  EXPECT_EQ(WithoutMember(kConfig, "nothing"), kConfig);
}

TEST(ConfigTextTest, AValueIsReplaced) {
  EXPECT_EQ(WithMemberSet("{\"a\": \"x\", \"b\": 2}", "a", "\"y\""), "{\"a\": \"y\", \"b\": 2}");
  EXPECT_EQ(WithMemberSet("{\"a\": \"x\", \"b\": 2}", "b", "null"), "{\"a\": \"x\", \"b\": null}");
  EXPECT_EQ(WithMemberSet("{\"a\":{\"b\":[]}}", "a", "5"), "{\"a\":5}");
  EXPECT_EQ(WithMemberSet(kConfig, "nothing", "5"), kConfig);
}

TEST(ConfigTextTest, AMemberThatIsNewComesFirst) {
  EXPECT_EQ(WithMember("{\"a\": 1}", "a", "2"), "{\"a\": 2}");
  EXPECT_EQ(WithMember("{\"a\": 1}", "b", "2"), "{\"b\": 2, \"a\": 1}");
  EXPECT_EQ(WithMember("{\n  \"a\": 1\n}", "b", "[]"), "{\n  \"b\": [],\n  \"a\": 1\n}");
  EXPECT_EQ(WithMember("{}", "b", "2"), "{\"b\": 2}");
}

TEST(ConfigTextTest, WhateverIsTakenOutTheRestIsTheSameJson) {
  const std::string text = R"({"x":{"y":[1,2,{"z":"\\\""}]},"u":null,"v":true,"w":"ü","e":[]})";
  const nlohmann::json all = nlohmann::json::parse(text);
  for (const auto& [key, value] : all.items()) {
    nlohmann::json expected = all;
    expected.erase(key);
    EXPECT_EQ(nlohmann::json::parse(WithoutMember(text, key)), expected) << key;
    expected[key] = 7;
    EXPECT_EQ(nlohmann::json::parse(WithMemberSet(text, key, "7")), expected) << key;
  }
}

}  // namespace
}  // namespace temper::model
