// A step redone from the ledger has the same bits, and a byte that was changed is found.
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/bounded_queue.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/ledger.h"
#include "orchestrator/replay/bundle.h"
#include "orchestrator/replay/replay_process.h"
#include "tests/end_to_end/program.h"

namespace temper::end_to_end {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ReplayTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new std::string(::testing::TempDir() + "/temper_replay_test");
    ASSERT_TRUE(RemoveAll(*folder_).ok());
    const std::string spec = WriteTinyJob(*folder_, R"("kl": 0.05, )");
    const Outcome outcome = Temper({"run", spec, "--dir", Dir("run"), "--set", "steps=5", "--set",
                                    "checkpoint.every=2", "--set", "checkpoint.keep=2"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  }
  static void TearDownTestSuite() { EXPECT_TRUE(RemoveAll(*folder_).ok()); }

  static std::string Dir(const std::string& name) { return *folder_ + "/" + name; }

  static Outcome Replay(const std::string& run, int step) {
    return Temper({"replay", Dir(run), "--step", absl::StrCat(step), "--json"});
  }

  // A copy of the run whose first trained sample of step 5 has another last token.
  static std::string CopyWithAnotherToken(const std::string& name, bool adapt_checksum) {
    std::filesystem::copy(Dir("run"), Dir(name), std::filesystem::copy_options::recursive);
    const auto ledger = orchestrator::Ledger::Open(Dir(name) + "/ledger.db");
    EXPECT_TRUE(ledger.ok()) << ledger.status();
    Database& database = (*ledger)->database();
    std::string prompt, tokens, logprobs, versions, forced, text;
    int64_t group = 0, number = 0;
    {
      auto rows = database.Query(
          "SELECT prompt_tokens, tokens, logprobs, versions, forced, text, s.group_id, s.number "
          "FROM episodes s JOIN batch_entries b ON b.group_id = s.group_id AND b.number = s.number "
          "WHERE b.step = 12 AND b.position = 0");
      EXPECT_TRUE(*rows->Next());
      prompt = rows->Bytes(0), tokens = rows->Bytes(1), logprobs = rows->Bytes(2);
      versions = rows->Bytes(3), forced = rows->Bytes(4), text = rows->Bytes(5);
      group = rows->Int(6), number = rows->Int(7);
    }
    tokens[tokens.size() - sizeof(int32_t)] ^= 1;
    EXPECT_TRUE(database
                    .Run("UPDATE episodes SET tokens = ? WHERE group_id = ? AND number = ?",
                         {Blob{tokens}, group, number})
                    .ok());
    if (adapt_checksum) {
      const std::string checksum =
          orchestrator::EpisodeChecksum({prompt, tokens, logprobs, versions, forced, text});
      EXPECT_TRUE(database
                      .Run("UPDATE episodes SET checksum = ? WHERE group_id = ? AND number = ?",
                           {Blob{checksum}, group, number})
                      .ok());
    }
    return absl::StrCat("group ", group, " sample ", number);
  }

  // Kept: versions 8 + 4 and 8 + 5. Everything before is made again from the model folder.
  static void ExpectEqual(int step, int from_version) {
    const Outcome outcome = Replay("run", step);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.output << outcome.errors;
    EXPECT_THAT(outcome.output, HasSubstr(absl::StrCat("\"step\":", step)));
    EXPECT_THAT(outcome.output, HasSubstr("\"equal\":true"));
    EXPECT_THAT(outcome.output, HasSubstr(absl::StrCat("\"from_version\":", from_version)));
    for (const char* name : {"tokens", "logprobs", "rewards", "advantages", "weights"}) {
      EXPECT_THAT(outcome.output, HasSubstr(absl::StrCat("\"name\":\"", name, "\"")));
    }
    EXPECT_THAT(outcome.output, Not(HasSubstr("\"compared\":0"))) << outcome.output;
  }

  static std::string* folder_;
};

std::string* ReplayTest::folder_;

TEST_F(ReplayTest, AStepAfterAKeptCheckpointIsTheSame) { ExpectEqual(5, 12); }
TEST_F(ReplayTest, AStepThatNoCheckpointLiesBeforeIsLedToFromTheBeginning) { ExpectEqual(2, 0); }

TEST_F(ReplayTest, AReplayLeavesNothingBehind) {
  ASSERT_EQ(Replay("run", 5).exit_code, 0);
  for (const auto& entry : std::filesystem::directory_iterator(Dir("run"))) {
    EXPECT_THAT(entry.path().filename().string(), Not(testing::StartsWith("replay")));
  }
  EXPECT_EQ(Temper({"audit", Dir("run")}).exit_code, 0);
}

TEST_F(ReplayTest, ATokenThatWasChangedBehindItsChecksumIsNamed) {
  const std::string place = CopyWithAnotherToken("forged", /*adapt_checksum=*/true);
  const Outcome outcome = Replay("forged", 5);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("\"equal\":false"));
  EXPECT_THAT(outcome.output, HasSubstr("\"differing\":1,\"first_difference\":\"" + place));
  // The update was made with another token; every other part of the step is as it was.
  EXPECT_THAT(outcome.output, HasSubstr("\"first_difference\":\"version 13: recorded digest"));
}

