// A whole model on the device beside the same model on the CPU, and the device beside itself: a
// sequence has the same bits alone, among others, and cut into calls.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/gpu_check/bench_model.h"

namespace temper::gpu_check {

using kernels::Dtype;
using kernels::View;
using model::ModelConfig;
using model::SequenceState;
using model::Slice;

namespace {

constexpr int64_t kVocabMax = 2048;

// What one device makes of the tokens.
class Side {
 public:
  Side(const ModelConfig& config, const model::ParameterLayout& layout, kernels::Device& device,
       Dtype dtype)
      : config_(config),
        layout_(layout),
        device_(device),
        weights_(DrawWeights(config, layout, device, {.backward = true, .dtype = dtype})),
        hybrid_(config, layout, device) {}

  // Logits after the last token, the tokens given in calls of these lengths.
  std::vector<float> Logits(std::span<const int32_t> tokens, std::vector<size_t> lengths) {
    SequenceState state(config_, device_);
    std::vector<float> logits;
    for (size_t begin = 0, i = 0; begin < tokens.size(); begin += lengths[i++]) {
      const Slice slice{&state, tokens.subspan(begin, lengths[i])};
      logits = Extend({&slice, 1});
    }
    return logits;
  }
  // The same, in one call with another sequence before and after it.
  std::vector<float> LogitsAmongOthers(std::span<const int32_t> tokens,
                                       std::span<const int32_t> others) {
    SequenceState before(config_, device_), own(config_, device_), after(config_, device_);
    const Slice slices[] = {
        {&before, others.first(others.size() / 3)}, {&own, tokens}, {&after, others}};
    const std::vector<float> all = Extend(slices);
    return {all.begin() + config_.vocab_size, all.begin() + 2 * config_.vocab_size};
  }

  std::vector<float> Gradients(std::span<const int32_t> tokens) {
    model::PackedBatch batch;
    batch.tokens.assign(tokens.begin(), tokens.end());
    const auto half = static_cast<int64_t>(tokens.size()) / 2;
    batch.segments = {{.begin = 0, .length = half}, {.begin = half, .length = half}};
    for (int64_t row = 0; row + 1 < 2 * half; ++row) {
      if (row + 1 == half) continue;
      batch.prediction_rows.push_back(static_cast<int32_t>(row));
      batch.prediction_targets.push_back(batch.tokens[row + 1]);
    }
    const int64_t bytes = layout_.size() * int64_t{sizeof(float)};
    const kernels::Memory memory = device_.Allocate(bytes);
    device_.Zero(memory.as<float>(), bytes);
    hybrid_.Train(
        *weights_, batch,
        [](int64_t first, std::span<const float> logprob, std::span<const float>,
           std::span<float> dlogprob, std::span<float> dentropy) {
          for (size_t i = 0; i < logprob.size(); ++i) {
            dlogprob[i] = (first + static_cast<int64_t>(i)) % 3 == 0 ? 1.0f : -0.5f;
            dentropy[i] = 0.01f;
          }
        },
        std::span(memory.as<float>(), static_cast<size_t>(layout_.size())));
    std::vector<float> gradients(static_cast<size_t>(layout_.size()));
    device_.Copy(gradients.data(), memory.as<float>(), bytes);
    device_.Finish();
    return gradients;
  }

 private:
  std::vector<float> Extend(std::span<const Slice> slices) {
    const auto rows = static_cast<int64_t>(slices.size());
    const int64_t bytes = rows * config_.vocab_size * int64_t{sizeof(float)};
    const kernels::Memory memory = device_.Allocate(bytes);
    hybrid_.Extend(*weights_, slices, View<float>(memory.as<float>(), rows, config_.vocab_size));
    std::vector<float> logits(static_cast<size_t>(rows * config_.vocab_size));
    device_.Copy(logits.data(), memory.as<float>(), bytes);
    device_.Finish();
    return logits;
  }

