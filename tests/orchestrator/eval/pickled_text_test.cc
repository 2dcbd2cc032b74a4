// One string out of a pickle, and nothing else.
#include "orchestrator/eval/pickled_text.h"

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"

namespace temper::eval {
namespace {

// pickle.dumps(text, protocol), by Python 3.11.
TEST(PickledTextTest, ReadsWhatPythonWrites) {
  using namespace std::string_literals;
  const std::string long_text(300, 'a'), huge(70000, 'b');
  EXPECT_EQ(*ReadPickledText("\x80\x02X\x05\0\0\0aaaaaq\0."s), "aaaaa");
  EXPECT_EQ(*ReadPickledText("\x80\x03X\0\0\0\0q\0."s), "");
  EXPECT_EQ(*ReadPickledText("\x80\x04\x95\x09\0\0\0\0\0\0\0\x8c\x05"s + "aaaaa\x94."), "aaaaa");
  EXPECT_EQ(
      *ReadPickledText("\x80\x05\x95\x33\x01\0\0\0\0\0\0X\x2c\x01\0\0"s + long_text + "\x94."),
      long_text);
  EXPECT_EQ(*ReadPickledText("\x80\x04X\x70\x11\x01\0"s + huge + "\x94."), huge) << "no frame";
  EXPECT_EQ(*ReadPickledText("\x80\x04\x8d\x02\0\0\0\0\0\0\0\xc3\xa9."s), "\xc3\xa9");
}

TEST(PickledTextTest, RefusesEverythingElse) {
  using namespace std::string_literals;
  for (const std::string& pickle : {
           ""s,
           "\x80"s,
           "\x80\x04"s,
           "\x80\x04."s,
           "\x80\x01X\x01\0\0\0a."s,                     // another protocol
           "S'a'\n."s,                                   // protocol 0
           "cos\nsystem\n(S'id'\ntR."s,                  // a call
           "\x80\x04\x8c\x05posix\x8c\x06system\x93."s,  // an import
           "\x80\x04\x8c\x01"
           "a\x8c\x01"
           "b."s,              // two strings
           "\x80\x04]\x94."s,  // a list
           "\x80\x04K\x01."s,  // a number
           "\x80\x04"
           "C\x01"
           "a."s,  // bytes
           "\x80\x04\x8c\x05"
           "aaa\x94."s,  // longer than there is
           "\x80\x04X\xff\xff\xff\xff"
           "a."s,
           "\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
           "a."s,
           "\x80\x04\x8c\x01"
           "a"s,  // no end
           "\x80\x04\x8c\x01"
           "a.."s,  // something after it
           "\x80\x04\x8c\x01"
           "a\x94\x94."s,
           "\x80\x04\x8c\x01"
           "aR."s,  // REDUCE
           "\x80\x04\x95\x07\0\0\0\0\0\0\0\x8c\x01"
           "a\x94."s,                 // another frame
           "\x80\x04\x8c\x01\xff."s,  // no UTF-8
           "\x80\x02X\x01\0\0\0aq"s,  // cut off
       }) {
    EXPECT_TRUE(absl::IsInvalidArgument(ReadPickledText(pickle).status())) << absl::CEscape(pickle);
  }
}

}  // namespace
}  // namespace temper::eval
