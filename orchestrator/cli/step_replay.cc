// Leads a trainer to the step's version, then makes each part of the step again.
#include "orchestrator/cli/step_replay.h"

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/advantage.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_config.h"
#include "base/status_macros.h"
#include "orchestrator/cli/group_redraw.h"
#include "orchestrator/cli/rescoring.h"
#include "orchestrator/core.h"
#include "orchestrator/kept_checkpoints.h"
#include "orchestrator/ledger.h"
#include "orchestrator/replay/recorded_step.h"
#include "orchestrator/replay/tally.h"
#include "orchestrator/request_rules.h"
#include "orchestrator/run_files.h"
#include "orchestrator/spec.h"
#include "orchestrator/spec_in_force.h"
#include "policy/learner/trainer.h"
#include "policy/model/weights.h"

namespace temper::cli {
namespace {

using orchestrator::Compared;
using orchestrator::RecordedGroup;
using orchestrator::RecordedStep;

class StepReplay {
 public:
  StepReplay(const ReplayOrder& order, const StopToken& stop, const ShowReplay& show)
      : order_(order), stop_(stop), show_(show) {}

  absl::StatusOr<v1::ReplayReport> Run() {
    const SystemClock clock;
    const absl::Duration began = clock.Uptime();
    TEMPER_RETURN_IF_ERROR(OpenLedger());
    TEMPER_RETURN_IF_ERROR(OpenTrainer());
    const int64_t from = trainer_->version();
    TEMPER_RETURN_IF_ERROR(Lead());
    // Read before anything is made: a damaged step is told at once.
    TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<RecordedStep> step,
                            orchestrator::ReadRecordedStep(*ledger_, version_));
    TEMPER_RETURN_IF_ERROR(Redraw(*step));
    TEMPER_RETURN_IF_ERROR(Rescore(*step));
    CompareAdvantages(*step);
    TEMPER_RETURN_IF_ERROR(TrainStep(step->request));
    v1::ReplayReport report = tally_.Report();
    report.set_step(order_.step);
    report.set_from_version(from);
    report.set_seconds(absl::ToDoubleSeconds(clock.Uptime() - began));
    return report;
  }

 private:
  absl::Status OpenLedger() {
    const std::string path = JoinPath(order_.folder, "ledger.db");
    if (!Exists(path)) return absl::NotFoundError(path + ": there is no ledger; not a bundle");
    TEMPER_ASSIGN_OR_RETURN(ledger_, orchestrator::Ledger::Open(path));
    TEMPER_ASSIGN_OR_RETURN(identity_, ledger_->Identity());
    TEMPER_RETURN_IF_ERROR(ParseJsonConfig(identity_.spec_json, "the ledger's spec", began_.spec));
    if (began_.spec.has_environment()) {
      return absl::UnimplementedError(
          "the run has an environment (a graph of agents); replaying its steps: not yet. `temper "
          "audit` checks what it recorded");
    }
    TEMPER_ASSIGN_OR_RETURN(recovered_, ledger_->Recover());
    version_ = began_.warm_start_steps() + order_.step - 1;
    in_force_ = orchestrator::SpecInForce(began_.spec, recovered_.alterations, version_);
    return absl::OkStatus();
  }

  absl::Status OpenTrainer() {
    const std::vector<int64_t> kept = orchestrator::KeptCheckpoints(order_.folder);
    const int64_t start = kept.empty() ? 0 : kept.back();
    if (!kept.empty()) {  // a trainer would put a damaged one aside and begin elsewhere
      TEMPER_RETURN_IF_ERROR(orchestrator::CheckCheckpoint(order_.folder, start).status());
    }
    Show(absl::StrCat("loads version ", start), 0, 1);
    TEMPER_ASSIGN_OR_RETURN(const kernels::Dtype dtype, model::ParseDtype(began_.spec.dtype()));
    TEMPER_ASSIGN_OR_RETURN(trainer_, learner::Trainer::Open({.run_dir = order_.folder,
                                                              .model_dir = order_.model_dir,
                                                              .device = began_.spec.device(),
                                                              .threads = order_.threads,
                                                              .dtype = dtype},
                                                             progress_));
    CompareWeights();
    return CheckStopped();
  }

  absl::Status CheckStopped() const {
    return stop_.stopped() ? absl::CancelledError("the replay was stopped") : absl::OkStatus();
  }

  void Show(const std::string& what, int64_t done, int64_t total) const {
    v1::ReplayProgress progress;
    progress.set_what(what);
    progress.set_done(done);
    progress.set_total(total);
    show_(progress);
  }

  // The version held, with the digest recorded when it was made first.
  void CompareWeights() {
    const auto recorded = recovered_.weights_digests.find(trainer_->version());
    if (recorded == recovered_.weights_digests.end()) return;  // version 0 is the model folder
    tally_.AddWeights(trainer_->version(), recorded->second,
                      orchestrator::ManifestDigest(*trainer_->store().newest()));
  }

