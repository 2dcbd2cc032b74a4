// Code, mathematics and addresses are no language; hostile openings cost no time.
#include "reward/language/prose.h"

#include <string>

#include "gtest/gtest.h"
#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

std::string Prose8(std::string_view text) { return Encoded(Prose(Decoded(text))); }

TEST(ProseTest, LeavesOutCodeAndMathematics) {
  EXPECT_EQ(Prose8("a ```py\nx = 1\n``` b"), "a   b");
  EXPECT_EQ(Prose8("a ``` b c"), "a `  b c");
  EXPECT_EQ(Prose8("a `x` b"), "a   b");
  EXPECT_EQ(Prose8("a $x^2$ b $$y\nz$$ c"), "a   b   c");
  EXPECT_EQ(Prose8("a \\(x\\) b \\[y\\] c"), "a   b   c");
  EXPECT_EQ(Prose8("so \\boxed{yes {no}} b"), "so   b");
  EXPECT_EQ(Prose8("\\alpha b"), "  b");
  EXPECT_EQ(Prose8("see https://a.b/c d"), "see https  d");
  EXPECT_EQ(Prose8("a <b>c</b> 1 < 2"), "a  c  1 < 2");
}

TEST(ProseTest, KeepsWhatOnlyLooksLikeIt) {
  EXPECT_EQ(Prose8("from $5 to $6 and on"), "from $5 to $6 and on");
  EXPECT_EQ(Prose8("a ` b\nc ` d"), "a ` b\nc ` d");
  EXPECT_EQ(Prose8("a \\( b"), "a \\( b");
  EXPECT_EQ(Prose8("a $$ b"), "a $$ b");
}

TEST(ProseTest, StaysLinearOnOpeningsThatNeverEnd) {
  for (const char* open : {"\\(", "\\[", "$$ ", "`", "$x", "\\boxed{", "<a", "://", "{"}) {
    std::string text;
    for (int i = 0; i < 200000; ++i) text += open;
    EXPECT_LE(Prose8(text).size(), text.size()) << open;
  }
}

}  // namespace
}  // namespace temper::reward
