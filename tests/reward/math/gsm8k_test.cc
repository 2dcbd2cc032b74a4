// GSM8K: every gold answer against itself, its other spellings, and the next problem's answer.
//
// 200 answers; TEMPER_GSM8K names a whole file (gsm8k_test.jsonl).
#include <gmpxx.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "reward/math/compare.h"

namespace temper::reward::math {
namespace {

struct Gold {
  std::string solution;  // ends in "#### 1,234"
  std::string digits;    // 1234
};

std::vector<Gold> ReadGolds() {
  const char* whole = std::getenv("TEMPER_GSM8K");
  std::ifstream file(whole != nullptr ? whole : TEMPER_TEST_DATA "/math/gsm8k_golds.jsonl");
  std::vector<Gold> golds;
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object()) continue;
    Gold gold{json.at("answer"), ""};
    for (const char c : gold.solution.substr(gold.solution.rfind("####") + 4)) {
      if (c != ',' && c != ' ' && c != '\n' && c != '$') gold.digits += c;
    }
    golds.push_back(std::move(gold));
  }
  return golds;
}

std::string WithCommas(const std::string& digits) {
  const size_t sign = digits[0] == '-' ? 1 : 0;
  const size_t whole = std::min(digits.find('.'), digits.size());
  std::string out = digits;
  for (size_t at = whole; at > sign + 3; at -= 3) out.insert(at - 3, ",");
  return out;
}

TEST(Gsm8kTest, EveryGoldEqualsItsOtherSpellings) {
  const std::vector<Gold> golds = ReadGolds();
  ASSERT_GE(golds.size(), 200u);
  for (const Gold& gold : golds) {
    const std::string& n = gold.digits;
    const std::string commas = WithCommas(n);
    const bool whole = n.find('.') == std::string::npos;
    std::vector<std::string> spellings = {
        n,
        commas,
        gold.solution,
        "$" + commas,
        "\\$" + n,
        "$" + n + "$",
        "\\boxed{" + n + "}",
        "So it is $\\boxed{" + commas + "}$.",
        "The answer is " + n + ".",
        "#### " + commas,
        n + " dollars",
        n + "\\text{ cm}",
        n + " apples",
        n + "/1",
        "\\frac{" + n + "}{1}",
        "x = " + n,
    };
    if (whole) spellings.push_back(n + ".00");
    for (const std::string& spelling : spellings) {
      const Judgement judgement = CompareMath(gold.solution, spelling);
      EXPECT_EQ(judgement.verdict, kEqual)
          << gold.digits << " against " << spelling << ": " << judgement.reason;
    }
  }
}

TEST(Gsm8kTest, TheNextProblemsAnswerIsEqualOnlyWhereTheNumbersAre) {
  const std::vector<Gold> golds = ReadGolds();
  ASSERT_GE(golds.size(), 200u);
  int equal = 0;
  for (size_t i = 0; i < golds.size(); ++i) {
    const Gold& next = golds[(i + 1) % golds.size()];
    // All of them are whole numbers or short decimals.
    const bool same = std::stod(golds[i].digits) == std::stod(next.digits);
    const Judgement judgement = CompareMath(golds[i].solution, next.solution);
    EXPECT_EQ(judgement.verdict == kEqual, same)
        << golds[i].digits << " against " << next.digits << ": " << judgement.reason;
    equal += same ? 1 : 0;
  }
  std::printf("%zu golds, %d equal to their next\n", golds.size(), equal);
}

}  // namespace
}  // namespace temper::reward::math
