// Weights packed, tokens decoded, prompts prefilled: one set of weights, the largest that fits.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "tests/gpu_check/bench_model.h"

namespace temper::gpu_check {

using kernels::View;
using model::ModelConfig;
using model::SequenceState;
using model::Slice;

namespace {

// Of what is free: allocators round up, and a guess is a guess.
constexpr double kPlanned = 0.85;

// How many layers are measured, and why.
void AddModel(const Bench& bench, const ModelConfig& config, nlohmann::json& details) {
  details["layers"] = config.layers.size();
  details["layers_of_model"] = bench.config.layers.size();
  details["pattern"] = config.Pattern();
  details["parameters"] = model::ParameterLayout(config).parameters();
  details["dtype"] = bench.options.dtype;
  details["products"] = bench.options.products;
}

class Inference {
 public:
  Inference(Bench& bench, ModelConfig cut)
      : bench_(bench),
        config_(std::move(cut)),
        layout_(config_),
        demand_(cli::DemandOf(config_, layout_, bench.dtype())) {
    const double begin = NowSeconds();
    weights_ = DrawWeights(config_, layout_, bench.device, {.dtype = bench.dtype()});
    bench.device.Finish();
    seconds_ = NowSeconds() - begin;
    hybrid_ = std::make_unique<model::HybridModel>(config_, layout_, bench.device);
  }

  void ReportWeights() {
    const int64_t bytes = WeightBytes(config_, bench_.dtype());
    Figure figure{.name = "weights",
                  .value = static_cast<double>(layout_.parameters()) * 4 / seconds_ / 1e9,
                  .unit = "GB/s"};
    figure.details = {{"seconds", seconds_},
                      {"bytes_on_device", bytes},
                      {"counted", "float32 values drawn, brought over and packed"}};
    AddModel(bench_, config_, figure.details);
    bench_.Print(std::move(figure));
  }

  void Decode(int64_t batch, int64_t context);
  void Prefill(int64_t tokens);

 private:
  // What one step must move: weights once, every state twice, keys and values once.
  double StepBytes(int64_t batch, int64_t context) const {
    double keys = 0;
    for (const model::LayerConfig& layer : config_.layers) {
      keys += 2.0 * sizeof(float) * static_cast<double>(layer.kv_width() * context);
    }
    return demand_.StepBytes(batch) + static_cast<double>(batch) * (2 * demand_.state_bytes + keys);
  }
  bool Finite(View<const float> logits) const {
    std::vector<float> values(static_cast<size_t>(logits.rows * logits.cols));
    bench_.device.Copy(values.data(), logits.data,
                       static_cast<int64_t>(values.size() * sizeof(float)));
    bench_.device.Finish();
    return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
  }
  void CheckFinite(View<const float> logits, Figure& figure) {
    const bool finite = Finite(logits);
    figure.details["finite"] = finite;
    bench_.failed = bench_.failed || !finite;
  }

