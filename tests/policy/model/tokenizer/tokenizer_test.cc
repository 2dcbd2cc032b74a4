// Encodes as the tokenizers library does, and refuses what it cannot read.
#include "policy/model/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "nlohmann/json.hpp"

namespace temper::model {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Special = Tokenizer::Special;

std::string FileBytes(const std::string& path) {
  absl::StatusOr<std::string> bytes = ReadFile(path);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.ok() ? *bytes : "";
}

std::string GoldenPath(const std::string& file) {
  return std::string(TEMPER_TEST_DATA) + "/golden/tokenizer/" + file;
}

const char kBytesJson[] = TEMPER_SOURCE_DIR "/examples/arithmetic/tokenizer.json";

std::unique_ptr<Tokenizer> Load(const std::string& path) {
  auto tokenizer = Tokenizer::Read(path);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

// What the library makes of bytes that end inside a character.
bool IsWhole(const std::string& text) { return text.find("\xEF\xBF\xBD") == std::string::npos; }

class GoldenTest : public testing::TestWithParam<const char*> {};

TEST_P(GoldenTest, EncodesAndDecodesAsTheTokenizersLibraryDoes) {
  const std::string family = GetParam();
  const auto tokenizer = Load(family == "bytes" ? kBytesJson : GoldenPath(family + ".json"));
  ASSERT_NE(tokenizer, nullptr);
  const Json cases = Json::parse(FileBytes(GoldenPath(family + ".expected.json")));
  ASSERT_GT(cases.size(), 30u);
  for (const Json& c : cases) {
    const std::string text = c["text"];
    SCOPED_TRACE(c["text"].dump());
    const auto parse = c["parse"].get<std::vector<int32_t>>();
    EXPECT_EQ(tokenizer->Encode(text, Special::kParse, true), parse);
    EXPECT_EQ(tokenizer->Encode(text, Special::kAsText, false),
              c["as_text"].get<std::vector<int32_t>>());
    if (IsWhole(c["decoded"])) {
      EXPECT_EQ(tokenizer->Decode(parse, false), c["decoded"]);
    }
    if (IsWhole(c["skipped"])) {
      EXPECT_EQ(tokenizer->Decode(parse, true), c["skipped"]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenTest,
                         testing::Values("gpt2", "gpt2_prefix_space", "llama3", "qwen2", "tekken",
                                         "steps", "empty_matches", "sentencepiece", "unknown",
                                         "nfc", "nfkd", "bytes"),
                         [](const auto& family) { return std::string(family.param); });

TEST(TokenizerTest, BytesThatAreNoUtf8ComeBackUnchanged) {
  const auto tokenizer = Load(GoldenPath("tekken.json"));
  ASSERT_NE(tokenizer, nullptr);
  std::string every_byte;
  for (int i = 255; i >= 0; --i) every_byte.push_back(static_cast<char>(i));
  for (const std::string& text : {std::string("good \xff\xfe bad \xc3"), every_byte,
                                  std::string("\xed\xa0\x80 \xf4\x90\x80\x80 \xc0\x80")}) {
    const auto tokens = tokenizer->Encode(text, Special::kAsText, false);
    EXPECT_EQ(tokenizer->Decode(tokens, false), text);
  }
}

TEST(TokenizerTest, TextThatSpellsASpecialTokenStaysText) {
  const auto tokenizer = Load(kBytesJson);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_THAT(tokenizer->Encode("</s>", Special::kParse, false), ElementsAre(2));
  EXPECT_THAT(tokenizer->Encode("</s>", Special::kAsText, false),
              ElementsAre(3 + '<', 3 + '/', 3 + 's', 3 + '>'));
}

TEST(TokenizerTest, KnowsItsSizeAndItsTokensByName) {
  const auto tokenizer = Load(kBytesJson);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->vocab_size(), 259);
  EXPECT_EQ(tokenizer->TokenId("<pad>"), 0);
  EXPECT_EQ(tokenizer->TokenId("</s>"), 2);
  EXPECT_EQ(tokenizer->TokenId("no such token"), -1);
}

TEST(TokenizerTest, IdsOfNoTokenDecodeToNothing) {
  const auto tokenizer = Load(kBytesJson);
  ASSERT_NE(tokenizer, nullptr);
  const std::vector<int32_t> tokens = {-1, 3 + 'a', 259, 271, INT32_MAX, 3 + 'b'};
  EXPECT_EQ(tokenizer->Decode(tokens, true), "ab");
}

TEST(TokenizerTest, LongTextWithoutBreaksMergesAsTheSamePiecesDo) {
  const auto tokenizer = Load(GoldenPath("gpt2.json"));
  ASSERT_NE(tokenizer, nullptr);
  // "the" repeated is one piece for the pre-tokenizer: the heap and the scan have to agree.
  std::string few, many;
  for (int i = 0; i < 20; ++i) few += "the";
  for (int i = 0; i < 20000; ++i) many += "the";
  const auto short_tokens = tokenizer->Encode(few, Special::kAsText, false);
  const auto long_tokens = tokenizer->Encode(many, Special::kAsText, false);
  EXPECT_EQ(long_tokens.size(), short_tokens.size() * 1000);
  EXPECT_EQ(tokenizer->Decode(long_tokens, false), many);
}

// With a pattern that went back for each space this would take hours.
TEST(TokenizerTest, LongWhiteSpaceComesBackUnchanged) {
  const auto tokenizer = Load(GoldenPath("llama3.json"));
  ASSERT_NE(tokenizer, nullptr);
  const std::string text = std::string(200000, ' ') + "x" + std::string(200000, '\n');
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text, Special::kParse, false), false), text);
}

// In O(n^2) the marks would take minutes.
TEST(TokenizerTest, ManyCombiningMarksAreOrdered) {
  const auto tokenizer = Load(GoldenPath("nfc.json"));
  ASSERT_NE(tokenizer, nullptr);
  const int count = 300'000;
  std::string mixed = "q", ordered = "q";
  for (int i = 0; i < count; ++i) mixed += "\u0307\u0323";
  for (int i = 0; i < count; ++i) ordered += "\u0323";
  for (int i = 0; i < count; ++i) ordered += "\u0307";
  const auto tokens = tokenizer->Encode(mixed, Special::kAsText, false);
  EXPECT_TRUE(tokenizer->Decode(tokens, false) == ordered);
}

// The byte tokenizer with one change.
template <class Change>
std::string Refusal(Change change) {
  Json json = Json::parse(FileBytes(kBytesJson));
  change(json);
  const auto tokenizer = Tokenizer::Parse(json.dump(), "t.json");
  return tokenizer.ok() ? "" : std::string(tokenizer.status().message());
}

TEST(TokenizerTest, AMissingByteIsNamed) {
  EXPECT_THAT(Refusal([](Json& json) { json["model"]["vocab"].erase("Ċ"); }),
              HasSubstr("t.json: model.vocab: no token for 1 of the 256 bytes (0x0a), expected a "
                        "byte-level vocabulary"));
  EXPECT_THAT(Refusal([](Json& json) {
                json["model"]["vocab"] = {{"<unk>", 300}, {"a", 305}};
              }),
              HasSubstr("no token for 255 of the 256 bytes (0x00 0x01"));
}

TEST(TokenizerTest, UnknownStepsAreRefusedWithTheirPath) {
  EXPECT_THAT(Refusal([](Json& json) {
                json["normalizer"] = {{"type", "Lowercase"}};
              }),
              HasSubstr("t.json: normalizer.type: found \"Lowercase\", expected NFC, NFD"));
  EXPECT_THAT(Refusal([](Json& json) {
                json["pre_tokenizer"] = {{"type", "Sequence"},
                                         {"pretokenizers", {{{"type", "Metaspace"}}}}};
              }),
              HasSubstr("t.json: pre_tokenizer.pretokenizers[0].type: found \"Metaspace\""));
  EXPECT_THAT(Refusal([](Json& json) { json["pre_tokenizer"] = nullptr; }),
              HasSubstr("t.json: model: found neither a ByteLevel pre_tokenizer nor"));
  EXPECT_THAT(Refusal([](Json& json) {
                json["post_processor"] = {{"type", "BertProcessing"}};
              }),
              HasSubstr("t.json: post_processor.type: found \"BertProcessing\""));
  EXPECT_THAT(Refusal([](Json& json) {
                json["decoder"] = {{"type", "Metaspace"}};
              }),
              HasSubstr("t.json: decoder"));
  EXPECT_THAT(Refusal([](Json& json) { json["model"]["type"] = "Unigram"; }),
              HasSubstr("t.json: model.type: found \"Unigram\", expected \"BPE\""));
  EXPECT_THAT(Refusal([](Json& json) { json["model"]["dropout"] = 0.1; }),
              HasSubstr("t.json: model.dropout: found 0.1"));
}

std::string PatternRefusal(const std::string& regex) {
  return Refusal([&regex](Json& json) {
    json["pre_tokenizer"] = {
        {"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}},
          {{"type", "ByteLevel"}, {"use_regex", false}, {"add_prefix_space", false}}}}};
  });
}

