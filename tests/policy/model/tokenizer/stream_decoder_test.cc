// Text as it grows: whole characters only, and in the end what decoding at once gives.
#include "policy/model/tokenizer/stream_decoder.h"

#include <gtest/gtest.h>

#include "base/utf8.h"
#include "nlohmann/json.hpp"

namespace temper::model {
namespace {

using Json = nlohmann::json;
using Special = Tokenizer::Special;

std::unique_ptr<Tokenizer> Read(const std::string& path) {
  auto tokenizer = Tokenizer::Read(path);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}
std::unique_ptr<Tokenizer> ReadGolden(const std::string& name) {
  return Read(std::string(TEMPER_TEST_DATA) + "/golden/tokenizer/" + name + ".json");
}
std::unique_ptr<Tokenizer> ReadBytes() {
  return Read(TEMPER_SOURCE_DIR "/examples/arithmetic/tokenizer.json");
}

// Everything that a stream gives; each part has to be valid by itself.
std::string Streamed(const Tokenizer& tokenizer, const std::vector<int32_t>& tokens, bool skip) {
  StreamDecoder decoder(tokenizer, skip);
  std::string text;
  for (const int32_t token : tokens) {
    const std::string part = decoder.Append(token);
    EXPECT_EQ(ValidUtf8Bytes(part), part.size());
    text += part;
  }
  return text + decoder.Finish();
}

TEST(StreamDecoderTest, HoldsACharacterUntilItIsWhole) {
  const auto tokenizer = ReadBytes();  // one token a byte
  ASSERT_NE(tokenizer, nullptr);
  const auto tokens = tokenizer->Encode("a€😀", Special::kAsText, false);
  StreamDecoder decoder(*tokenizer, false);
  std::vector<std::string> parts;
  for (const int32_t token : tokens) parts.push_back(decoder.Append(token));
  EXPECT_EQ(parts, (std::vector<std::string>{"a", "", "", "€", "", "", "", "😀"}));
  EXPECT_EQ(decoder.Finish(), "");
}

TEST(StreamDecoderTest, BrokenBytesBecomeReplacementCharacters) {
  const auto tokenizer = ReadBytes();
  ASSERT_NE(tokenizer, nullptr);
  for (const std::string& bytes :
       {std::string("a\xFF z"), std::string("\xE2\x82"), std::string("\xE2\x82\xE2\x82\xAC"),
        std::string("\xF0\x9F\x98 \xED\xA0\x80"), std::string("\x80\x80")}) {
    const auto tokens = tokenizer->Encode(bytes, Special::kAsText, false);
    EXPECT_EQ(Streamed(*tokenizer, tokens, false), ValidUtf8(bytes));
  }
}

TEST(StreamDecoderTest, SpecialTokensAreLeftOutOrShown) {
  const auto tokenizer = ReadBytes();
  ASSERT_NE(tokenizer, nullptr);
  const auto tokens = tokenizer->Encode("<s>hi</s>", Special::kParse, false);
  EXPECT_EQ(Streamed(*tokenizer, tokens, true), "hi");
  EXPECT_EQ(Streamed(*tokenizer, tokens, false), "<s>hi</s>");
}

TEST(StreamDecoderTest, TheLeadingSpaceOfSentencePieceGoesOnce) {
  const auto tokenizer = ReadGolden("sentencepiece");
  ASSERT_NE(tokenizer, nullptr);
  for (const std::string text : {"The dog", "  two", "", "日本 ☃ end ", " "}) {
    const auto tokens = tokenizer->Encode(text, Special::kAsText, false);
    EXPECT_EQ(tokenizer->Decode(tokens, true), text);
    EXPECT_EQ(Streamed(*tokenizer, tokens, true), text);
  }
}

TEST(StreamDecoderTest, WhatTheEndMayLoseIsHeldBack) {
  const auto base = ReadBytes();
  ASSERT_NE(base, nullptr);
  // The byte tokenizer, with up to two x stripped at the start and one at the end.
  Json vocab;
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    vocab[name] = byte;
  }
  const Json json = {
      {"model",
       {{"type", "BPE"}, {"byte_fallback", true}, {"vocab", vocab}, {"merges", Json::array()}}},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders",
         {{{"type", "ByteFallback"}},
          {{"type", "Fuse"}},
          {{"type", "Strip"}, {"content", "x"}, {"start", 2}, {"stop", 1}}}}}}};
  const auto tokenizer = Tokenizer::Parse(json.dump(), "t.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  for (const auto& [text, stripped] :
       std::vector<std::pair<std::string, std::string>>{{"xabx", "ab"},
                                                        {"xxxabxx", "xabx"},
                                                        {"axbx€", "axbx€"},
                                                        {"xx", ""},
                                                        {"xxx", ""},
                                                        {"xxxx", "x"},
                                                        {"abx\xE2", "abx\xE2"}}) {
    const auto tokens = (*tokenizer)->Encode(text, Special::kAsText, false);
    EXPECT_EQ((*tokenizer)->Decode(tokens, true), stripped);
    EXPECT_EQ(Streamed(**tokenizer, tokens, true), ValidUtf8(stripped));
  }
}

}  // namespace
}  // namespace temper::model
