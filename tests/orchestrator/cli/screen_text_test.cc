// Text that a terminal can be trusted with.
#include "orchestrator/cli/screen_text.h"

#include "gtest/gtest.h"

namespace temper::cli {
namespace {

TEST(ScreenTextTest, EscapesWhatCouldMoveTheCursorOrHideText) {
  EXPECT_EQ(Printable("a\x1b[31mb\nc\td"), "a\\u{1B}[31mb\\nc\\td");
  EXPECT_EQ(Printable("a\r\x07\x7f"), "a\\u{D}\\u{7}\\u{7F}");
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "\\u{9B}31m");  // the one-byte CSI
  EXPECT_EQ(Printable("\xe2\x80\xae"
                      "evil"),
            "\\u{202E}evil");  // right-to-left override
  EXPECT_EQ(Printable("\xff"
                      "ok\xe6"),
            "\xef\xbf\xbdok\xef\xbf\xbd");
  EXPECT_EQ(Printable("naïve 日本 ½"), "naïve 日本 ½");
}

TEST(ScreenTextTest, MeasuresAndCutsByColumns) {
  EXPECT_EQ(Columns("日本a"), 5);
  EXPECT_EQ(Clip("日本a", 5), "日本a");
  EXPECT_EQ(Clip("日本ab", 5), "日本…");
  EXPECT_EQ(Clip("abc", 1), "…");
  EXPECT_EQ(Pad("日", 4), "日  ");
}

TEST(ScreenTextTest, SetsNumbersToTheRightAndPadsNothingAtTheEnd) {
  const std::vector<std::vector<std::string>> rows = {{"a", "1", "x"}, {"long", "100", ""}};
  EXPECT_EQ(Table({"name", ">n", "rest"}, rows),
            "name    n  rest\n"
            "a       1  x\n"
            "long  100\n");
}

TEST(ScreenTextTest, ReadsDurationsAsAPersonWould) {
  EXPECT_EQ(DurationText(0.44), "0.4 s");
  EXPECT_EQ(DurationText(42), "42 s");
  EXPECT_EQ(DurationText(185), "3 min 05 s");
  EXPECT_EQ(DurationText(7800), "2 h 10 min");
  EXPECT_EQ(DurationText(100 * 3600), "4 d 4 h");
}

TEST(ScreenTextTest, DrawsASparklineOfMeans) {
  EXPECT_EQ(Sparkline(std::vector<double>{0, 1}, 10), "▁█");
  EXPECT_EQ(Sparkline(std::vector<double>{0, 0, 1, 1}, 2), "▁█");
  EXPECT_EQ(Sparkline(std::vector<double>{2, 2, 2}, 10), "▁▁▁");
  EXPECT_EQ(Sparkline(std::vector<double>{2}, 10), "");
}

}  // namespace
}  // namespace temper::cli
