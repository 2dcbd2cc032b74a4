// Cases gathered from public test suites, and our own.
#include "reward/math/compare.h"

#include <gtest/gtest.h>

#include "tests/reward/math/case_file.h"

namespace temper::reward::math {
namespace {

// Every case that depends on no policy; a failure prints the line and what was said.
void CheckCases(const std::string& name, size_t least) {
  const std::vector<Case> cases = ReadCases(std::string(TEMPER_TEST_DATA) + "/math/" + name);
  ASSERT_GE(cases.size(), least) << name;
  for (const Case& one : cases) {
    const Judgement judgement = CompareMath(one.gold, one.answer);
    if (!one.note.empty()) {
      std::printf("policy, line %d: %s (label %s; %s): %s\n", one.line, judgement.verdict.c_str(),
                  one.equal ? "equal" : "not equal", one.note.c_str(), judgement.reason.c_str());
      continue;
    }
    EXPECT_EQ(judgement.verdict == kEqual, one.equal)
        << name << ":" << one.line << ": gold " << one.gold << " answer " << one.answer << ": "
        << judgement.verdict << ", " << judgement.reason << " (" << one.source << ")";
  }
}

TEST(CompareTest, AgreesWithTheCasesOfPublicSuites) { CheckCases("cases.jsonl", 176); }

TEST(CompareTest, AgreesWithOurOwnCases) { CheckCases("own_cases.jsonl", 780); }

}  // namespace
}  // namespace temper::reward::math
