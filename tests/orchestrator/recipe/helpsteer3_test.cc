// What becomes of a record, and what is said of one that is wrong.
#include "orchestrator/recipe/helpsteer3.h"

#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/recipe/helpsteer3_specs.h"
#include "tests/orchestrator/test_folder.h"

namespace temper::recipe {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const Turns kTurns{.feedback = "Judge.", .edit = "Comments:\n{feedback}\nEdit."};

Json Draft() {
  return {{"context", {{{"role", "user"}, {"content", "q"}}}},
          {"original_response", "draft"},
          {"feedback", {"a", "b", "c"}}};
}
Json Asked(const std::string& turn) {
  return {{{"role", "user"}, {"content", "q"}},
          {{"role", "assistant"}, {"content", "draft"}},
          {{"role", "user"}, {"content", turn}}};
}

TEST(HelpSteer3Test, AnEditComesInEveryOrderOfItsComments) {
  Json record = Draft();
  record["edited_response"] = "edit";
  const auto lines = EditLines(record, kTurns);
  ASSERT_TRUE(lines.ok()) << lines.status();
  ASSERT_EQ(lines->size(), 6u);
  EXPECT_EQ((*lines)[0]["messages"], Asked("Comments:\na\n\nb\n\nc\nEdit."));
  EXPECT_EQ((*lines)[5]["messages"], Asked("Comments:\nc\n\nb\n\na\nEdit."));
  std::set<std::string> different;
  for (const Json& line : *lines) {
    different.insert(line["messages"].dump());
    EXPECT_EQ(line["response"], "edit");
  }
  EXPECT_EQ(different.size(), 6u);
  record["feedback"] = {"a"};
  EXPECT_EQ(EditLines(record, kTurns)->size(), 1u);
  const auto prompts = EditPromptLines(Draft(), kTurns);
  ASSERT_TRUE(prompts.ok()) << prompts.status();
  EXPECT_EQ((*prompts)[0], (Json{{"messages", Asked("Comments:\na\n\nb\n\nc\nEdit.")}}));
}

TEST(HelpSteer3Test, APairLineHoldsBothKindsSoThatEveryBatchDoes) {
  Json record = Draft();
  record["good_edited_response"] = "good";
  record["bad_edited_response"] = "bad";
  auto lines = EditPairLines(record, kTurns);
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_EQ((*lines)[0]["messages"], Asked("Comments:\na\n\nb\n\nc\nEdit."));
  EXPECT_EQ((*lines)[0]["chosen"], "good");
  EXPECT_EQ((*lines)[0]["rejected"], (Json{"bad", "draft"}));
  record["bad_edited_response"] = "good";
  EXPECT_EQ((*EditPairLines(record, kTurns))[0]["rejected"], Json::array({"draft"}));
  record["original_response"] = "good";
  EXPECT_TRUE(EditPairLines(record, kTurns)->empty());
}

TEST(HelpSteer3Test, EachResponseIsJudgedByOneReviewerInTurnOrByAll) {
  const Json record = {{"context", {{{"role", "user"}, {"content", "q"}}}},
                       {"response1", "draft"},
                       {"response2", "other"},
                       {"feedback1", {"1a", "1b", "1c"}},
                       {"feedback2", {"2a", "2b", "2c"}}};
  std::set<std::string> seen;
  for (int64_t number = 0; number < 3; ++number) {
    const auto lines = FeedbackLines(record, kTurns, number, /*all=*/false);
    ASSERT_TRUE(lines.ok()) << lines.status();
    ASSERT_EQ(lines->size(), 2u);
    EXPECT_EQ((*lines)[0]["messages"], Asked("Judge."));
    EXPECT_EQ((*lines)[1]["messages"][1]["content"], "other");
    for (const Json& line : *lines) seen.insert(line["response"].get<std::string>());
  }
  EXPECT_EQ(seen.size(), 6u);
  EXPECT_EQ(FeedbackLines(record, kTurns, 0, /*all=*/true)->size(), 6u);
}

TEST(HelpSteer3Test, WhatIsWrongIsNamedWithItsKey) {
  const auto message = [](const Json& changes) {
    Json record = Draft();
    record["edited_response"] = "edit";
    for (const auto& [key, value] : changes.items()) {
      if (value.is_null()) {
        record.erase(key);
      } else {
        record[key] = value;
      }
    }
    const absl::Status status = EditLines(record, kTurns).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(message({{"edited_response", nullptr}}),
              AllOf(HasSubstr("lacks \"edited_response\" (a text)"), HasSubstr("\"feedback\"")));
  EXPECT_THAT(message({{"edited_response", 3}}),
              HasSubstr("\"edited_response\": found 3, expected a text"));
  EXPECT_THAT(message({{"feedback", "one"}}), HasSubstr("expected a list of 1 to 4 texts"));
  EXPECT_THAT(message({{"feedback", {1}}}), HasSubstr("\"feedback\": found [1]"));
  EXPECT_THAT(message({{"feedback", {"1", "2", "3", "4", "5"}}}), HasSubstr("1 to 4"));
  EXPECT_THAT(message({{"context", Json::array()}}), HasSubstr("\"context\": found []"));
  EXPECT_THAT(message({{"context", {{{"role", "assistant"}, {"content", "x"}}}}}),
              HasSubstr("the last of role \"user\""));
}

TEST(HelpSteer3Test, TablesAreFoundPackedOrNotAndLinesAreNamed) {
  orchestrator::TestFolder folder;
  const std::string data = TEMPER_TEST_DATA "/helpsteer3";
  const auto edit = FindTable(data, "edit", "train");
  ASSERT_TRUE(edit.ok()) << edit.status();
  EXPECT_THAT(*edit, HasSubstr("edit/train.jsonl.gz"));
  int64_t records = 0;
  EXPECT_EQ(ForEachRecord(*edit,
                          [&](const Json& record, int64_t number) {
                            EXPECT_EQ(number, records++);
                            return EditLines(record, kTurns).status();
                          }),
            absl::OkStatus());
  EXPECT_EQ(records, 6);
  const absl::Status missing = FindTable(data, "edit", "validation").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("edit/validation.jsonl.gz"));

  const std::string path = folder.Write("edit.jsonl", "{\"context\": []}\n\n{\"feedback\": 1}\n");
  EXPECT_EQ(*FindTable(Dirname(path), "edit", "train"), path);
  const auto refusal = [&](absl::Status second) {
    return std::string(ForEachRecord(path, [&](const Json&, int64_t number) {
                         return number == 0 ? absl::OkStatus() : second;
                       }).message());
  };
  EXPECT_EQ(refusal(absl::InvalidArgumentError("wrong")), absl::StrCat(path, ":3: wrong"));
  folder.Write("edit.jsonl", "{\"context\": [}\n");
  EXPECT_THAT(refusal(absl::OkStatus()), HasSubstr("edit.jsonl:1"));
  folder.Write("edit.jsonl", "\n");
  EXPECT_THAT(refusal(absl::OkStatus()), HasSubstr("holds no records"));
  folder.Write("edit.jsonl", "\x1f\x8b broken");
  EXPECT_THAT(refusal(absl::OkStatus()), HasSubstr("edit.jsonl: "));
}

TEST(HelpSteer3Test, TurnsAreReadAndTheirPlaceIsAskedFor) {
  const auto turns = ReadTurns(TEMPER_SOURCE_DIR "/examples/graphs/helpsteer3");
  ASSERT_TRUE(turns.ok()) << turns.status();
  EXPECT_THAT(turns->edit, HasSubstr("{feedback}"));
  EXPECT_FALSE(turns->feedback.ends_with('\n'));
  orchestrator::TestFolder folder;
  folder.Write("feedback_turn.txt", "Judge.\n");
  const std::string path = folder.Write("edit_turn.txt", "Edit.\n");
  EXPECT_THAT(std::string(ReadTurns(Dirname(path)).status().message()),
              HasSubstr("edit_turn.txt: has no \"{feedback}\""));
}

TEST(HelpSteer3Test, AStageTakesAnEpochAndBeginsWhereAnotherEnds) {
  const std::vector<Job> jobs = Helpsteer3Jobs({.model = "/m",
                                                .reward_model = "127.0.0.1:1",
                                                .batch = 10,
                                                .feedback = 81,
                                                .edits = 60,
                                                .pairs = 5,
                                                .held_out = 0,
                                                .prompts = 10});
  ASSERT_EQ(jobs.size(), 4u);
  EXPECT_EQ(jobs[0].spec.warm_start().steps(), 9);
  EXPECT_EQ(jobs[1].spec.warm_start().steps(), 6);
  EXPECT_EQ(jobs[2].spec.warm_start().objective(), "reward_model");
  EXPECT_FALSE(jobs[2].spec.warm_start().has_held_out());
  EXPECT_EQ(jobs[3].spec.model(), "runs/helpsteer3-edit-sft/checkpoints/step-000006");
  EXPECT_EQ(jobs[3].spec.algorithm(), "rloo");
  EXPECT_EQ(jobs[3].spec.steps(), 1);
  EXPECT_EQ(jobs[3].spec.rubric().parts(0).reward_model().rollout(), "127.0.0.1:1");
}

}  // namespace
}  // namespace temper::recipe
