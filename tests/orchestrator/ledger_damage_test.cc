// A ledger that was damaged on the disk is refused with a reason, or reads exactly as before.
// TEMPER_DAMAGE_STRIDE: tries every so manieth byte; 1 for all.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/checked_pages.h"
#include "base/file.h"
#include "base/json_config.h"
#include "base/status_macros.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/audit.h"
#include "tests/orchestrator/recorded_run.h"
#include "tests/orchestrator/test_folder.h"

namespace temper::orchestrator {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A finished step, an open one, and a row of every kind.
void Record(const std::string& path) {
  auto ledger = *Ledger::Open(path);
  ASSERT_TRUE(ledger->SetIdentity({"{\"name\": \"x\"}", {}, "d", "e", "w"}).ok());
  ASSERT_TRUE(ledger->Commit(WritesUpTo(SampleState::kTrained), {NoteEvent(1, "a")}).ok());
  auto long_episode = SmallEpisode(2, 0);
  long_episode->set_versions(0, 1);
  long_episode->set_text(std::string(9000, 'x'));  // spills into pages of its own
  RecordEvaluation evaluation;
  evaluation.result.set_version(1);
  RecordAlteration alteration{.from_version = 1};
  alteration.alteration.set_kl(0.5);
  RecordSpan span{.version = 1};
  span.span.set_worker("rollout-0");
  ASSERT_TRUE(ledger
                  ->Commit({SmallGroup(2, 1), LeaseSamples{2, {0, 1}, 2, "rollout-0"},
                            RecordEpisode{2, long_episode}, RecordScore{2, 0, SmallScore(0.25)},
                            evaluation, alteration, span, RecordCheckpoint{1, "/c", "sha", true},
                            RecordState{v1::RUN_STATE_RUNNING, "why", ""}, RecordLate{2},
                            RecordQuarantine{"p", "bad"}, RecordRequest{"id", "digest", "answer"}},
                           {NoteEvent(2, "b")})
                  .ok());
}

void Describe(const RecoveredRun& run, std::string& all) {
  absl::StrAppend(&all, "\n", run.version, " ", run.lease_epoch, " ", run.sequence, " ",
                  static_cast<int>(run.state), " ", run.reason, " ", run.model_dir, " ",
                  run.batch_fixed, " ", run.skipped_in_a_row, " ", ToJson(run.last));
  for (const RecoveredGroup& group : run.groups) {
    absl::StrAppend(&all, "\n", ToJson(group.group), group.evaluation);
    for (const RecoveredSample& sample : group.samples) {
      absl::StrAppend(&all, "\n", static_cast<int>(sample.state), " ", sample.number, " ",
                      sample.score, " ", sample.tokens, " ", sample.entropy_sum, " ", sample.text,
                      " ", static_cast<int>(sample.finish));
    }
  }
  for (const int64_t version : run.evaluated) absl::StrAppend(&all, "\nevaluated ", version);
  for (const auto& [version, digest] : run.weights_digests) {
    absl::StrAppend(&all, "\n", version, " ", digest);
  }
  for (const auto& [version, kept] : run.checkpoints) {
    absl::StrAppend(&all, "\n", version, " ", kept.path, " ", kept.sha256, " ", kept.pinned);
  }
  for (const RecoveredAlteration& one : run.alterations) {
    absl::StrAppend(&all, "\n", one.from_version, " ", ToJson(one.alteration));
  }
  for (const auto& [prompt, reason] : run.quarantined) {
    absl::StrAppend(&all, "\n", prompt, " ", reason);
  }
}

template <class Messages>
void DescribeAll(const Messages& messages, std::string& all) {
  for (const auto& message : messages) absl::StrAppend(&all, "\n", ToJson(message));
}

// Everything that the program reads out of a ledger, as text; or why it is refused.
absl::StatusOr<std::string> ReadAll(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const auto ledger, Ledger::Open(path));
  TEMPER_ASSIGN_OR_RETURN(const LedgerIdentity identity, ledger->Identity());
  std::string all = absl::StrCat(identity.spec_json, identity.dataset_digest,
                                 identity.evaluation_digest, identity.warm_start_digest);
  TEMPER_ASSIGN_OR_RETURN(const RecoveredRun run, ledger->Recover());
  Describe(run, all);
  TEMPER_ASSIGN_OR_RETURN(const v1::TrainRequest request, ledger->ReadTrainRequest(0));
  absl::StrAppend(&all, "\n", ToJson(request));
  TEMPER_ASSIGN_OR_RETURN(const auto events, ledger->ReadEvents(0, 100));
  DescribeAll(events, all);
  TEMPER_ASSIGN_OR_RETURN(const auto steps, ledger->ReadSteps());
  DescribeAll(steps, all);
  TEMPER_ASSIGN_OR_RETURN(const auto spans, ledger->ReadSpans(1));
  DescribeAll(spans, all);
  TEMPER_ASSIGN_OR_RETURN(const auto answer, ledger->FindRequest("id", "digest"));
  absl::StrAppend(&all, "\n", answer.value_or("none"));
  TEMPER_ASSIGN_OR_RETURN(const AuditReport report, Audit(*ledger));
  for (const std::string& violation : report.violations) {
    return absl::DataLossError(absl::StrCat(path, ": ", violation));
  }
  absl::StrAppend(&all, "\n", report.groups, " ", report.steps, " ", report.leases, " ",
                  report.late, " ", report.events, " ", report.state);
  for (const auto& [state, count] : report.samples) absl::StrAppend(&all, " ", state, count);
  return all;
}

// Read only, as `temper audit` and `temper metrics` do.
absl::Status ReadOnly(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const auto ledger, Ledger::OpenReadOnly(path));
  TEMPER_RETURN_IF_ERROR(ledger->ReadSteps().status());
  return Audit(*ledger).status();
}

