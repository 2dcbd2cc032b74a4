// The report at the end of `temper run`.
#include "orchestrator/cli/run_report.h"

#include <cstdio>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "orchestrator/curves.h"
#include "orchestrator/evaluation_samples.h"
#include "orchestrator/ledger.h"

namespace temper::cli {
namespace {

using orchestrator::EvaluationSample;

constexpr int kSamplesShown = 3;

// Model output goes to a terminal: control characters are shown, not obeyed; at most `bytes` of the
// start.
std::string Head(const std::string& text, size_t bytes) {
  const std::string shown = absl::Utf8SafeCEscape(text);
  return shown.size() <= bytes ? shown : absl::StrCat(shown.substr(0, bytes - 3), "...");
}

// The end of a worked answer is what counts.
std::string Tail(const std::string& text, size_t bytes) {
  const std::string shown = absl::Utf8SafeCEscape(text);
  return shown.size() <= bytes ? shown : absl::StrCat("...", shown.substr(shown.size() - bytes));
}

void PrintCurves(const std::vector<v1::StepMetrics>& steps) {
  std::vector<double> rewards, lengths;
  for (const v1::StepMetrics& step : steps) {
    rewards.push_back(step.reward_mean());
    lengths.push_back(step.length_mean());
  }
  std::printf("\n%s", orchestrator::DrawCurve("mean reward", rewards).c_str());
  std::printf("\n%s", orchestrator::DrawCurve("mean response length (tokens)", lengths).c_str());
}

void PrintSamples(const std::string& title, const std::vector<EvaluationSample>& samples) {
  std::printf("\n%s\n", title.c_str());
  for (const EvaluationSample& sample : samples) {
    std::printf("  %s  %s%s   (answer %s)\n", sample.score > 0.5 ? "right" : "wrong",
                Head(sample.prompt, 60).c_str(), Head(sample.response, 120).c_str(),
                Tail(sample.answer, 24).c_str());
  }
}

void PrintMismatches(const std::vector<v1::StepMetrics>& steps) {
  int64_t tokens = 0, mismatches = 0;
  for (const v1::StepMetrics& step : steps) {
    mismatches += step.logprob_mismatch();
    tokens += step.tokens();
  }
  std::printf(
      "\nlog-probabilities that differ between rollout and learner: %s, in %zu steps of %s "
      "tokens\n",
      orchestrator::WithCommas(mismatches).c_str(), steps.size(),
      orchestrator::WithCommas(tokens).c_str());
}

void PrintPlaces(const RunFolder& folder, const v1::RunEnded& ended) {
  if (!ended.model_dir().empty()) {
    std::printf("model folder   %s\n", ended.model_dir().c_str());
    const auto sha = Sha256HexOfFile(JoinPath(ended.model_dir(), "model.safetensors"));
    if (sha.ok()) std::printf("  model.safetensors SHA-256 %s\n", sha->c_str());
  }
  std::printf("TensorBoard    %s\n", JoinPath(folder.dir, "tensorboard").c_str());
  std::printf("ledger         %s\n", JoinPath(folder.dir, "ledger.db").c_str());
}

}  // namespace

absl::Status PrintRunReport(const RunFolder& folder, const v1::RunEnded& ended,
                            const orchestrator::Progress& progress,
                            const std::vector<ProcessUse>& uses) {
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<orchestrator::Ledger> ledger,
                          orchestrator::Ledger::OpenReadOnly(JoinPath(folder.dir, "ledger.db")));
  const auto& steps = progress.policy_steps();
  if (!steps.empty()) PrintCurves(steps);
  const auto& evaluations = progress.evaluations();
  if (!evaluations.empty()) {
    const v1::EvaluationResult& first = evaluations.front();
    const v1::EvaluationResult& last = evaluations.back();
    TEMPER_ASSIGN_OR_RETURN(const auto before, orchestrator::ReadEvaluationSamples(
                                                   *ledger, first.version(), kSamplesShown));
    // An environment is drawn as in training; what is shown are the first of its samples.
    const char* drawn = folder.spec.spec.has_environment() ? "sampled" : "greedy";
    PrintSamples(absl::StrCat("held-out problems before reinforcement learning (", drawn, ")"),
                 before);
    if (evaluations.size() > 1) {
      TEMPER_ASSIGN_OR_RETURN(const auto after, orchestrator::ReadEvaluationSamples(
                                                    *ledger, last.version(), kSamplesShown));
      PrintSamples("the same problems after it", after);
      std::printf("\nheld-out accuracy   %.1f %% before   %.1f %% after   (%lld problems, %s)\n",
                  100 * first.accuracy(), 100 * last.accuracy(),
                  static_cast<long long>(last.problems()), drawn);
      for (const v1::RoleAccuracy& role : last.roles()) {
        std::printf("  samples of %-12s %.1f %%\n", role.role().c_str(), 100 * role.accuracy());
      }
    }
  }
  if (!steps.empty()) PrintMismatches(steps);
  for (const ProcessUse& use : uses) {
    std::printf("%-12s peak memory %7.1f MB%s\n", use.name.c_str(), use.peak_memory / 1e6,
                use.restarts == 0 ? "" : absl::StrCat("   restarted ", use.restarts, "x").c_str());
  }
  PrintPlaces(folder, ended);
  std::fflush(stdout);
  return absl::OkStatus();
}

}  // namespace temper::cli
