// Printed output is compared line by line, and numbers exactly.
#include "reward/code/output_match.h"

#include <string>

#include "gtest/gtest.h"

namespace temper::reward {
namespace {

TEST(OutputMatchTest, IgnoresBlankSpaceAtEnds) {
  EXPECT_TRUE(SameOutput("1 2\n3", " 1 2 \r\n 3\n\n"));
  EXPECT_TRUE(SameOutput("", "\n \n"));
  EXPECT_FALSE(SameOutput("1\n2", "1 2"));
  EXPECT_FALSE(SameOutput("1\n2", "1\n\n2"));
  EXPECT_FALSE(SameOutput("a  b", "a b"));
  EXPECT_FALSE(SameOutput("a", ""));
  EXPECT_FALSE(SameOutput("a", "a\nb"));
}

TEST(OutputMatchTest, ComparesNumbersExactly) {
  EXPECT_TRUE(SameOutput("1.50 2", "1.5   2.0"));
  EXPECT_TRUE(SameOutput("1000", "1e3"));
  EXPECT_TRUE(SameOutput("0", "-0.00"));
  EXPECT_TRUE(SameOutput("+007.10", "7.1"));
  EXPECT_TRUE(SameOutput("1e-999999", "10e-1000000"));
  EXPECT_FALSE(SameOutput("0.1", "0.1000000001"));
  EXPECT_FALSE(SameOutput("100000000000000000001", "100000000000000000000"));
  EXPECT_FALSE(SameOutput("1 2", "1 2 3"));
  EXPECT_FALSE(SameOutput("1,5", "1.5"));
  EXPECT_FALSE(SameOutput("1", "nan"));
  EXPECT_FALSE(SameOutput("1", "1e999"));
  EXPECT_FALSE(SameOutput("1", "0x1"));
  EXPECT_FALSE(SameOutput("5", "5 or 6"));
}

TEST(OutputMatchTest, KeepsBytes) {
  EXPECT_FALSE(SameOutput("ok", std::string("ok\0", 3)));
  EXPECT_FALSE(SameOutput("ok", "ok\xff"));
  EXPECT_TRUE(SameOutput("nan", "nan"));
}

}  // namespace
}  // namespace temper::reward