TEST(TokenizerTest, PatternsThatTheTwoEnginesReadDifferentlyAreRefused) {
  EXPECT_THAT(PatternRefusal("\\p{N}{1,3}"), IsEmpty());
  EXPECT_THAT(PatternRefusal("\\p{N}{1,3}+"), HasSubstr("a + after {...} is not supported"));
  EXPECT_THAT(PatternRefusal("(?m:a.b)"), HasSubstr("flags other than (?i)"));
  EXPECT_THAT(PatternRefusal("[a[bc]]"), HasSubstr("a character class inside another"));
  EXPECT_THAT(PatternRefusal("a\\Kb"), HasSubstr("\\K is not supported"));
  EXPECT_THAT(PatternRefusal("(a"), HasSubstr("t.json: pre_tokenizer.pretokenizers[0].pattern"));
}

TEST(TokenizerTest, BadVocabulariesAndMergesAreRefused) {
  EXPECT_THAT(Refusal([](Json& json) { json["model"]["vocab"]["a"] = -1; }),
              HasSubstr("t.json: model.vocab[\"a\"]: found -1, expected a token id"));
  EXPECT_THAT(Refusal([](Json& json) { json["model"]["vocab"]["a"] = "1"; }),
              HasSubstr("found \"1\", expected a token id"));
  EXPECT_THAT(Refusal([](Json& json) { json["model"]["vocab"]["a"] = 4000000000u; }),
              HasSubstr("found 4000000000, expected a token id below"));
  EXPECT_THAT(Refusal([](Json& json) { json["model"]["vocab"]["a"] = 5; }),
              HasSubstr("id 5 stands for more than one token"));
  EXPECT_THAT(Refusal([](Json& json) { json["model"]["merges"] = {"a b"}; }),
              HasSubstr("t.json: model.merges[0]: found \"a b\", expected two tokens of the "
                        "vocabulary that make a third one of it"));
  EXPECT_THAT(Refusal([](Json& json) { json["model"]["merges"] = {7}; }),
              HasSubstr("t.json: model.merges[0]: found 7"));
  EXPECT_THAT(Refusal([](Json& json) { json["added_tokens"][1]["id"] = nullptr; }),
              HasSubstr("t.json: added_tokens[1].id: found null, expected a token id"));
  EXPECT_THAT(Refusal([](Json& json) { json["added_tokens"][1]["special"] = "yes"; }),
              HasSubstr("t.json: added_tokens[1].special: found \"yes\", expected true or false"));
}

