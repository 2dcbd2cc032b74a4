// Times prefill, decode and training steps on random tokens; formulas are explained where they
// stand.
#include "orchestrator/cli/model_bench.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

#include "orchestrator/cli/device_peaks.h"
#include "orchestrator/cli/speed_limits.h"
#include "policy/model/device_floats.h"
#include "policy/model/hybrid_model.h"

namespace temper::cli {

using kernels::View;

namespace {

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class Work>
double Time(Work work) {
  const double start = Seconds();
  work();
  return Seconds() - start;
}

double Median(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  const size_t middle = seconds.size() / 2;
  return seconds.size() % 2 == 1 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2;
}

// A model ready to compute.
struct Setting {
  Setting(const BenchModel& model, kernels::Device& device, const BenchOptions& options)
      : device(device),
        demand(DemandOf(model.config, model.layout, options.dtype)),
        weights(model.layout, device, model.values, {.dtype = options.dtype}),
        hybrid(model.config, model.layout, device) {}
  // For training: packed from values of the device.
  Setting(const BenchModel& model, model::DeviceFloats& values, kernels::Device& device,
          const BenchOptions& options)
      : device(device),
        demand(DemandOf(model.config, model.layout, options.dtype)),
        weights(model.layout, device, values.device(),
                {.backward = true, .dtype = options.dtype, .values = kernels::Place::kDevice}),
        hybrid(model.config, model.layout, device) {}

  kernels::Device& device;
  Demand demand;
  model::Weights weights;
  model::HybridModel hybrid;
};

kernels::Memory LogitsMemory(const Setting& setting, int64_t floats) {
  return setting.device.Allocate(floats * static_cast<int64_t>(sizeof(float)));
}

// Measured after the work: what measuring allocates is no part of its memory.
Peaks PeaksOf(const Setting& setting, const BenchOptions& options, nlohmann::json& details) {
  const Peaks peaks = MeasurePeaks(setting.device, options.dtype);
  details["gemm_peak_gflops"] = peaks.flops / 1e9;
  details["read_bandwidth_gbytes"] = peaks.bandwidth / 1e9;
  details["scan_us_per_token"] = ScanSeconds(setting.demand, peaks) * 1e6;
  return peaks;
}

std::vector<int32_t> DrawTokens(const model::ModelConfig& config, int64_t count) {
  std::mt19937 random(1);
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % config.vocab_size);
  return tokens;
}

Measurement Report(std::string name, const Setting& setting, const BenchOptions& options,
                   double tokens, const std::vector<double>& seconds) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  Measurement result{.name = std::move(name), .value = tokens / Median(seconds)};
  result.details = {
      {"dtype", options.dtype == kernels::Dtype::kBFloat16 ? "bfloat16" : "float32"},
      {"device", setting.device.ops().backend},
      {"threads", setting.device.threads()},
      {"batch", options.batch},
      {"tokens", options.tokens},
      {"runs", seconds.size()},
      {"seconds", Median(seconds)},
      {"seconds_min", *std::min_element(seconds.begin(), seconds.end())},
      {"seconds_max", *std::max_element(seconds.begin(), seconds.end())},
      {"parameters_without_embedding", setting.demand.weights()},
      {"peak_memory_mbytes", usage.ru_maxrss / 1024},
  };
  return result;
}

}  // namespace

