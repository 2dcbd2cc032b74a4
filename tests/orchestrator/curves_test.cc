// Curves drawn with text.
#include "orchestrator/curves.h"

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace temper::orchestrator {
namespace {

TEST(CurvesTest, ARisingLineStartsBelowAndEndsAbove) {
  const std::vector<double> values = {0, 1, 2, 3};
  const std::string text = DrawCurve("reward", values, {.columns = 8, .rows = 4});
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_EQ(lines[0], "reward");
  EXPECT_EQ(lines[1].substr(0, 11), "        3 |");
  EXPECT_EQ(lines[4].substr(0, 11), "        0 |");
  const std::string blank = "\u2800";
  EXPECT_EQ(lines[1].substr(11, 3), blank);          // top left: empty
  EXPECT_NE(lines[1].substr(11 + 7 * 3, 3), blank);  // top right: the last value
  EXPECT_NE(lines[4].substr(11, 3), blank);          // bottom left: the first value
}

TEST(CurvesTest, SaysWhenThereIsNothingToDraw) {
  const std::vector<double> one = {1.0};
  EXPECT_EQ(DrawCurve("reward", one), "reward: fewer than two steps, no curve\n");
}

TEST(CurvesTest, AFlatLineAndNotANumberAreDrawable) {
  const std::vector<double> values = {1, 1, std::nan(""), 1};
  EXPECT_NE(DrawCurve("flat", values).find("step"), std::string::npos);
}

}  // namespace
}  // namespace temper::orchestrator
