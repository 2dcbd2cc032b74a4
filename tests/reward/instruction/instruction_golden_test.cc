// The verdicts of the published checkers of IFEval and IFBench, row by row
// (tests/golden/make_instruction_golden.py).
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "reward/instruction/instruction_verifier.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

using nlohmann::json;

bool Follows(const char* mode, const json& row) {
  temper::v1::InstructionOptions options;
  options.set_mode(mode);
  const std::string metadata =
      json{{"instruction_id_list", {row["id"]}}, {"kwargs", {row["kwargs"]}}}.dump();
  const std::string response = row["response"].get<std::string>();
  const auto verifier = InstructionVerifier::Create(options);
  const auto judgement = (*verifier)->Judge({.text = response, .metadata = metadata});
  EXPECT_TRUE(judgement.ok()) << judgement.status() << row;
  return judgement.ok() && judgement->score == 1;
}

void CheckFile(const std::string& name, size_t ids, size_t rows) {
  const auto file = ReadFile(absl::StrCat(TEMPER_TEST_DATA, "/golden/instruction/", name));
  ASSERT_TRUE(file.ok()) << file.status();
  std::map<std::string, int> seen;
  size_t count = 0;
  for (const auto line : absl::StrSplit(*file, '\n', absl::SkipEmpty())) {
    const json row = json::parse(line.begin(), line.end(), nullptr, false);
    ASSERT_TRUE(row.is_object()) << std::string(line);
    EXPECT_EQ(Follows("strict", row), row["strict"].get<bool>()) << "strict: " << row;
    EXPECT_EQ(Follows("loose", row), row["loose"].get<bool>()) << "loose: " << row;
    ++seen[row["id"].get<std::string>()];
    ++count;
  }
  EXPECT_EQ(seen.size(), ids);
  EXPECT_EQ(count, rows);
}

// Three instructions depend on the identification of languages, which is not compared.
TEST(InstructionGoldenTest, JudgesIfevalAsPublished) { CheckFile("ifeval.jsonl", 22, 22 * 16); }

TEST(InstructionGoldenTest, JudgesIfbenchAsPublished) { CheckFile("ifbench.jsonl", 57, 57 * 16); }

}  // namespace
}  // namespace temper::reward
