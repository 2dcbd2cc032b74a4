// Calls match by name and by the value of their arguments, however they are written.
#include "reward/json/tool_call_verifier.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

constexpr char kTwo[] = R"({"tool_calls": [{"name": "f", "arguments": {"a": 1, "b": [true]}},
                                           {"name": "g", "arguments": {}}]})";
constexpr char kF[] = R"({"name": "f", "arguments": {"b": [true], "a": 1.0}})";
constexpr char kG[] = R"({"name": "g", "arguments": {}})";

absl::StatusOr<Judgement> Judged(const std::string& settings, std::string_view text,
                                 std::string_view metadata = kTwo) {
  temper::v1::ToolCallOptions options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(settings, &options));
  const auto verifier = ToolCallVerifier::Create(options);
  if (!verifier.ok()) return verifier.status();
  return (*verifier)->Judge({.text = text, .metadata = metadata});
}

double Scored(const std::string& settings, std::string_view text,
              std::string_view metadata = kTwo) {
  const auto judgement = Judged(settings, text, metadata);
  EXPECT_TRUE(judgement.ok()) << judgement.status();
  if (!judgement.ok()) return -1;
  for (const char c : judgement->reason) EXPECT_TRUE(c >= ' ' && c <= '~') << judgement->reason;
  return judgement->score;
}

std::string Hermes(const std::string& call) { return "<tool_call>\n" + call + "\n</tool_call>\n"; }

std::string List(const std::string& a, const std::string& b) { return "[" + a + ", " + b + "]"; }

TEST(ToolCallVerifierTest, ReadsEveryFormat) {
  EXPECT_EQ(Scored("", Hermes(kF) + Hermes(kG)), 1);
  EXPECT_EQ(Scored("", "I call.\n" + Hermes(kF) + "and\n" + Hermes(kG) + "Done."), 1);
  EXPECT_EQ(Scored("", "<TOOLCALL>" + List(kF, kG) + "</TOOLCALL>"), 1);
  EXPECT_EQ(Scored("", List(kF, kG)), 1);
  EXPECT_EQ(Scored("", "```json\n" + List(kF, kG) + "\n```"), 1);
  EXPECT_EQ(Scored("format: 'hermes'", List(kF, kG)), 0);
  EXPECT_EQ(Scored("format: 'nemotron'", Hermes(kF) + Hermes(kG)), 0);
  EXPECT_EQ(Scored("format: 'json'", Hermes(kF) + Hermes(kG)), 0);
  EXPECT_EQ(Scored("", "<think>" + Hermes(kF) + Hermes(kG) + "</think>none"), 0);
  EXPECT_EQ(Scored("", R"([{"type": "function", "function": {"name": "f",
      "arguments": "{\"a\": 1, \"b\": [true]}"}}, {"name": "g"}])"),
            1);
}

TEST(ToolCallVerifierTest, MindsTheOrderOnlyWhenAsked) {
  EXPECT_EQ(Scored("", Hermes(kG) + Hermes(kF)), 1);
  EXPECT_EQ(Scored("order: 'given'", Hermes(kG) + Hermes(kF)), 0);
  EXPECT_EQ(Scored("order: 'given'", Hermes(kF) + Hermes(kG)), 1);
}

TEST(ToolCallVerifierTest, PaysNothingForMissingOrExtraCallsOrOtherArguments) {
  EXPECT_EQ(Scored("", Hermes(kF)), 0);
  EXPECT_EQ(Scored("", Hermes(kF) + Hermes(kG) + Hermes(kG)), 0);
  EXPECT_EQ(Scored("", Hermes(kF) + Hermes(kF)), 0);
  EXPECT_EQ(
      Scored("", Hermes(R"({"name": "f", "arguments": {"a": "1", "b": [true]}})") + Hermes(kG)), 0);
  EXPECT_EQ(Scored("", Hermes(R"({"name": "f", "arguments": {"a": 1}})") + Hermes(kG)), 0);
  EXPECT_THAT(Judged("", Hermes(kF))->reason, HasSubstr("wanting is \"g\""));
}

TEST(ToolCallVerifierTest, PaysByShareWhenAsked) {
  EXPECT_EQ(Scored("fraction: true", Hermes(kF)), 0.5);
  EXPECT_DOUBLE_EQ(Scored("fraction: true", Hermes(kF) + Hermes(kG) + Hermes(kG)), 2.0 / 3);
  EXPECT_EQ(Scored("fraction: true", ""), 0);
  EXPECT_EQ(Scored("fraction: true order: 'given'", Hermes(kG) + Hermes(kF)), 0);
}

TEST(ToolCallVerifierTest, KnowsThatNoCallMayBeWanted) {
  const std::string none = R"({"expected_calls": []})";
  EXPECT_EQ(Scored("", "It is four.", none), 1);
  EXPECT_EQ(Scored("", Hermes(kG), none), 0);
  EXPECT_EQ(Scored("", "{\"broken", none), 0);
}

TEST(ToolCallVerifierTest, RefusesCallsThatCannotBeRead) {
  for (const std::string& text :
       {std::string("<tool_call>") + kF, std::string(kF) + "</tool_call>", Hermes("{}"),
        Hermes("{\"name\": 5}"), Hermes(R"({"name": "f", "arguments": [1]})"),
        Hermes(R"({"name": "f", "arguments": "x"})"), Hermes(std::string(kF) + kG),
        Hermes(R"({"name": "f", "name": "g"})"), std::string("<TOOLCALL>"),
        Hermes(std::string(100000, '[')), std::string(100000, '['), std::string(1 << 20, ' '),
        std::string("\xff\0", 2)}) {
    EXPECT_EQ(Scored("", text), 0) << text.substr(0, 60);
  }
  std::string many = "[";
  for (int i = 0; i < 2000; ++i) many += std::string(i > 0 ? "," : "") + kG;
  EXPECT_THAT(Judged("", many + "]")->reason, HasSubstr("more than 1000 calls"));
}

TEST(ToolCallVerifierTest, RefusesWrongExpectations) {
  EXPECT_THAT(Judged("", "", "").status().message(), HasSubstr("metadata.tool_calls: missing"));
  EXPECT_THAT(Judged("", "", R"({"tool_calls": 5})").status().message(), HasSubstr("found 5"));
  EXPECT_THAT(Judged("", "", R"({"tool_calls": [{}]})").status().message(),
              HasSubstr("metadata.tool_calls[0]"));
  EXPECT_THAT(Judged("format: 'x'", "").status().message(), HasSubstr("tool_call.format"));
  EXPECT_THAT(Judged("order: 'x'", "").status().message(), HasSubstr("tool_call.order"));
}

}  // namespace
}  // namespace temper::reward
