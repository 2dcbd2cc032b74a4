// Turns sizes and peaks into tokens per second.
#include "orchestrator/cli/speed_limits.h"

#include <algorithm>

namespace temper::cli {

Demand DemandOf(const model::ModelConfig& config, const model::ParameterLayout& layout) {
  Demand demand;
  demand.head = static_cast<double>(config.vocab_size * config.hidden_size);
  demand.body = static_cast<double>(layout.parameters()) - demand.head;
  if (!config.tie_word_embeddings) demand.body -= demand.head;  // the embedding is only looked up
  for (const model::LayerConfig& layer : config.layers) {
    if (layer.kind != model::LayerKind::kMamba) continue;
    const double elements = static_cast<double>(layer.inner() * layer.state);
    demand.scan_flops += 2 * 3 * elements;
    demand.state_bytes += sizeof(float) * elements;
  }
  return demand;
}

double ScanSeconds(const Demand& demand, const Peaks& peaks) {
  return demand.scan_flops / peaks.flops;
}

double PrefillLimit(const Demand& demand, const Peaks& peaks) {
  return 1 / (2 * demand.body / peaks.flops + ScanSeconds(demand, peaks));
}

double DecodeLimit(const Demand& demand, const Peaks& peaks, int64_t batch) {
  const double weight_bytes = sizeof(float) * demand.weights();
  if (batch == 1) return peaks.bandwidth / (weight_bytes + 2 * demand.state_bytes);
  const double sequences = static_cast<double>(batch);
  const double multiply = 2 * demand.weights() * sequences / peaks.flops;
  return sequences / (std::max(weight_bytes / peaks.bandwidth, multiply) +
                      sequences * ScanSeconds(demand, peaks));
}

double TrainLimit(const Demand& demand, const Peaks& peaks) {
  return 1 / (6 * demand.weights() / (0.9 * peaks.flops) + 4 * ScanSeconds(demand, peaks));
}

}  // namespace temper::cli