TEST_F(ReplayTest, ADamagedByteIsDataLoss) {
  const std::string place = CopyWithAnotherToken("damaged", /*adapt_checksum=*/false);
  const Outcome outcome = Replay("damaged", 5);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.output;
  EXPECT_EQ(outcome.output, "");
  EXPECT_THAT(outcome.errors, HasSubstr(place));
  EXPECT_THAT(outcome.errors, HasSubstr("differ from their checksum"));
}

TEST_F(ReplayTest, ADamagedCheckpointIsSaid) {
  std::filesystem::copy(Dir("run"), Dir("rotten"), std::filesystem::copy_options::recursive);
  const std::string path = Dir("rotten") + "/checkpoints/step-000012/model.safetensors";
  std::string bytes = *ReadFile(path);
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_TRUE(WriteFileAtomically(path, bytes).ok());
  const Outcome outcome = Replay("rotten", 5);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.output;
  EXPECT_THAT(outcome.errors, HasSubstr("model.safetensors: its digest is not the manifest's"));
}

// What a controller does: the bundle on its loop, the work in a child.
TEST_F(ReplayTest, TheChildOfAControllerReplaysABundle) {
  const std::string bundle = Dir("bundle");
  {
    const auto ledger = orchestrator::Ledger::Open(Dir("run") + "/ledger.db");
    ASSERT_TRUE(ledger.ok()) << ledger.status();
    const absl::Status written = orchestrator::WriteReplayBundle(
        **ledger, {.dir = Dir("run"), .folder = bundle, .step = 5, .warm_start_steps = 8});
    ASSERT_TRUE(written.ok()) << written;
  }
  BoundedQueue<v1::ReplayResponse> said(1000);
  BoundedQueue<absl::Status> ended(1);
  orchestrator::ReplayProcess process;
  const absl::Status started = process.Start(
      {.program = TEMPER_PROGRAM,
       .arguments = {"replay-bundle", bundle, "--model-dir", Dir("run") + "/model", "--step", "5"},
       .log_path = Dir("replay.log")},
      [&](const v1::ReplayResponse& response) { EXPECT_TRUE(said.TryPush(response)); },
      [&](const absl::Status& status) { EXPECT_TRUE(ended.TryPush(status)); });
  ASSERT_TRUE(started.ok()) << started;
  const auto end = ended.Pop(Wait::OrFail("the replay", absl::Minutes(2)));
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->ok()) << *end;
  v1::ReplayResponse last;
  bool progress = false;
  while (const auto response = said.TryPop()) {
    progress = progress || response->has_progress();
    last = *response;
  }
  EXPECT_TRUE(progress);
  EXPECT_TRUE(last.report().equal()) << last.DebugString();
  EXPECT_EQ(last.report().comparisons_size(), 5);
}

TEST_F(ReplayTest, AForksStepIsReplayedFromItsFirstCheckpoint) {
  ASSERT_EQ(Temper({"fork", Dir("run"), "--at", "4", "--name", "forked"}).exit_code, 0);
  ASSERT_EQ(Temper({"run", Dir("forked")}).exit_code, 0);
  const Outcome outcome = Replay("forked", 5);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("\"from_version\":12"));
  EXPECT_THAT(Replay("forked", 4).errors, HasSubstr("begins with step 5"));
}

TEST_F(ReplayTest, AStepThatWasNotMadeIsRefused) {
  const Outcome outcome = Temper({"replay", Dir("run"), "--step", "6"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.errors, HasSubstr("expected 1 to 5"));
}

}  // namespace
}  // namespace temper::end_to_end
