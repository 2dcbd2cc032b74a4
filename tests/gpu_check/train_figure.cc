// Forward and backward, with float32 gradients, of as many layers as fit.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "tests/gpu_check/bench_model.h"

namespace temper::gpu_check {

using model::ModelConfig;

namespace {

constexpr double kPlanned = 0.85;

model::PackedBatch Batch(const ModelConfig& config, int64_t sequences, int64_t tokens) {
  model::PackedBatch batch;
  batch.tokens = DrawTokens(config, sequences * tokens);
  for (int64_t i = 0; i < sequences; ++i) {
    const int64_t begin = i * tokens;
    batch.segments.push_back({.begin = begin, .length = tokens});
    for (int64_t row = begin; row + 1 < begin + tokens; ++row) {
      batch.prediction_rows.push_back(static_cast<int32_t>(row));
      batch.prediction_targets.push_back(batch.tokens[row + 1]);
    }
  }
  return batch;
}

}  // namespace

void MeasureTraining(Bench& bench) {
  const Options& options = bench.options;
  bench.peaks();
  const int64_t tokens = options.train_batch * options.train_tokens;
  const int64_t free = bench.FreeBytes();
  const auto budget = static_cast<int64_t>(kPlanned * static_cast<double>(free));
  const size_t layers = LayersThatFit(bench.config, budget, [&](const ModelConfig& cut) {
    return TrainingBytes(cut, bench.dtype(), tokens);
  });
  Figure figure{.name = "train", .unit = "tokens/s"};
  if (layers == 0) {
    figure.details = {{"skipped", "not one layer fits"}, {"free_bytes", free}};
    bench.Print(std::move(figure));
    return;
  }
  const ModelConfig config = FirstLayers(bench.config, layers);
  const model::ParameterLayout layout(config);
  kernels::Device& device = bench.device;
  const auto weights =
      DrawWeights(config, layout, device, {.backward = true, .dtype = bench.dtype()});
  model::HybridModel hybrid(config, layout, device);
  const kernels::Memory memory = device.Allocate(layout.size() * int64_t{sizeof(float)});
  const std::span<float> gradients(memory.as<float>(), static_cast<size_t>(layout.size()));
  const model::PackedBatch batch = Batch(config, options.train_batch, options.train_tokens);
  const float share = -1.0f / static_cast<float>(batch.prediction_rows.size());

  double loss = 0;
  const Times times = Measure(bench.Runs(2, 10), [&] {
    loss = 0;
    device.Zero(gradients.data(), layout.size() * int64_t{sizeof(float)});
    hybrid.Train(
        *weights, batch,
        [&](int64_t, std::span<const float> logprob, std::span<const float>,
            std::span<float> dlogprob, std::span<float>) {
          for (const float value : logprob) loss += static_cast<double>(value * share);
          std::fill(dlogprob.begin(), dlogprob.end(), share);
        },
        gradients);
    device.Finish();
  });
  const double norm = std::sqrt(device.ops().sum_squares(device.stream(), gradients));

  const cli::Demand demand = cli::DemandOf(config, layout, bench.dtype());
  const double operations =
      static_cast<double>(tokens) * (6 * demand.weights() + 4 * demand.scan_flops);
  const double peak = bench.peaks().flops;
  figure.value = static_cast<double>(tokens) / times.median();
  figure.limit = static_cast<double>(tokens) * peak / operations;
  figure.formula = "measured GEMM peak / (6 weights + 4 recurrences)";
  figure.details = {{"key", absl::StrCat("train ", options.train_batch, "x", options.train_tokens)},
                    {"batch", options.train_batch},
                    {"tokens", options.train_tokens},
                    {"layers", config.layers.size()},
                    {"layers_of_model", bench.config.layers.size()},
                    {"pattern", config.Pattern()},
                    {"parameters", layout.parameters()},
                    {"dtype", options.dtype},
                    {"products", options.products},
                    {"gradients", "float32"},
                    {"counted", "forward, loss, backward, zeroing the gradients; no optimiser"},
                    {"free_bytes_before", free},
                    {"bytes_estimated", TrainingBytes(config, bench.dtype(), tokens)},
                    {"tflops", operations / times.median() / 1e12},
                    {"gemm_peak_tflops", peak / 1e12},
                    {"loss", loss},
                    {"gradient_norm", norm}};
  times.AddTo(figure.details);
  const bool finite = std::isfinite(loss) && std::isfinite(norm);
  figure.details["finite"] = finite;
  bench.failed = bench.failed || !finite;
  bench.Print(std::move(figure));
}

}  // namespace temper::gpu_check