TEST(TokenizerTest, BothFormsOfMergesMeanTheSame) {
  for (const Json& merge : {Json("a b"), Json::array({"a", "b"})}) {
    Json json = Json::parse(FileBytes(kBytesJson));
    json["model"]["vocab"]["ab"] = 259;
    json["model"]["merges"] = Json::array({merge});
    const auto tokenizer = Tokenizer::Parse(json.dump(), "t.json");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    EXPECT_THAT((*tokenizer)->Encode("cab", Special::kParse, false), ElementsAre(3 + 'c', 259));
  }
}

TEST(TokenizerTest, SyntaxErrorsSayLineAndColumn) {
  const auto tokenizer = Tokenizer::Parse("{\n \"model\": }", "t.json");
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr("t.json:2:11: not valid JSON"));
}

std::string ParseRefusal(const std::string& json) {
  const auto tokenizer = Tokenizer::Parse(json, "t.json");
  return tokenizer.ok() ? "" : std::string(tokenizer.status().message());
}

TEST(TokenizerTest, NastyFilesAreRefusedInOneShortLine) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  const std::string bytes = FileBytes(kBytesJson);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "the text ends"},
      {"\"tokenizer\"", "expected an object"},
      {"{\"model\": " + deep + "}", "nested deeper than 64 levels"},
      {"{\"model\": {}, \"model\": {}}", "key \"model\" stands twice"},
      {std::string("{\"a\0b\": 1}", 10), "not valid JSON"},
      {"{\"a\": \"\xff\xfe\"}", "not valid JSON"},
      {"{\"a\": \"\\ud800\"}", "not valid JSON"},
      {"{\"a\": \"" + std::string(1 << 20, 'x'), "not valid JSON"},
      {"{\"model\": \"" + std::string(1 << 20, 'x') + "\"}", "expected a model of type BPE"},
      {bytes.substr(0, bytes.size() / 2), "not valid JSON"},
  };
  for (const auto& [json, words] : cases) {
    const std::string refusal = ParseRefusal(json);
    EXPECT_THAT(refusal, HasSubstr(words));
    EXPECT_LT(refusal.size(), 250u);
    EXPECT_EQ(refusal.find('\n'), std::string::npos);
  }
}