  Bench& bench_;
  const ModelConfig config_;
  const model::ParameterLayout layout_;
  const cli::Demand demand_;
  std::unique_ptr<model::Weights> weights_;
  std::unique_ptr<model::HybridModel> hybrid_;
  double seconds_ = 0;  // drawing and packing
};

void Inference::Decode(int64_t batch, int64_t context) {
  kernels::Device& device = bench_.device;
  const std::vector<int32_t> past = DrawTokens(config_, context);
  const std::vector<int32_t> next = DrawTokens(config_, batch, 2);
  const kernels::Memory memory =
      device.Allocate(batch * config_.vocab_size * int64_t{sizeof(float)});
  const View<float> logits(memory.as<float>(), batch, config_.vocab_size);

  // All have the same past; what they read and write is their own from here on.
  SequenceState first(config_, device);
  const Slice prompt{&first, past};
  hybrid_->Extend(*weights_, {&prompt, 1}, {});
  std::vector<SequenceState> states;
  for (int64_t i = 0; i < batch; ++i) states.push_back(first.Fork());
  std::vector<Slice> slices;
  for (int64_t i = 0; i < batch; ++i) slices.push_back({&states[i], std::span(next).subspan(i, 1)});
  const auto step = [&] {
    hybrid_->Extend(*weights_, slices, logits);
    device.ops().log_softmax(device.stream(), logits, 1.0f, nullptr);
    device.Finish();
  };
  const int steps_max = bench_.gpu() && config_.layers.size() > 8 ? 64 : 8;
  step();  // the first of its kind is asked for kernel by kernel, the second recorded
  step();
  const kernels::RepeatCounts before = device.repeat_counts();
  const Times times = Measure(bench_.Runs(4, steps_max), step);
  const kernels::RepeatCounts after = device.repeat_counts();

  const double bytes = StepBytes(batch, context);
  const double bandwidth = bench_.peaks().bandwidth;
  const std::string name = bench_.gpu() && !device.repeats() ? "decode-without-graphs" : "decode";
  Figure figure{.name = name,
                .value = static_cast<double>(batch) / times.median(),
                .unit = "tokens/s",
                .limit = static_cast<double>(batch) * bandwidth / bytes,
                .formula =
                    "batch * copy bandwidth / bytes of a step (weights once, states read "
                    "and written, keys and values read)"};
  figure.details = {{"key", absl::StrCat(name, " b", batch, " c", context)},
                    {"batch", batch},
                    {"context", context},
                    {"bytes_per_step", bytes},
                    {"weight_bytes_per_step", demand_.StepBytes(batch)},
                    {"gbytes_per_second", bytes / times.median() / 1e9},
                    {"copy_bandwidth_gbytes", bandwidth / 1e9},
                    {"state_mbytes_per_sequence", static_cast<double>(first.bytes()) / 1e6}};
  if (const int64_t steps = after.steps - before.steps; steps > 0) {
    figure.details["steps_repeated"] = steps;
    figure.details["steps_launched_as_graphs"] = after.launched - before.launched;
    figure.details["graphs_recorded"] = after.recorded - before.recorded;
    figure.details["listing_microseconds_per_step"] =
        (after.listing_seconds - before.listing_seconds) / static_cast<double>(steps) * 1e6;
  }
  times.AddTo(figure.details);
  AddModel(bench_, config_, figure.details);
  CheckFinite(logits, figure);
  bench_.Print(std::move(figure));
}

void Inference::Prefill(int64_t tokens) {
  kernels::Device& device = bench_.device;
  const std::vector<int32_t> prompt = DrawTokens(config_, tokens);
  const kernels::Memory memory = device.Allocate(config_.vocab_size * int64_t{sizeof(float)});
  const View<float> logits(memory.as<float>(), 1, config_.vocab_size);
  const Times times = Measure(bench_.Runs(2, 10), [&] {
    SequenceState state(config_, device);
    const Slice slice{&state, prompt};
    hybrid_->Extend(*weights_, {&slice, 1}, logits);
    device.Finish();
  });
  // Half of all pairs of tokens, in the product with keys and in that with values.
  double attention = 0;
  for (const model::LayerConfig& layer : config_.layers) {
    attention += 2.0 * static_cast<double>(layer.q_width() * tokens) * static_cast<double>(tokens);
  }
  const double operations =
      static_cast<double>(tokens) * (2 * demand_.body + demand_.scan_flops) + attention;
  const double peak = bench_.peaks().flops;
  Figure figure{.name = "prefill",
                .value = static_cast<double>(tokens) / times.median(),
                .unit = "tokens/s",
                .limit = static_cast<double>(tokens) * peak / operations,
                .formula = "measured GEMM peak / (2 body weights + recurrence + attention)"};
  figure.details = {{"key", absl::StrCat("prefill t", tokens)},
                    {"batch", 1},
                    {"tokens", tokens},
                    {"tflops", operations / times.median() / 1e12},
                    {"gemm_peak_tflops", peak / 1e12}};
  times.AddTo(figure.details);
  AddModel(bench_, config_, figure.details);
  CheckFinite(logits, figure);
  bench_.Print(std::move(figure));
}

}  // namespace

void MeasureInference(Bench& bench) {
  const Options& options = bench.options;
  const auto asked = [&](const char* name) {
    return std::find(options.what.begin(), options.what.end(), name) != options.what.end();
  };
  const int64_t batch_max = *std::max_element(options.batch.begin(), options.batch.end());
  const int64_t context_max = *std::max_element(options.context.begin(), options.context.end());
  bench.peaks();  // before the memory is taken
  const auto budget = static_cast<int64_t>(kPlanned * static_cast<double>(bench.FreeBytes()));
  const size_t layers = LayersThatFit(bench.config, budget, [&](const ModelConfig& cut) {
    return InferenceBytes(cut, bench.dtype(), asked("decode") ? batch_max : 1, context_max,
                          options.prefill_tokens);
  });
  if (layers == 0) {
    Figure figure{.name = "weights", .unit = "GB/s"};
    figure.details = {{"skipped", "not one layer fits"}, {"free_bytes", bench.FreeBytes()}};
    bench.Print(std::move(figure));
    return;
  }
  Inference inference(bench, FirstLayers(bench.config, layers));
  if (asked("weights")) inference.ReportWeights();
  if (asked("prefill")) inference.Prefill(options.prefill_tokens);
  if (!asked("decode")) return;
  for (const int64_t batch : options.batch) {
    for (const int64_t context : options.context) inference.Decode(batch, context);
  }
}

}  // namespace temper::gpu_check
