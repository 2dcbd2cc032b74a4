// The model as sentences: embed, pass through the layers, end in the head; and the way back.
#include "policy/model/hybrid_model.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <variant>

#include "base/check.h"
#include "policy/model/blocks.h"
#include "policy/model/layers/attention_layer.h"
#include "policy/model/layers/head.h"
#include "policy/model/layers/linear_layer.h"
#include "policy/model/layers/mamba_layer.h"
#include "policy/model/layers/mlp_layer.h"
#include "policy/model/layers/moe_layer.h"
#include "policy/model/layers/pass.h"

namespace temper::model {

using kernels::Segment;
using kernels::View;

namespace {

using Layer = std::variant<MambaLayer, AttentionLayer, MlpLayer, MoeLayer, LinearLayer>;

Layer MakeLayer(const ModelConfig& config, const ParameterLayout& layout, int index) {
  const LayerOffsets& offsets = layout.layers()[index];
  switch (config.layers[index].kind) {
    case LayerKind::kMamba:
      return MambaLayer(config, offsets, index);
    case LayerKind::kAttention:
      return AttentionLayer(config, offsets, index);
    case LayerKind::kMoe:
      return MoeLayer(config, offsets, index);
    case LayerKind::kLinear:
      return LinearLayer(config, offsets, index);
    case LayerKind::kMlp:
      break;
  }
  return MlpLayer(config, offsets, index);
}

// Their rows.
int64_t CheckSegments(const PackedBatch& batch) {
  int64_t rows = 0;
  for (const Segment& segment : batch.segments) {
    TEMPER_CHECK(segment.begin == rows && segment.length > 0 && segment.position == 0);
    rows += segment.length;
  }
  TEMPER_CHECK(rows == static_cast<int64_t>(batch.tokens.size()));
  return rows;
}

void CheckBatch(const PackedBatch& batch) {
  const int64_t rows = CheckSegments(batch);
  TEMPER_CHECK(batch.prediction_rows.size() == batch.prediction_targets.size());
  TEMPER_CHECK(std::is_sorted(batch.prediction_rows.begin(), batch.prediction_rows.end()));
  TEMPER_CHECK(batch.prediction_rows.empty() ||
               (batch.prediction_rows.front() >= 0 && batch.prediction_rows.back() < rows));
}

// As many whole sequences from `first` on as kRowsMax rows hold, at least one.
struct WholeSequences {
  WholeSequences(const PackedBatch& batch, size_t first)
      : last(first), begin(batch.segments[first].begin), end(begin) {
    for (; last < batch.segments.size(); ++last) {
      const Segment& segment = batch.segments[last];
      if (last > first && segment.begin + segment.length - begin > kRowsMax) break;
      segments.push_back({.begin = segment.begin - begin, .length = segment.length});
      end = segment.begin + segment.length;
    }
  }
  size_t last;         // the first sequence that is not among them
  int64_t begin, end;  // rows
  std::vector<Segment> segments;
};

std::vector<int32_t> LastRows(std::span<const Segment> segments) {
  std::vector<int32_t> rows;
  for (const Segment& segment : segments) {
    rows.push_back(static_cast<int32_t>(segment.begin + segment.length - 1));
  }
  return rows;
}

}  // namespace

struct HybridModel::Scratch {
  Scratch(const ModelConfig& config, const ParameterLayout& layout, kernels::Device& device)
      : head(config, layout, device),
        work(device),
        passing(device),
        loads(config.layers.size()),
        hidden(device),
        normed(device),
        d_hidden(device),
        d_normed(device),
        values(device),
        first_slots(device, kernels::Place::kHost) {
    for (size_t i = 0; i < config.layers.size(); ++i) {
      layers.push_back(MakeLayer(config, layout, static_cast<int>(i)));
      kept.emplace_back(device);
    }
  }

