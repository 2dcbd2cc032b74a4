// What an evaluation keeps survives kills, and serves no other evaluation.
#include "orchestrator/eval/sample_store.h"

#include <filesystem>

#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::eval {
namespace {

using json = nlohmann::ordered_json;
using ::testing::HasSubstr;

const json kSettings = {{"tasks_digest", "ab"}, {"max_tokens", 512}};

class SampleStoreTest : public ::testing::Test {
 protected:
  SampleStoreTest() : folder_(::testing::TempDir() + "/sample_store_test") {
    std::filesystem::remove_all(folder_);
  }
  absl::StatusOr<std::unique_ptr<SampleStore>> Open(const json& settings = kSettings) {
    return SampleStore::Open(folder_, settings, "{}\n");
  }
  std::string path() const { return folder_ + "/samples.jsonl"; }

  const std::string folder_;
};

Sample Full() {
  return {.task = "t \"1\"",
          .index = 3,
          .response = "line\nline \xf0\x9f\x99\x82",
          .reasoning = "hm",
          .finish_reason = "length",
          .tokens = 17,
          .score = 0.25,
          .verdict = "not_equal",
          .reason = "another number",
          .details_json = R"({"followed":[true,false]})",
          .loose_json = R"({"followed":[true,true]})",
          .answer = "4"};
}

TEST_F(SampleStoreTest, GivesBackWhatItWasGiven) {
  const Sample failed = {.task = "t2", .internal_error = "HTTP 500"};
  {
    auto store = Open();
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_TRUE((*store)->TakeFound().empty());
    ASSERT_TRUE((*store)->Append(Full()).ok());
    ASSERT_TRUE((*store)->Append(failed).ok());
  }
  auto store = Open();
  ASSERT_TRUE(store.ok()) << store.status();
  const std::vector<Sample> found = (*store)->TakeFound();
  ASSERT_EQ(found.size(), 2);
  EXPECT_EQ(ToLine(found[0]), ToLine(Full()));
  EXPECT_EQ(found[0].response, Full().response);
  EXPECT_EQ(found[0].answer, "4");
  EXPECT_FALSE(found[1].done());
}

TEST_F(SampleStoreTest, DropsATornLastLineAndGoesOnAfterIt) {
  {
    auto store = Open();
    ASSERT_TRUE((*store)->Append(Full()).ok());
  }
  const std::string before = *ReadFile(path());
  ASSERT_TRUE(WriteFileAtomically(path(), before + before.substr(0, 20)).ok());
  {
    auto store = Open();
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ((*store)->TakeFound().size(), 1);
    ASSERT_TRUE((*store)->Append({.task = "t2", .score = 1}).ok());
  }
  EXPECT_EQ((*Open())->TakeFound().size(), 2);
}

TEST_F(SampleStoreTest, LetsALaterScoreStandForAFailure) {
  {
    auto store = Open();
    ASSERT_TRUE((*store)->Append({.task = "t", .internal_error = "lost"}).ok());
    ASSERT_TRUE((*store)->Append({.task = "t", .score = 1}).ok());
  }
  auto store = Open();
  const std::vector<Sample> found = (*store)->TakeFound();
  ASSERT_EQ(found.size(), 1);
  EXPECT_EQ(found[0].score, 1);
}

TEST_F(SampleStoreTest, RefusesOtherSettings) {
  ASSERT_TRUE(Open().ok());
  json other = kSettings;
  other["max_tokens"] = 256;
  absl::Status status = Open(other).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("settings.json: \"max_tokens\" was 512 and is now 256"));
  json more = kSettings;
  more["stop"] = "x";
  EXPECT_THAT(std::string(Open(more).status().message()), HasSubstr("\"stop\" was null"));
  EXPECT_TRUE(Open().ok());
}

TEST_F(SampleStoreTest, IsOfOneProcessAtATime) {
  auto first = Open();
  ASSERT_TRUE(first.ok());
  const absl::Status second = Open().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second));
  EXPECT_THAT(std::string(second.message()), HasSubstr("another `temper eval`"));
}

TEST_F(SampleStoreTest, RefusesDamagedLinesByNumber) {
  ASSERT_TRUE(Open().ok());
  for (const char* line :
       {"", "{", "[]", "{}", R"({"task": "t", "sample": -1, "tokens": 0, "score": 1})",
        R"({"task": "t", "sample": 0, "tokens": 0, "score": "1"})",
        R"({"task": "t", "sample": 0, "tokens": 0})"}) {
    const std::string good = R"({"task": "g", "sample": 0, "tokens": 0, "score": 1})";
    ASSERT_TRUE(WriteFileAtomically(path(), good + "\n" + line + "\n").ok());
    const absl::Status status = Open().status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << line;
    EXPECT_THAT(std::string(status.message()), HasSubstr("samples.jsonl:2:"));
  }
}

TEST_F(SampleStoreTest, LeavesFoldersOfOthersAlone) {
  ASSERT_TRUE(MakeDirectories(folder_).ok());
  ASSERT_TRUE(WriteFileAtomically(path(), "precious\n").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Open().status()));
  EXPECT_EQ(*ReadFile(path()), "precious\n");
}

}  // namespace
}  // namespace temper::eval