TEST(TokenizerTest, AFewBytesOfFileCannotAskForMuchMemory) {
  EXPECT_THAT(Refusal([](Json& json) { json["model"]["vocab"]["a"] = 4'000'000; }),
              HasSubstr("t.json: model.vocab[\"a\"]: found 4000000, expected a token id below"));
  EXPECT_THAT(
      Refusal([](Json& json) { json["added_tokens"][0]["content"] = std::string(2000, 'x'); }),
      HasSubstr("t.json: added_tokens[0].content"));
  EXPECT_THAT(Refusal([](Json& json) {
                Json steps = Json::array();
                for (int i = 0; i < 100; ++i) steps.push_back({{"type", "NFC"}});
                json["normalizer"] = {{"type", "Sequence"}, {"normalizers", steps}};
              }),
              HasSubstr("t.json: normalizer.normalizers: found 100 members, expected at most 64"));
}

TEST(TokenizerTest, WhatTextWouldLoseIsRefused) {
  EXPECT_THAT(Refusal([](Json& json) {
                json["pre_tokenizer"] = nullptr;
                json["model"]["unk_token"] = "no such token";
              }),
              HasSubstr("t.json: model.unk_token: found \"no such token\""));
  EXPECT_THAT(Refusal([](Json& json) {
                json["pre_tokenizer"] = nullptr;
                json["model"]["byte_fallback"] = true;
              }),
              HasSubstr("no token for 256 of the 256 bytes"));
  EXPECT_THAT(Refusal([](Json& json) {
                json["decoder"] = {{"type", "Sequence"},
                                   {"decoders", {{{"type", "Fuse"}}, {{"type", "ByteLevel"}}}}};
              }),
              HasSubstr("decoder.decoders[1].type: found \"ByteLevel\", expected only Fuse or"));
  EXPECT_THAT(Refusal([](Json& json) {
                json["normalizer"] = {
                    {"type", "Replace"}, {"pattern", {{"Regex", "(a)"}}}, {"content", "$1"}};
              }),
              HasSubstr("t.json: normalizer.content: found \"$1\""));
}

TEST(TokenizerTest, ACatastrophicPatternStillEncodesEverything) {
  Json json = Json::parse(FileBytes(kBytesJson));
  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Split"}, {"pattern", {{"Regex", "(?:a+)+b"}}}, {"behavior", "Isolated"}},
        {{"type", "ByteLevel"}, {"use_regex", false}, {"add_prefix_space", false}}}}};
  const auto tokenizer = Tokenizer::Parse(json.dump(), "t.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::string text(50'000, 'a');
  EXPECT_EQ((*tokenizer)->Decode((*tokenizer)->Encode(text, Special::kAsText, false), false), text);
}

}  // namespace
}  // namespace temper::model