Measurement BenchPrefill(const BenchModel& model, kernels::Device& device,
                         const BenchOptions& given) {
  BenchOptions options = given;
  if (options.batch == 0) options.batch = 1;
  if (options.tokens == 0) options.tokens = 512;
  Setting setting(model, device, options);
  const std::vector<int32_t> tokens = DrawTokens(model.config, options.batch * options.tokens);
  const kernels::Memory logits = LogitsMemory(setting, options.batch * model.config.vocab_size);
  std::vector<double> seconds;
  for (int run = 0; run <= options.runs; ++run) {
    std::vector<model::SequenceState> states;
    for (int64_t i = 0; i < options.batch; ++i) states.emplace_back(model.config, setting.device);
    std::vector<model::Slice> slices;
    for (int64_t i = 0; i < options.batch; ++i) {
      slices.push_back({&states[i], std::span(tokens).subspan(i * options.tokens, options.tokens)});
    }
    const double time = Time([&] {
      setting.hybrid.Extend(
          setting.weights, slices,
          View<float>(logits.as<float>(), options.batch, model.config.vocab_size));
      setting.device.Finish();
    });
    if (run > 0) seconds.push_back(time);  // the first one warms up
  }
  Measurement result = Report("prefill", setting, options,
                              static_cast<double>(options.batch * options.tokens), seconds);
  const Peaks peaks = PeaksOf(setting, options, result.details);
  result.limit = PrefillLimit(setting.demand, peaks);
  result.formula = "1 / (2 body weights / peak + scan), scan = 3 multiply-adds per state element";
  return result;
}

Measurement BenchDecode(const BenchModel& model, kernels::Device& device,
                        const BenchOptions& given) {
  BenchOptions options = given;
  if (options.batch == 0) options.batch = 32;
  if (options.tokens == 0) options.tokens = 32;
  if (options.context == 0) options.context = 128;
  Setting setting(model, device, options);
  const int64_t vocab = model.config.vocab_size;
  const std::vector<int32_t> context = DrawTokens(model.config, options.context);
  const std::vector<int32_t> tokens = DrawTokens(model.config, options.batch);
  const kernels::Memory logits = LogitsMemory(setting, options.batch * vocab);
  const View<float> view(logits.as<float>(), options.batch, vocab);

  std::vector<model::SequenceState> states;
  for (int64_t i = 0; i < options.batch; ++i) {
    const model::Slice slice{&states.emplace_back(model.config, setting.device), context};
    setting.hybrid.Extend(setting.weights, {&slice, 1}, {});
  }
  std::vector<model::Slice> slices;
  for (int64_t i = 0; i < options.batch; ++i) {
    slices.push_back({&states[i], std::span(tokens).subspan(i, 1)});
  }
  const auto step = [&] {
    setting.hybrid.Extend(setting.weights, slices, view);
    setting.device.ops().log_softmax(setting.device.stream(), view, 1.0f, nullptr);
    setting.device.Finish();
  };
  step();
  std::vector<double> seconds;
  for (int run = 0; run < options.runs; ++run) {
    seconds.push_back(Time([&] {
      for (int64_t i = 0; i < options.tokens; ++i) step();
    }));
  }
  Measurement result = Report("decode", setting, options,
                              static_cast<double>(options.batch * options.tokens), seconds);
  const Peaks peaks = PeaksOf(setting, options, result.details);
  if (!device.shares_host_memory()) {
    result.limit = StreamedDecodeLimit(setting.demand, peaks, options.batch);
    result.formula = "B bandwidth / (weight bytes + 2 B state bytes)";
  } else if (options.batch == 1) {
    result.limit = DecodeLimit(setting.demand, peaks, options.batch);
    result.formula = "bandwidth / (weight bytes + 2 state bytes)";
  } else {
    result.limit = DecodeLimit(setting.demand, peaks, options.batch);
    result.formula =
        "B / (max(weight bytes / bandwidth, 2 B weights / peak) + B scan), "
        "scan = 3 multiply-adds per state element";
  }
  result.details["context"] = options.context;
  result.details["state_mbytes_per_sequence"] = states.front().bytes() / 1e6;
  result.details["state_traffic_ms_per_step"] =
      1e3 * options.batch * 2 * setting.demand.state_bytes / peaks.bandwidth;
  return result;
}

