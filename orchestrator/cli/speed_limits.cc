// Turns sizes and peaks into tokens per second.
#include "orchestrator/cli/speed_limits.h"

#include <algorithm>
#include <cmath>

namespace temper::cli {

double Demand::StepBytes(int64_t batch) const {
  const double share = experts > 0 ? chosen / experts : 0;
  const double touched = experts * (1 - std::pow(1 - share, static_cast<double>(batch)));
  return weight_bytes * (weights() - chosen + touched);
}

Demand DemandOf(const model::ModelConfig& config, const model::ParameterLayout& layout,
                kernels::Dtype dtype) {
  Demand demand;
  if (dtype == kernels::Dtype::kBFloat16) demand.weight_bytes = 2;
  demand.head = static_cast<double>(config.vocab_size * config.hidden_size);
  demand.body = static_cast<double>(layout.parameters()) - demand.head;
  if (!config.tie_word_embeddings) demand.body -= demand.head;  // the embedding is only looked up
  for (const model::LayerConfig& layer : config.layers) {
    if (layer.kind == model::LayerKind::kMoe) {
      const int64_t width = layer.latent > 0 ? layer.latent : config.hidden_size;
      const auto expert = static_cast<double>(2 * width * layer.expert_intermediate);
      demand.experts += expert * static_cast<double>(layer.experts);
      demand.chosen += expert * static_cast<double>(layer.experts_chosen);
    }
    if (layer.kind != model::LayerKind::kMamba) continue;
    const double elements = static_cast<double>(layer.inner() * layer.state);
    demand.scan_flops += 2 * 3 * elements;
    demand.state_bytes += sizeof(float) * elements;
  }
  demand.body -= demand.experts - demand.chosen;
  return demand;
}

double ScanSeconds(const Demand& demand, const Peaks& peaks) {
  return demand.scan_flops / peaks.flops;
}

double PrefillLimit(const Demand& demand, const Peaks& peaks) {
  return 1 / (2 * demand.body / peaks.flops + ScanSeconds(demand, peaks));
}

double DecodeLimit(const Demand& demand, const Peaks& peaks, int64_t batch) {
  const double weight_bytes = demand.StepBytes(batch);
  if (batch == 1) return peaks.bandwidth / (weight_bytes + 2 * demand.state_bytes);
  const double sequences = static_cast<double>(batch);
  const double multiply = 2 * demand.weights() * sequences / peaks.flops;
  return sequences / (std::max(weight_bytes / peaks.bandwidth, multiply) +
                      sequences * ScanSeconds(demand, peaks));
}

double StreamedDecodeLimit(const Demand& demand, const Peaks& peaks, int64_t batch) {
  const auto sequences = static_cast<double>(batch);
  return sequences * peaks.bandwidth /
         (demand.StepBytes(batch) + 2 * sequences * demand.state_bytes);
}

double TrainLimit(const Demand& demand, const Peaks& peaks) {
  return 1 / (6 * demand.weights() / (0.9 * peaks.flops) + 4 * ScanSeconds(demand, peaks));
}

}  // namespace temper::cli
