// Names are those of TensorBoard's charts; "/" makes sections.
#include "orchestrator/controller/run_scalars.h"

#include "absl/strings/str_cat.h"

namespace temper::orchestrator {

RunScalars ScalarsOf(const v1::RunEvent& event) {
  RunScalars figures;
  std::vector<std::pair<std::string, double>>& scalars = figures.scalars;
  if (event.has_step()) {
    const v1::StepMetrics& m = event.step();
    figures.step = m.step();
    const std::string stage = m.stage() == "policy" ? "" : absl::StrCat(m.stage(), "/");
    scalars = {{stage + "loss", m.loss()},
               {stage + "grad_norm", m.grad_norm()},
               {stage + "learning_rate", m.learning_rate()},
               {stage + "entropy", m.entropy()},
               {stage + "tokens_per_second", m.tokens_per_second()},
               {stage + "seconds/total", m.seconds().total()}};
    if (m.pair_accuracy() > 0 || m.pair_margin() != 0) {  // a reward model in the making
      scalars.insert(scalars.end(), {{stage + "pair_accuracy", m.pair_accuracy()},
                                     {stage + "pair_margin", m.pair_margin()}});
    }
    if (m.has_held_out_accuracy()) {
      scalars.emplace_back(stage + "held_out_accuracy", m.held_out_accuracy());
    }
    if (m.stage() == "policy") {
      scalars.insert(scalars.end(), {{"reward_mean", m.reward_mean()},
                                     {"reward_std", m.reward_std()},
                                     {"length_mean", m.length_mean()},
                                     {"kl", m.kl()},
                                     {"clip_fraction", m.clip_fraction()},
                                     {"logprob_mismatch", m.logprob_mismatch() * 1.0},
                                     {"expert_load_max", m.expert_load_max()},
                                     {"experts_idle", m.experts_idle()},
                                     {"groups_without_signal", m.groups_without_signal() * 1.0},
                                     {"seconds/rollout", m.seconds().rollout()},
                                     {"seconds/reward", m.seconds().reward()},
                                     {"seconds/train", m.seconds().train()},
                                     {"seconds/sync", m.seconds().sync()}});
    }
  } else if (event.has_evaluation()) {
    figures.step = event.evaluation().step();
    scalars = {{"eval_accuracy", event.evaluation().accuracy()},
               {"eval_length_mean", event.evaluation().length_mean()}};
  }
  return figures;
}

}  // namespace temper::orchestrator