namespace {

// A learner's arrays and what one step takes.
class TrainStep {
 public:
  TrainStep(const BenchModel& model, const BenchOptions& options, Setting& setting,
            model::DeviceFloats& values)
      : setting_(setting),
        values_(values),
        gradients_(setting.device, model.layout.size()),
        m_(setting.device, model.layout.size()),
        v_(setting.device, model.layout.size()) {
    batch_.tokens = DrawTokens(model.config, options.batch * options.tokens);
    for (int64_t i = 0; i < options.batch; ++i) {
      const int64_t begin = i * options.tokens;
      batch_.segments.push_back({.begin = begin, .length = options.tokens});
      for (int64_t row = begin; row + 1 < begin + options.tokens; ++row) {
        batch_.prediction_rows.push_back(static_cast<int32_t>(row));
        batch_.prediction_targets.push_back(batch_.tokens[row + 1]);
      }
    }
  }

  // Gradients of the mean negative log-likelihood.
  void Gradients() {
    gradients_.Zero();
    const float weight = -1.0f / static_cast<float>(batch_.prediction_rows.size());
    setting_.hybrid.Train(
        setting_.weights, batch_,
        [&](int64_t, std::span<const float>, std::span<const float>, std::span<float> dlogprob,
            std::span<float>) { std::fill(dlogprob.begin(), dlogprob.end(), weight); },
        gradients_.device());
    setting_.device.Finish();
  }

  void Update() {
    const kernels::Ops& ops = setting_.device.ops();
    kernels::Stream& stream = setting_.device.stream();
    const double norm = std::sqrt(ops.sum_squares(stream, gradients_.device()));
    const kernels::AdamWStep step{.learning_rate = 1e-6f,
                                  .gradient_scale = static_cast<float>(1 / std::max(norm, 1.0)),
                                  .step = ++steps_};
    ops.adamw(stream, step, gradients_.device(), values_.device(), m_.device(), v_.device());
    setting_.device.Finish();
  }

  void Repack() { setting_.weights.Repack(values_.device(), kernels::Place::kDevice); }

 private:
  Setting& setting_;
  model::PackedBatch batch_;
  model::DeviceFloats& values_;
  model::DeviceFloats gradients_, m_, v_;
  int64_t steps_ = 0;
};

}  // namespace

Measurement BenchTrainStep(const BenchModel& model, kernels::Device& device,
                           const BenchOptions& given) {
  BenchOptions options = given;
  if (options.batch == 0) options.batch = 2;
  if (options.tokens == 0) options.tokens = 256;
  model::DeviceFloats values(device, model.layout.size());
  std::ranges::copy(model.values, values.host().begin());
  values.ToDevice();
  Setting setting(model, values, device, options);
  TrainStep train(model, options, setting, values);
  std::vector<double> gradient_seconds, update_seconds, repack_seconds, seconds;
  for (int run = 0; run <= options.runs; ++run) {
    const double gradient = Time([&] { train.Gradients(); });
    const double update = Time([&] { train.Update(); });
    const double repack = Time([&] { train.Repack(); });
    if (run == 0) continue;  // warms up
    gradient_seconds.push_back(gradient);
    update_seconds.push_back(update);
    repack_seconds.push_back(repack);
    seconds.push_back(gradient + update + repack);
  }
  const double tokens = static_cast<double>(options.batch * options.tokens);
  Measurement result = Report("train-step", setting, options, tokens, seconds);
  const Peaks peaks = PeaksOf(setting, options, result.details);
  result.limit = TrainLimit(setting.demand, peaks);
  result.formula =
      "1 / (6 weights / (0.9 peak) + 4 scan): forward and backward only, the value pays for all";
  // Gradient read twice, parameter and both moments read and written.
  const double moved = 8 * sizeof(float) * static_cast<double>(model.layout.size());
  result.details["forward_backward_tokens_per_second"] = tokens / Median(gradient_seconds);
  result.details["seconds_forward_backward"] = Median(gradient_seconds);
  result.details["seconds_optimizer"] = Median(update_seconds);
  result.details["seconds_repack"] = Median(repack_seconds);
  result.details["seconds_optimizer_limit"] = moved / peaks.bandwidth;
  return result;
}

}  // namespace temper::cli