  const ModelConfig& config_;
  const model::ParameterLayout& layout_;
  kernels::Device& device_;
  const std::unique_ptr<model::Weights> weights_;
  model::HybridModel hybrid_;
};

// |got - want| / |want|, of whole vectors; infinity where `got` is not finite.
double Difference(std::span<const float> got, std::span<const float> want) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double gap = static_cast<double>(got[i]) - want[i];
    if (!std::isfinite(gap)) return INFINITY;
    difference += gap * gap;
    size += static_cast<double>(want[i]) * want[i];
  }
  return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

int64_t OtherBits(std::span<const float> a, std::span<const float> b) {
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) count += std::memcmp(&a[i], &b[i], sizeof(float)) != 0;
  return count;
}

void Report(Bench& bench, const char* name, const char* unit, double value, double limit,
            nlohmann::json details) {
  const bool passed = value <= limit;
  details["passed"] = passed;
  bench.failed = bench.failed || !passed;
  // JSON has no infinity.
  if (!std::isfinite(value)) details["not_finite"] = true;
  bench.Print({.name = name,
               .value = std::isfinite(value) ? value : 1e30,
               .unit = unit,
               .limit = limit,
               .details = std::move(details)});
}

void CheckAt(Bench& bench, const ModelConfig& config, Dtype dtype, int64_t tokens) {
  const bool half = dtype == Dtype::kBFloat16;
  const model::ParameterLayout layout(config);
  nlohmann::json details = {{"pattern", config.Pattern()},
                            {"hidden", config.hidden_size},
                            {"tokens", tokens},
                            {"dtype", half ? "bfloat16" : "float32"},
                            {"products", bench.options.products}};
  const std::vector<int32_t> own = DrawTokens(config, tokens, 3);
  const std::vector<int32_t> others = DrawTokens(config, tokens + 7, 4);
  const auto size = static_cast<size_t>(tokens);
  std::vector<float> logits, gradients;
  {
    Side device(config, layout, bench.device, dtype);
    logits = device.Logits(own, {size});
    const int64_t cut =
        OtherBits(device.Logits(own, {1, size / 2, size - size / 2 - 2, 1}), logits);
    const int64_t packed = OtherBits(device.LogitsAmongOthers(own, others), logits);
    gradients = device.Gradients(own);
    const int64_t again = OtherBits(device.Gradients(own), gradients);
    details["cut_into_calls"] = cut;
    details["among_others"] = packed;
    details["gradients_again"] = again;
    Report(bench, "other-bits", "floats", static_cast<double>(cut + packed + again), 0, details);
  }
  const std::unique_ptr<kernels::Device> host = kernels::OpenCpuDevice(bench.options.threads);
  Side cpu(config, layout, *host, dtype);
  // A device may round the rows of a product with a bfloat16 weight, which the CPU does not.
  Report(bench, "logits-beside-cpu", "relative", Difference(logits, cpu.Logits(own, {size})),
         half ? 0.05 : 1e-4, details);
  const std::vector<float> want = cpu.Gradients(own);
  double worst = 0;
  for (const model::ParameterSpec& spec : layout.specs()) {
    const auto of_tensor = [&spec](const std::vector<float>& all) {
      return std::span(all).subspan(static_cast<size_t>(spec.offset),
                                    static_cast<size_t>(spec.size));
    };
    const double difference = Difference(of_tensor(gradients), of_tensor(want));
    if (difference < worst) continue;
    worst = difference;
    details["worst_tensor"] = spec.name;
  }
  Report(bench, "gradients-beside-cpu", "relative", worst, half ? 0.1 : 1e-3, details);
}

}  // namespace

void CheckAgreement(Bench& bench) {
  const ModelConfig config = OneOfEachKind(bench.config, kVocabMax);
  const int64_t tokens = config.hidden_size > 512 ? 150 : 40;
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kBFloat16}) {
    CheckAt(bench, config, dtype, tokens);
  }
}

}  // namespace temper::gpu_check
