// Checks first, then a folder made aside and renamed.
#include "orchestrator/fork.h"

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/json_config.h"
#include "base/status_macros.h"
#include "google/protobuf/util/message_differencer.h"
#include "orchestrator/folder_links.h"
#include "orchestrator/kept_checkpoints.h"
#include "orchestrator/run_files.h"
#include "orchestrator/spec_in_force.h"

namespace temper::orchestrator {
namespace {

// Beside the folders of runs until it is whole; no run may have such a name.
constexpr char kAside[] = ".forking-";
constexpr char kSpecFile[] = "spec.json";
constexpr char kLedgerFile[] = "ledger.db";
constexpr char kModelFolder[] = "model";
constexpr char kReferenceFolder[] = "reference";  // of the KL penalty; the learner's

int64_t VersionOf(const ForkPlan& plan) { return plan.parent.warm_start_steps() + plan.step; }

std::string NameOf(const ForkPlan& plan) {
  if (!plan.name.empty()) return plan.name;
  return absl::StrCat(plan.parent.spec.name(), "-at-", plan.step);
}

// The weights that the fork starts with are a function of these.
absl::Status CheckPast(const v1::RunSpec& before, const v1::RunSpec& now) {
  const google::protobuf::Descriptor& fields = *v1::RunSpec::descriptor();
  for (const char* name : {"init", "model", "seed", "dtype", "warm_start"}) {
    google::protobuf::util::MessageDifferencer differencer;
    std::string difference;
    differencer.ReportDifferencesToString(&difference);
    const google::protobuf::FieldDescriptor* field = fields.FindFieldByName(name);
    if (differencer.CompareWithFields(before, now, {field}, {field})) continue;
    while (!difference.empty() && difference.back() == '\n') difference.pop_back();
    return absl::InvalidArgumentError(
        absl::StrCat("settings: ", name, ": cannot be changed by a fork, whose weights it shaped (",
                     difference, "); start a new run instead"));
  }
  return absl::OkStatus();
}

absl::Status CheckRange(const ForkPlan& plan) {
  const int64_t newest = plan.recovered.version - plan.parent.warm_start_steps();
  if (plan.step >= 0 && plan.step <= newest) return absl::OkStatus();
  if (newest < 0) {
    return absl::OutOfRangeError(
        absl::StrCat("step: found ", plan.step, "; run ", plan.parent.spec.name(),
                     " is still in its warm start, no step can be forked"));
  }
  return absl::OutOfRangeError(absl::StrCat("step: found ", plan.step, ", expected 0 to ", newest,
                                            ", the newest step of run ", plan.parent.spec.name()));
}

std::string KeptSteps(const ForkPlan& plan) {
  std::vector<int64_t> steps;
  for (const int64_t version : KeptCheckpoints(plan.dir)) {
    const int64_t step = version - plan.parent.warm_start_steps();
    if (step >= 0 && version <= plan.recovered.version) steps.push_back(step);
  }
  return steps.empty() ? "none is kept" : absl::StrCat("kept: ", absl::StrJoin(steps, ", "));
}

// Nothing for version 0, which is the model folder itself.
absl::StatusOr<std::optional<WholeCheckpoint>> FindCheckpoint(const ForkPlan& plan) {
  const int64_t version = VersionOf(plan);
  absl::StatusOr<WholeCheckpoint> whole = CheckCheckpoint(plan.dir, version);
  if (absl::IsNotFound(whole.status())) {
    if (version == 0) return std::optional<WholeCheckpoint>();
    return absl::NotFoundError(absl::StrCat("step ", plan.step, " of run ", plan.parent.spec.name(),
                                            ": no checkpoint of it is there (", KeptSteps(plan),
                                            ")"));
  }
  TEMPER_RETURN_IF_ERROR(whole.status());
  const auto recorded = plan.recovered.weights_digests.find(version);
  if (recorded != plan.recovered.weights_digests.end() &&
      recorded->second != whole->weights_digest && recorded->second != whole->published) {
    return absl::DataLossError(
        absl::StrCat(whole->path, ": holds other weights than the run recorded for that step"));
  }
  return std::optional(*std::move(whole));
}

// Every file but spec.json, which makes a folder the folder of a run.
class ForkFolder {
 public:
  ForkFolder(const ForkPlan& plan, const ResolvedSpec& spec, std::string aside, std::string target)
      : plan_(plan), spec_(spec), aside_(std::move(aside)), target_(std::move(target)) {}

  absl::Status Fill(const LedgerIdentity& identity, const std::optional<WholeCheckpoint>& start) {
    TEMPER_RETURN_IF_ERROR(MakeDirectories(JoinPath(aside_, "logs")));
    if (!spec_.spec.init().empty()) {
      TEMPER_RETURN_IF_ERROR(LinkFolder(plan_.model_dir, JoinPath(aside_, kModelFolder)));
    }
    if (start.has_value()) {
      TEMPER_RETURN_IF_ERROR(LinkCheckpoint(start->path, identity.origin.version));
    }
    const std::string reference = JoinPath(plan_.dir, kReferenceFolder);
    if (Exists(reference)) {
      TEMPER_RETURN_IF_ERROR(LinkFolder(reference, JoinPath(aside_, kReferenceFolder)));
    }
    TEMPER_RETURN_IF_ERROR(WriteLedger(identity, start));
    return WriteFileAtomically(JoinPath(aside_, kSpecFile), ToJson(spec_.spec) + "\n");
  }

