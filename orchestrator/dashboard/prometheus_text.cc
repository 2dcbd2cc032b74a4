// Gauges of runs, steps, workers and waits.
#include "orchestrator/dashboard/prometheus_text.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "orchestrator/state_word.h"
#include "prometheus/metric_family.h"
#include "prometheus/text_serializer.h"

namespace temper::orchestrator {
namespace {

namespace v1 = temper::v1;
using Labels = std::vector<prometheus::ClientMetric::Label>;

// Families in the order of their first gauge.
class Gauges {
 public:
  void Set(const std::string& name, const std::string& help, Labels labels, double value) {
    const auto [at, is_new] = index_.emplace(name, families_.size());
    if (is_new) {
      families_.push_back({"temper_" + name, help, prometheus::MetricType::Gauge, {}});
    }
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    families_[at->second].metric.push_back(std::move(metric));
  }
  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::map<std::string, size_t> index_;
  std::vector<prometheus::MetricFamily> families_;
};

void SetStep(const v1::StepMetrics& step, const Labels& run, Gauges& gauges) {
  const auto set = [&](const char* name, const char* help, double value) {
    gauges.Set(name, help, run, value);
  };
  set("policy_step", "Newest policy step, counted from 1.", static_cast<double>(step.step()));
  set("version", "Weight version that the newest step made.", static_cast<double>(step.version()));
  set("reward_mean", "Mean reward of the newest step's samples.", step.reward_mean());
  set("reward_std", "Standard deviation of the newest step's rewards.", step.reward_std());
  set("length_mean", "Mean response tokens.", step.length_mean());
  set("entropy", "Mean entropy over response tokens, nats.", step.entropy());
  set("kl", "Mean KL estimate to the reference.", step.kl());
  set("clip_fraction", "Share of response tokens whose ratio was clipped.", step.clip_fraction());
  set("grad_norm", "Gradient norm before clipping.", step.grad_norm());
  set("loss", "Loss of the newest step.", step.loss());
  set("learning_rate", "Learning rate of the newest step.", step.learning_rate());
  set("logprob_mismatch", "Tokens whose log-probability bits differ between rollout and learner.",
      static_cast<double>(step.logprob_mismatch()));
  set("tokens_per_second", "Tokens of the newest step by its seconds.", step.tokens_per_second());
  set("groups_without_signal", "Groups whose samples all scored the same.",
      static_cast<double>(step.groups_without_signal()));
  const v1::StepSeconds& seconds = step.seconds();
  const std::pair<const char*, double> parts[] = {{"rollout", seconds.rollout()},
                                                  {"reward", seconds.reward()},
                                                  {"train", seconds.train()},
                                                  {"sync", seconds.sync()},
                                                  {"total", seconds.total()}};
  for (const auto& [part, value] : parts) {
    Labels labels = run;
    labels.push_back({"part", part});
    gauges.Set("step_seconds", "Where the time of the newest step went.", std::move(labels), value);
  }
  if (step.has_eval_accuracy()) {
    set("eval_accuracy", "Accuracy of the evaluation under the newest step's version.",
        step.eval_accuracy());
  }
}

void SetRun(const v1::GetResponse& run, Gauges& gauges) {
  const Labels labels = {{"run", run.name()}};
  for (int state = v1::RunState_MIN; state <= v1::RunState_MAX; ++state) {
    if (state == v1::RUN_STATE_UNSPECIFIED || !v1::RunState_IsValid(state)) continue;
    Labels with_state = labels;
    with_state.push_back({"state", StateWord(static_cast<v1::RunState>(state))});
    gauges.Set("run_state", "1 for the state that the run is in.", std::move(with_state),
               run.state() == state ? 1 : 0);
  }
  gauges.Set("step", "Versions made, warm start included.", labels,
             static_cast<double>(run.step()));
  gauges.Set("steps", "Versions to be made, warm start included.", labels,
             static_cast<double>(run.steps()));
  const auto connected = std::count_if(run.workers().begin(), run.workers().end(),
                                       [](const v1::Worker& worker) { return worker.connected(); });
  gauges.Set("workers_connected", "Workers of the run that are there.", labels,
             static_cast<double>(connected));
  double oldest = 0;
  for (const v1::Wait& wait : run.waits()) oldest = std::max(oldest, wait.age_seconds());
  gauges.Set("oldest_wait_seconds", "Age of what is waited for the longest; 0: nothing.", labels,
             oldest);
  if (run.has_last()) SetStep(run.last(), labels, gauges);
}

}  // namespace

std::string PrometheusText(const v1::ListResponse& runs) {
  Gauges gauges;
  gauges.Set("runs", "Runs of this controller.", {}, runs.runs_size());
  for (const v1::GetResponse& run : runs.runs()) SetRun(run, gauges);
  return gauges.Text();
}

}  // namespace temper::orchestrator