  std::vector<Layer> layers;
  Head head;
  Workspace work;
  Activations passing;            // of every layer in turn, when there is no backward
  std::vector<Activations> kept;  // one a layer
  std::vector<std::vector<int64_t>> loads;
  Buffer hidden, normed, d_hidden, d_normed;
  Buffer values;       // of a reward head
  Buffer first_slots;  // [experts + 1] of each layer in turn that has experts, read here
  std::optional<SequenceState> filler;  // of rows that nobody reads; stays at its beginning
};

HybridModel::HybridModel(const ModelConfig& config, const ParameterLayout& layout,
                         kernels::Device& device)
    : config_(config),
      layout_(layout),
      device_(device),
      scratch_(std::make_unique<Scratch>(config, layout, device)) {
  ResetExpertLoads();
}

HybridModel::~HybridModel() = default;

View<float> HybridModel::Forward(const Pass& pass, std::span<const int32_t> tokens, Keep keep) {
  const int64_t rows = static_cast<int64_t>(tokens.size());
  const View<float> h = scratch_->hidden.Matrix(rows, config_.hidden_size);
  const View<float> u = scratch_->normed.Matrix(rows, config_.hidden_size);
  pass.weights.Embed(tokens, h);
  for (size_t i = 0; i < scratch_->layers.size(); ++i) {
    Activations& kept = keep == Keep::kAll ? scratch_->kept[i] : scratch_->passing;
    if (keep == Keep::kAll) {
      device_.Copy(kept.input.Floats(rows * h.cols), h.data,
                   rows * h.cols * static_cast<int64_t>(sizeof(float)));
    }
    pass.ops.rms_norm(pass.stream, h, pass.weights.at(layout_.layers()[i].norm),
                      config_.norm_epsilon, u, kept.rstd.Floats(rows));
    std::visit([&](const auto& layer) { layer.Forward(pass, u, h, kept, scratch_->work); },
               scratch_->layers[i]);
  }
  return h;
}

void HybridModel::Backward(const Pass& pass, std::span<const int32_t> tokens, View<float> dh,
                           float* gradients) {
  const View<float> u = scratch_->normed.Matrix(dh.rows, dh.cols);
  const View<float> du = scratch_->d_normed.Matrix(dh.rows, dh.cols);
  for (size_t i = scratch_->layers.size(); i-- > 0;) {
    Activations& kept = scratch_->kept[i];
    const int64_t norm = layout_.layers()[i].norm;
    const View<float> input = kept.input.Matrix(dh.rows, dh.cols);
    float* rstd = kept.rstd.Floats(dh.rows);
    pass.ops.rms_norm(pass.stream, input, pass.weights.at(norm), config_.norm_epsilon, u, rstd);
    std::visit(
        [&](const auto& layer) {
          layer.Backward(pass, u, dh, du, kept, scratch_->work, gradients);
        },
        scratch_->layers[i]);
    pass.ops.rms_norm_backward(pass.stream, input, pass.weights.at(norm), rstd, du, dh,
                               gradients + norm);
  }
  pass.ops.embed_backward(
      pass.stream, tokens, dh,
      View<float>(gradients + layout_.embeddings(), config_.vocab_size, config_.hidden_size));
}

const std::vector<std::vector<int64_t>>& HybridModel::expert_loads() const {
  return scratch_->loads;
}

void HybridModel::ResetExpertLoads() {
  for (size_t i = 0; i < scratch_->loads.size(); ++i) {
    scratch_->loads[i].assign(config_.layers[i].experts, 0);
  }
}

void HybridModel::FetchExperts() {
  int64_t count = 0;
  for (const LayerConfig& layer : config_.layers) count += layer.experts + 1;
  int32_t* to = scratch_->first_slots.Integers(count);
  for (size_t i = 0; i < config_.layers.size(); ++i) {
    if (config_.layers[i].experts == 0) continue;
    const int64_t size = config_.layers[i].experts + 1;
    device_.Copy(to, scratch_->kept[i].moe.first.Integers(size),
                 size * static_cast<int64_t>(sizeof(int32_t)));
    to += size;
  }
}

void HybridModel::CountExperts() {
  const int32_t* first = scratch_->first_slots.Integers(0);
  for (std::vector<int64_t>& load : scratch_->loads) {
    if (load.empty()) continue;
    for (size_t e = 0; e < load.size(); ++e) load[e] += first[e + 1] - first[e];
    first += load.size() + 1;
  }
}

SequenceState& HybridModel::Filler() {
  if (!scratch_->filler.has_value()) scratch_->filler.emplace(config_, device_);
  return *scratch_->filler;
}

void HybridModel::Extend(const Weights& weights, std::span<const Slice> slices,
                         View<float> logits) {
  TEMPER_CHECK(logits.empty() || (logits.rows >= static_cast<int64_t>(slices.size()) &&
                                  logits.cols == config_.output_rows()));
  BlockCutter cutter(slices);
  Block block;
  int64_t written = 0;
  while (cutter.Next(block)) {
    const size_t sequences = block.states.size(), ending = block.last_rows.size();
    const bool step = device_.repeats() && block.IsStep();
    if (step) {
      const auto own = static_cast<int64_t>(sequences);
      const int64_t rows = std::min(StepRows(own), logits.rows - written);
      if (rows > own) block.FillUp(Filler(), rows);
    }
    block.Reserve();
    const auto work = [&] {
      const Pass pass{device_, weights, block.segments, block.states};
      const View<float> h = Forward(pass, block.tokens, Keep::kNothing);
      const auto rows = static_cast<int64_t>(block.last_rows.size());
      if (logits.empty() || rows == 0) return;
      scratch_->head.Logits(pass, h, block.last_rows, logits.Rows(written, rows));
    };
    if (step) {
      device_.Repeat(work);
    } else {
      work();
    }
    block.Advance(sequences);
    written += static_cast<int64_t>(ending);
  }
}

void HybridModel::ScoreNext(const Weights& weights, const Slice& slice,
                            std::span<const int32_t> targets, std::span<float> logprob) {
  TEMPER_CHECK(!config_.reward_head);
  TEMPER_CHECK(targets.size() == slice.tokens.size() && logprob.size() == targets.size());
  BlockCutter cutter({&slice, 1});
  Block block;
  std::vector<int32_t> rows;
  for (size_t done = 0; cutter.Next(block); done += rows.size()) {
    const Pass pass{device_, weights, block.segments, block.states};
    block.Reserve();
    const View<float> h = Forward(pass, block.tokens, Keep::kNothing);
    block.Advance(block.states.size());
    rows.resize(block.tokens.size());
    std::iota(rows.begin(), rows.end(), 0);
    scratch_->head.Score(pass, h, {.rows = rows, .targets = targets.subspan(done, rows.size())},
                         logprob.subspan(done, rows.size()), {});
  }
}

void HybridModel::Score(const Weights& weights, const PackedBatch& batch, std::span<float> logprob,
                        std::span<float> entropy) {
  CheckBatch(batch);
  TEMPER_CHECK(!config_.reward_head);
  const size_t predictions = batch.prediction_rows.size();
  TEMPER_CHECK(logprob.size() == predictions && (entropy.empty() || entropy.size() == predictions));
  size_t done = 0;
  for (size_t first = 0, last; first < batch.segments.size(); first = last) {
    const WholeSequences some(batch, first);
    const int64_t begin = some.begin, end = some.end;
    last = some.last;
    const Pass pass{device_, weights, some.segments, {}};
    const View<float> h =
        Forward(pass, std::span(batch.tokens).subspan(begin, end - begin), Keep::kNothing);
    const auto past =
        std::lower_bound(batch.prediction_rows.begin() + done, batch.prediction_rows.end(), end);
    const size_t count = past - batch.prediction_rows.begin() - done;
    scratch_->head.Score(pass, h,
                         {.rows = std::span(batch.prediction_rows).subspan(done, count),
                          .targets = std::span(batch.prediction_targets).subspan(done, count),
                          .first_row = begin,
                          .temperature = batch.temperature},
                         logprob.subspan(done, count),
                         entropy.empty() ? entropy : entropy.subspan(done, count));
    done += count;
  }
}

void HybridModel::Train(const Weights& weights, const PackedBatch& batch, TokenLoss loss,
                        std::span<float> gradients) {
  CheckBatch(batch);
  TEMPER_CHECK(!config_.reward_head);
  TEMPER_CHECK(static_cast<int64_t>(gradients.size()) == layout_.size());
  if (batch.prediction_rows.empty()) return;
  const Pass pass{device_, weights, batch.segments, {}};
  const View<float> h = Forward(pass, batch.tokens, Keep::kAll);
  FetchExperts();
  const View<float> dh = scratch_->d_hidden.Matrix(h.rows, h.cols);
  ZeroMatrix(device_, dh);
  scratch_->head.Train(pass, h,
                       {.rows = batch.prediction_rows,
                        .targets = batch.prediction_targets,
                        .temperature = batch.temperature},
                       loss, dh, gradients.data());
  CountExperts();
  Backward(pass, batch.tokens, dh, gradients.data());
}

void HybridModel::Values(const Weights& weights, const PackedBatch& batch,
                         std::span<float> values) {
  CheckSegments(batch);
  TEMPER_CHECK(config_.reward_head && values.size() == batch.segments.size());
  for (size_t first = 0, last; first < batch.segments.size(); first = last) {
    const WholeSequences some(batch, first);
    last = some.last;
    const Pass pass{device_, weights, some.segments, {}};
    const View<float> h = Forward(
        pass, std::span(batch.tokens).subspan(some.begin, some.end - some.begin), Keep::kNothing);
    const auto count = static_cast<int64_t>(some.segments.size());
    const View<float> of_some = scratch_->values.Matrix(count, 1);
    scratch_->head.Logits(pass, h, LastRows(some.segments), of_some);
    device_.Copy(values.data() + first, of_some.data, count * static_cast<int64_t>(sizeof(float)));
    device_.Finish();
  }
}

void HybridModel::TrainValues(const Weights& weights, const PackedBatch& batch, ValueLoss loss,
                              std::span<float> gradients) {
  CheckSegments(batch);
  TEMPER_CHECK(config_.reward_head && !batch.segments.empty());
  TEMPER_CHECK(static_cast<int64_t>(gradients.size()) == layout_.size());
  const Pass pass{device_, weights, batch.segments, {}};
  const View<float> h = Forward(pass, batch.tokens, Keep::kAll);
  FetchExperts();
  const View<float> dh = scratch_->d_hidden.Matrix(h.rows, h.cols);
  ZeroMatrix(device_, dh);
  scratch_->head.TrainValues(pass, h, LastRows(batch.segments), loss, dh, gradients.data());
  CountExperts();
  Backward(pass, batch.tokens, dh, gradients.data());
}

}  // namespace temper::model
