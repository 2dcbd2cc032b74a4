// Opening data files by a spec, and comparing them with those a ledger was started with.
#include "orchestrator/run_files.h"

#include "absl/strings/str_cat.h"
#include "base/json_config.h"
#include "base/status_macros.h"
#include "orchestrator/alteration.h"
#include "orchestrator/environment_check.h"
#include "reward/rubric_check.h"

namespace temper::orchestrator {
namespace {

RowKind ProblemKind(const v1::Rubric& rubric) {
  return reward::NeedsAnswers(rubric) ? RowKind::kProblem : RowKind::kPrompt;
}

// Of an Evaluation or HeldOutPairs.
template <class Measured>
v1::Dataset SourceOf(const Measured& measured) {
  v1::Dataset source;
  source.set_path(measured.path());
  source.set_template_(measured.template_());
  *source.mutable_fields() = measured.fields();
  return source;
}

std::string DigestOf(const std::unique_ptr<Dataset>& file) { return file ? file->digest() : ""; }

absl::Status CheckSame(const char* field, const std::string& before, const std::string& now) {
  if (before == now) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(field, ": the file has changed since the run was started (digest was ", before,
                   ", is ", now, "); restore it, or start a new run in another --dir"));
}

}  // namespace

absl::StatusOr<RunFiles> OpenRunFiles(const v1::RunSpec& spec) {
  RunFiles files;
  const RowKind kind = ProblemKind(spec.rubric());
  if (spec.has_dataset()) {
    TEMPER_ASSIGN_OR_RETURN(files.dataset, Dataset::Open(spec.dataset(), kind));
    TEMPER_RETURN_IF_ERROR(CheckMixture(spec.dataset(), *files.dataset));
  }
  if (spec.has_evaluate()) {
    TEMPER_ASSIGN_OR_RETURN(
        files.evaluation, Dataset::Open(SourceOf(spec.evaluate()), kind, spec.evaluate().limit()));
  }
  if (spec.has_warm_start()) {
    TEMPER_RETURN_IF_ERROR(OpenWarmStartFiles(spec.warm_start(), files));
  }
  TEMPER_ASSIGN_OR_RETURN(files.graph, OpenEnvironment(spec));
  return files;
}

absl::Status OpenWarmStartFiles(const v1::WarmStart& stage, RunFiles& files) {
  const RowKind kind = stage.objective() != "reward_model"                 ? RowKind::kExample
                       : stage.preference_loss() == "scaled_bradley_terry" ? RowKind::kScaledPair
                                                                           : RowKind::kPair;
  TEMPER_ASSIGN_OR_RETURN(files.warm_start, Dataset::Open(stage.dataset(), kind));
  if (!stage.has_held_out()) return absl::OkStatus();
  TEMPER_ASSIGN_OR_RETURN(files.held_out, Dataset::Open(SourceOf(stage.held_out()), RowKind::kPair,
                                                        stage.held_out().limit()));
  return absl::OkStatus();
}

LedgerIdentity IdentityOf(const v1::RunSpec& spec, const RunFiles& files) {
  return {.spec_json = ToJson(spec),
          .dataset_digest = DigestOf(files.dataset),
          .evaluation_digest = DigestOf(files.evaluation),
          .warm_start_digest = DigestOf(files.warm_start),
          .held_out_digest = DigestOf(files.held_out),
          .environment_digest = EnvironmentDigest(files.graph.get())};
}

absl::Status ClaimLedger(Ledger& ledger, const v1::RunSpec& spec, const RunFiles& files) {
  TEMPER_ASSIGN_OR_RETURN(const LedgerIdentity before, ledger.Identity());
  const LedgerIdentity now = IdentityOf(spec, files);
  if (before.spec_json.empty()) return ledger.SetIdentity(now);
  v1::RunSpec recorded;
  TEMPER_RETURN_IF_ERROR(ParseJsonConfig(before.spec_json, "the ledger's spec", recorded));
  TEMPER_RETURN_IF_ERROR(CheckResumable(recorded, spec));
  TEMPER_RETURN_IF_ERROR(CheckSame("dataset.path", before.dataset_digest, now.dataset_digest));
  TEMPER_RETURN_IF_ERROR(
      CheckSame("evaluate.path", before.evaluation_digest, now.evaluation_digest));
  TEMPER_RETURN_IF_ERROR(
      CheckSame("warm_start.dataset.path", before.warm_start_digest, now.warm_start_digest));
  TEMPER_RETURN_IF_ERROR(
      CheckSame("environment.graph", before.environment_digest, now.environment_digest));
  return CheckSame("warm_start.held_out.path", before.held_out_digest, now.held_out_digest);
}

}  // namespace temper::orchestrator