class LedgerDamageTest : public testing::Test {
 protected:
  void SetUp() override {
    Record(path_);
    const auto bytes = ReadFile(path_);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    bytes_ = *bytes;
    const auto whole = ReadAll(path_);
    ASSERT_TRUE(whole.ok()) << whole.status();
    whole_ = *whole;
  }

  void Put(size_t at, char byte) const {
    const int fd = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_EQ(pwrite(fd, &byte, 1, static_cast<off_t>(at)), 1);
    close(fd);
  }

  // True when it was refused.
  bool RefusedOrWhole(const std::string& what) {
    const auto read = ReadAll(path_);
    if (read.ok()) {
      EXPECT_TRUE(*read == whole_) << what << " reads as\n" << *read;
      return false;
    }
    EXPECT_TRUE(absl::IsDataLoss(read.status()) || absl::IsFailedPrecondition(read.status()))
        << what << ": " << read.status();
    EXPECT_THAT(std::string(read.status().message()), StartsWith(path_)) << what;
    return true;
  }

  TestFolder folder_;
  const std::string path_ = folder_.Path("ledger.db");
  std::string bytes_, whole_;
};

TEST_F(LedgerDamageTest, AFlippedBitIsRefusedOrChangesNothing) {
  const char* const wish = std::getenv("TEMPER_DAMAGE_STRIDE");
  const size_t stride = wish == nullptr ? 61 : static_cast<size_t>(std::atoi(wish));
  int tried = 0, refused = 0;
  // All of SQLite's header, which is read in pieces; then bits by turns.
  for (size_t at = 0; at < bytes_.size(); at += at < 100 ? 1 : stride) {
    const int bit = tried++ % 8;
    Put(at, static_cast<char>(bytes_[at] ^ (1 << bit)));
    refused += RefusedOrWhole(absl::StrCat("byte ", at, " bit ", bit)) ? 1 : 0;
    Put(at, bytes_[at]);
    if (HasFailure()) return;
  }
  EXPECT_EQ(*ReadAll(path_), whole_);
  // The pages that nothing uses are few.
  EXPECT_GT(refused, tried * 9 / 10) << tried;
}

TEST_F(LedgerDamageTest, ACutFileIsRefused) {
  for (size_t size = bytes_.size() - 1; size > kPageBytes; size -= 1021) {
    ASSERT_EQ(truncate(path_.c_str(), static_cast<off_t>(size)), 0);
    EXPECT_TRUE(RefusedOrWhole(absl::StrCat("cut to ", size)));
  }
  for (const size_t size : {5 * kPageBytes, kPageBytes, kPageBytes - 1, 101, 100, 99, 1, 0}) {
    ASSERT_EQ(truncate(path_.c_str(), static_cast<off_t>(size)), 0);
    EXPECT_TRUE(RefusedOrWhole(absl::StrCat("cut to ", size)));
    EXPECT_FALSE(ReadOnly(path_).ok()) << size;
  }
}

TEST_F(LedgerDamageTest, PagesThatChangedPlacesAreRefused) {
  const size_t pages = bytes_.size() / kPageBytes;
  ASSERT_GT(pages, 20u);
  for (size_t page = 1; page + 1 < pages; ++page) {
    std::string changed = bytes_;
    changed.replace(page * kPageBytes, kPageBytes, bytes_, (page + 1) * kPageBytes, kPageBytes);
    ASSERT_TRUE(WriteFileAtomically(path_, changed).ok());
    EXPECT_TRUE(RefusedOrWhole(absl::StrCat("page ", page)));
  }
}

TEST_F(LedgerDamageTest, TheReasonNamesThePageAndWhatToDo) {
  Put(bytes_.size() - kPageBytes / 2, '!');
  const absl::Status status = ReadOnly(path_);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr(absl::StrCat("page ", bytes_.size() / kPageBytes,
                                              " differs from its checksum")));
  EXPECT_THAT(message, HasSubstr("put a copy of it in its place"));
}

// What another program writes carries no checksums of ours.
TEST_F(LedgerDamageTest, AChangeByAnotherHandIsRefused) {
  std::string changed = bytes_;
  const size_t at = changed.find("because");
  ASSERT_NE(at, std::string::npos);
  changed.replace(at, 7, "BECAUSE");
  ASSERT_TRUE(WriteFileAtomically(path_, changed).ok());
  EXPECT_TRUE(RefusedOrWhole("a reason in capitals"));
}

// Rows may be copied to another ledger; a file that was made otherwise is refused, not spoiled.
TEST_F(LedgerDamageTest, OnlyLedgersCanBeAttachedAndWritten) {
  const std::string other = folder_.Path("other.db");
  ASSERT_TRUE(Ledger::Open(other).ok());
  const auto ledger = Ledger::Open(path_);
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  Database& database = (*ledger)->database();
  const absl::Status copied = database.Script(absl::StrCat("ATTACH '", other, "' AS other;",
                                                           "INSERT INTO other.groups SELECT * FROM "
                                                           "main.groups; DETACH other;")
                                                  .c_str());
  EXPECT_TRUE(copied.ok()) << copied;
  EXPECT_EQ(*(*Ledger::Open(other))->database().Count("SELECT count(*) FROM groups"), 2);
  const absl::Status foreign = database.Script(
      absl::StrCat("ATTACH '", folder_.Path("foreign.db"), "' AS x; CREATE TABLE x.y (z);")
          .c_str());
  EXPECT_EQ(foreign.code(), absl::StatusCode::kDataLoss) << foreign;
  EXPECT_THAT(std::string(foreign.message()), HasSubstr("no room for a checksum"));
}

}  // namespace
}  // namespace temper::orchestrator
