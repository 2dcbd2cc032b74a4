// Random expressions against SymPy (sympy_oracle.py): no proven verdict may differ.
//
// 1,000 pairs; TEMPER_SYMPY_PAIRS=10000 asks for more, TEMPER_SYMPY_PYTHON for another python3.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "reward/math/compare.h"
#include "tests/reward/math/case_file.h"

namespace temper::reward::math {
namespace {

std::string Environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

TEST(SympyOracleTest, NoProvenVerdictDiffers) {
  const std::string python = Environment("TEMPER_SYMPY_PYTHON", "python3");
  const int pairs = std::atoi(Environment("TEMPER_SYMPY_PAIRS", "1000").c_str());
  if (std::system((python + " -c 'import sympy' 2>/dev/null").c_str()) != 0) {
    GTEST_SKIP() << "python3-sympy is not installed: nothing to compare with";
  }
  const std::string path = ::testing::TempDir() + "sympy_pairs_" + std::to_string(::getpid());
  const std::string command = python +
                              " " TEMPER_SOURCE_DIR "/tests/reward/math/sympy_oracle.py 20260801 " +
                              std::to_string(pairs) + " > " + path;
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  const std::vector<Case> cases = ReadCases(path);
  std::filesystem::remove(path);
  ASSERT_EQ(cases.size(), static_cast<size_t>(pairs));
  int proven = 0;
  int undecided = 0;
  int unproven_wrong = 0;
  for (const Case& one : cases) {
    const Judgement judgement = CompareMath(one.gold, one.answer);
    const std::string both = one.gold + "  against  " + one.answer + ": " + judgement.reason;
    if (judgement.verdict == kUndecided) {
      ++undecided;
      std::printf("undecided: %s\n", both.c_str());
      continue;
    }
    const bool agrees = (judgement.verdict == kEqual) == one.equal;
    if (judgement.details.empty()) {
      unproven_wrong += agrees ? 0 : 1;
      EXPECT_TRUE(agrees) << "unproven: " << both;
    } else {
      ++proven;
      EXPECT_TRUE(agrees) << "proven: " << both;
    }
  }
  std::printf("%d pairs: %d proven, %d undecided, %d unproven and wrong\n", pairs, proven,
              undecided, unproven_wrong);
  EXPECT_LE(undecided, pairs / 100);
}

}  // namespace
}  // namespace temper::reward::math