 private:
  absl::Status LinkCheckpoint(const std::string& from, int64_t version) const {
    const std::string to = CheckpointPath(aside_, version);
    TEMPER_RETURN_IF_ERROR(MakeDirectories(Dirname(to)));
    TEMPER_RETURN_IF_ERROR(LinkFolder(from, to));
    return SyncDirectory(Dirname(to));
  }

  absl::Status WriteLedger(const LedgerIdentity& identity,
                           const std::optional<WholeCheckpoint>& start) const {
    TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<Ledger> ledger,
                            Ledger::Open(JoinPath(aside_, kLedgerFile)));
    TEMPER_RETURN_IF_ERROR(ledger->SetIdentity(identity));
    std::vector<LedgerWrite> writes = {RecordState{v1::RUN_STATE_SUBMITTED, "", ""}};
    if (start.has_value()) {  // pinned: without it neither a learner nor a replay could begin
      writes.push_back(RecordCheckpoint{identity.origin.version,
                                        CheckpointPath(target_, identity.origin.version),
                                        start->sha256, /*pinned=*/true});
    }
    for (const auto& [prompt_id, reason] : plan_.recovered.quarantined) {
      writes.push_back(RecordQuarantine{prompt_id, reason});
    }
    v1::RunEvent event;
    event.set_sequence(1);
    event.set_time_ms(plan_.now_ms);
    event.set_note(absl::StrCat("forked from run ", identity.origin.parent, " after step ",
                                identity.origin.parent_step));
    return ledger->Commit(writes, {event});
  }

  const ForkPlan& plan_;
  const ResolvedSpec& spec_;
  const std::string aside_;
  const std::string target_;
};

}  // namespace

absl::StatusOr<ResolvedSpec> SpecOfFork(const ForkPlan& plan) {
  const v1::RunSpec parent =
      SpecInForce(plan.parent.spec, plan.recovered.alterations, VersionOf(plan));
  v1::RunSpec given = parent;
  for (const std::string& setting : plan.settings) {
    TEMPER_RETURN_IF_ERROR(ApplySetting(setting, given));
  }
  if (given.name() != parent.name()) {
    return absl::InvalidArgumentError(
        absl::StrCat("settings: name: found \"", given.name(),
                     "\"; a fork is given its name apart from its settings"));
  }
  given.set_name(NameOf(plan));
  TEMPER_ASSIGN_OR_RETURN(ResolvedSpec spec, ResolveSpec(std::move(given), plan.dir));
  TEMPER_RETURN_IF_ERROR(CheckPast(parent, spec.spec));
  if (plan.step < spec.spec.steps()) return spec;
  return absl::InvalidArgumentError(absl::StrCat("steps: found ", spec.spec.steps(),
                                                 ", expected more than ", plan.step,
                                                 ", where the fork begins; set steps=N"));
}

absl::StatusOr<PreparedFork> PrepareFork(const ForkPlan& plan) {
  TEMPER_RETURN_IF_ERROR(CheckRange(plan));
  PreparedFork fork;
  TEMPER_ASSIGN_OR_RETURN(fork.spec, SpecOfFork(plan));
  const std::string& name = fork.spec.spec.name();
  fork.dir = std::filesystem::absolute(JoinPath(plan.root, name)).lexically_normal().string();
  if (Exists(fork.dir)) {
    return absl::AlreadyExistsError(
        absl::StrCat(fork.dir, ": is there already; give the fork another name"));
  }
  fork.model_dir =
      fork.spec.spec.init().empty() ? fork.spec.spec.model() : JoinPath(fork.dir, kModelFolder);
  TEMPER_ASSIGN_OR_RETURN(const std::optional<WholeCheckpoint> start, FindCheckpoint(plan));
  TEMPER_ASSIGN_OR_RETURN(const RunFiles files, OpenRunFiles(fork.spec.spec));
  LedgerIdentity identity = IdentityOf(fork.spec.spec, files);
  fork.origin = {.parent = plan.parent.spec.name(),
                 .parent_step = plan.step,
                 .version = VersionOf(plan),
                 .weights_digest = start.has_value() ? start->recorded_digest() : ""};
  identity.origin = fork.origin;

  const std::string aside = JoinPath(Dirname(fork.dir), absl::StrCat(kAside, name));
  TEMPER_RETURN_IF_ERROR(RemoveAll(aside));  // an earlier try was cut short
  auto remove_aside = absl::MakeCleanup([&aside] { RemoveAll(aside).IgnoreError(); });
  TEMPER_RETURN_IF_ERROR(ForkFolder(plan, fork.spec, aside, fork.dir).Fill(identity, start));
  std::error_code error;
  std::filesystem::rename(aside, fork.dir, error);
  if (error) {
    errno = error.value();
    return ErrnoStatus(fork.dir, "cannot rename to");
  }
  std::move(remove_aside).Cancel();
  TEMPER_RETURN_IF_ERROR(SyncDirectory(Dirname(fork.dir)));
  return fork;
}

}  // namespace temper::orchestrator
