// Text that a model made becomes text that protobuf and JSON accept.
#include "base/utf8.h"

#include <gtest/gtest.h>

namespace temper {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";

TEST(Utf8Test, LeavesGoodTextAlone) {
  for (const std::string text : {"", "plain", "caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) {
    EXPECT_EQ(ValidUtf8(text), text);
  }
}

TEST(Utf8Test, ReplacesWhatIsNoCharacter) {
  const std::string r = kReplacement;
  EXPECT_EQ(ValidUtf8("a\xFFz"), "a" + r + "z");
  EXPECT_EQ(ValidUtf8("\x80"), r);
  EXPECT_EQ(ValidUtf8("\xC3("), r + "(");
  EXPECT_EQ(ValidUtf8("\xE2\x82"), r) << "ends in the middle of one";
  EXPECT_EQ(ValidUtf8("\xC0\xAF"), r + r) << "overlong";
  EXPECT_EQ(ValidUtf8("\xED\xA0\x80"), r + r + r) << "surrogate";
  EXPECT_EQ(ValidUtf8("\xF5\x80"), r + r) << "beyond U+10FFFF";
  EXPECT_EQ(ValidUtf8("\xE2\x82\xE2\x82\xAC"), r + "\xE2\x82\xAC");
}

TEST(Utf8Test, SeesACharacterThatIsNotWholeYet) {
  EXPECT_EQ(OpenUtf8Bytes(""), 0u);
  EXPECT_EQ(OpenUtf8Bytes("abc"), 0u);
  EXPECT_EQ(OpenUtf8Bytes("ab\xC3"), 1u);
  EXPECT_EQ(OpenUtf8Bytes("ab\xE2\x82"), 2u);
  EXPECT_EQ(OpenUtf8Bytes("\xF0\x9F\x98"), 3u);
  EXPECT_EQ(OpenUtf8Bytes("\xE2\x82\xAC"), 0u);
  EXPECT_EQ(OpenUtf8Bytes("\xC3\xFF"), 0u);
}

TEST(Utf8Test, MeasuresWhatIsValid) {
  EXPECT_EQ(FirstCharacterBytes(""), 0u);
  EXPECT_EQ(FirstCharacterBytes("ab"), 1u);
  EXPECT_EQ(FirstCharacterBytes("\xE2\x82\xAC!"), 3u);
  EXPECT_EQ(FirstCharacterBytes("\xE2\x82"), 0u);
  EXPECT_EQ(FirstCharacterBytes("\xFF"), 0u);
  // Around the edges of the words that ASCII is read by.
  for (size_t ascii = 0; ascii < 20; ++ascii) {
    const std::string text = std::string(ascii, 'a') + "\xC3\xA9";
    EXPECT_EQ(ValidUtf8Bytes(text), ascii + 2);
    EXPECT_EQ(ValidUtf8Bytes(text + "\x80 more"), ascii + 2);
    EXPECT_EQ(ValidUtf8Bytes(text.substr(0, ascii + 1)), ascii);
  }
}

}  // namespace
}  // namespace temper
