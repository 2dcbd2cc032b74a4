// Learning-rate schedules and the options that a batch is recorded with.
#include "orchestrator/train_options.h"

#include <cmath>
#include <numbers>

#include "base/check.h"

namespace temper::orchestrator {

double LearningRateAt(double peak, int64_t warmup, const std::string& decay, int64_t steps,
                      int64_t i) {
  if (i < warmup) return peak * static_cast<double>(i + 1) / static_cast<double>(warmup);
  if (decay == "constant") return peak;
  const double done = static_cast<double>(i - warmup) / static_cast<double>(steps - warmup);
  if (decay == "linear") return peak * (1 - done);
  TEMPER_CHECK(decay == "cosine");
  return peak * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

v1::TrainOptions TrainOptionsAt(const ResolvedSpec& resolved, int64_t step) {
  TEMPER_CHECK(step >= 0 && step < resolved.steps());
  const v1::RunSpec& spec = resolved.spec;
  const v1::Optimizer& optimizer = spec.optimizer();
  v1::TrainOptions options;
  options.set_beta1(optimizer.beta1());
  options.set_beta2(optimizer.beta2());
  options.set_epsilon(optimizer.epsilon());
  options.set_weight_decay(optimizer.weight_decay());
  options.set_clip_norm(optimizer.clip_norm());
  options.set_tokens_per_micro_batch(spec.tokens_per_micro_batch());
  options.set_train_router(spec.experts().train_router());
  options.set_balance_rate(spec.experts().balance_rate());
  const int64_t warm_start_steps = resolved.warm_start_steps();
  if (step < warm_start_steps) {
    const v1::WarmStart& stage = spec.warm_start();
    options.set_learning_rate(LearningRateAt(stage.learning_rate(), stage.warmup_steps(),
                                             stage.decay(), warm_start_steps, step));
    return options;
  }
  options.set_learning_rate(LearningRateAt(spec.learning_rate(), optimizer.warmup_steps(),
                                           optimizer.decay(), spec.steps(),
                                           step - warm_start_steps));
  options.set_temperature(spec.temperature());
  options.set_clip_low(spec.clip_low());
  options.set_clip_high(spec.clip_high());
  options.set_kl(spec.kl());
  options.set_aggregation(spec.aggregation());
  options.set_max_tokens(spec.max_tokens());
  options.set_stop_on_mismatch(spec.on_logprob_mismatch() == "stop");
  return options;
}

}  // namespace temper::orchestrator