  absl::Status Train(v1::TrainRequest request) {
    // A log-prob that differs is what a replay is to tell, with the weights that it leads to.
    request.mutable_options()->set_stop_on_mismatch(false);
    TEMPER_RETURN_IF_ERROR(trainer_->Train(request).status());
    CompareWeights();
    return CheckStopped();
  }

  absl::StatusOr<v1::TrainRequest> RequestOf(int64_t step) {
    if (step >= began_.warm_start_steps()) return ledger_->ReadTrainRequest(step);
    if (files_.warm_start == nullptr) {
      TEMPER_RETURN_IF_ERROR(orchestrator::OpenWarmStartFiles(began_.spec.warm_start(), files_));
      const bool held_out =
          files_.held_out == nullptr || files_.held_out->digest() == identity_.held_out_digest;
      if (files_.warm_start->digest() != identity_.warm_start_digest || !held_out) {
        return absl::FailedPreconditionError(
            absl::StrCat(held_out ? began_.spec.warm_start().dataset().path()
                                  : began_.spec.warm_start().held_out().path(),
                         ": has changed since the run was started; restore it, or replay a step "
                         "that a kept checkpoint lies before"));
      }
    }
    return orchestrator::WarmStartRequestAt(began_,
                                            {files_.warm_start.get(), files_.held_out.get()}, step);
  }

  absl::Status Lead() {
    const int64_t from = trainer_->version();
    const std::string what = absl::StrCat("trains from version ", from, " to ", version_, " again");
    for (int64_t step = from; step < version_; ++step) {
      Show(what, step - from, version_ - from);
      TEMPER_ASSIGN_OR_RETURN(v1::TrainRequest request, RequestOf(step));
      TEMPER_RETURN_IF_ERROR(Train(std::move(request)));
    }
    return absl::OkStatus();
  }

  absl::Status Redraw(const RecordedStep& step) {
    if (step.groups_dropped > 0) {
      tally_.LeaveOut(Compared::kTokens, step.groups_dropped,
                      "groups that were dropped and so never trained on");
    }
    TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<GroupRedraw> redraw,
                            GroupRedraw::Open({.model_dir = order_.model_dir,
                                               .dtype = began_.spec.dtype(),
                                               .fleet = began_.spec.fleet(),
                                               .device = began_.spec.device(),
                                               .threads = order_.threads}));
    TEMPER_RETURN_IF_ERROR(trainer_->MakeFile(version_));
    TEMPER_ASSIGN_OR_RETURN(MappedFile weights, trainer_->store().Map(version_));
    const v1::Sampling sampling = orchestrator::SamplingAt(in_force_, version_);
    const auto total = static_cast<int64_t>(step.groups.size());
    return redraw->Run(
        version_, std::move(weights), sampling, step.groups, stop_, tally_, [&](int64_t done) {
          Show(absl::StrCat("makes the rollouts of step ", order_.step, " again"), done, total);
        });
  }

  absl::Status Rescore(const RecordedStep& step) {
    Show(absl::StrCat("scores the responses of step ", order_.step, " again"), 0,
         step.request.policy().episodes_size());
    TEMPER_RETURN_IF_ERROR(CompareRewards(in_force_, step.groups, tally_));
    return CheckStopped();
  }

  void CompareAdvantages(const RecordedStep& step) {
    for (const RecordedGroup& group : step.groups) {
      std::vector<double> scores;
      for (const auto& sample : group.samples) scores.push_back(sample.score.value());
      const std::vector<double> advantages = Advantages(in_force_.advantage(), scores);
      for (size_t i = 0; i < scores.size(); ++i) {
        tally_.AddNumber(Compared::kAdvantages,
                         absl::StrCat("group ", group.group.id(), " sample ",
                                      group.samples[i].entry->episode().sample()),
                         group.samples[i].entry->advantage(), advantages[i]);
      }
    }
  }

  absl::Status TrainStep(const v1::TrainRequest& request) {
    Show(absl::StrCat("trains step ", order_.step, " again"), 0, 1);
    return Train(request);
  }

  const ReplayOrder& order_;
  const StopToken& stop_;
  const ShowReplay& show_;
  std::atomic<int64_t> progress_{0};
  std::unique_ptr<orchestrator::Ledger> ledger_;
  orchestrator::LedgerIdentity identity_;
  orchestrator::RecoveredRun recovered_;
  orchestrator::ResolvedSpec began_;  // as the run was started
  v1::RunSpec in_force_;              // at the step
  int64_t version_ = 0;               // that the step trains
  std::unique_ptr<learner::Trainer> trainer_;
  orchestrator::RunFiles files_;  // those of the warm start, once they are needed
  orchestrator::ReplayTally tally_;
};

}  // namespace

absl::StatusOr<v1::ReplayReport> ReplayBundle(const ReplayOrder& order, const StopToken& stop,
                                              const ShowReplay& show) {
  return StepReplay(order, stop, show).Run();
}

}  // namespace temper::cli
