// A small hybrid model with lively weights and a byte tokenizer, for tests of rollout.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/philox.h"
#include "kernels/device.h"
#include "nlohmann/json.hpp"
#include "policy/model/hybrid_model.h"
#include "policy/model/parameters.h"
#include "policy/model/tokenizer/tokenizer.h"
#include "rollout/engine/engine.h"
#include "tests/kernels/test_device.h"

namespace temper::rollout {

// All three layer kinds; 256 bytes, <s> and </s>, and two ids that no tokenizer knows.
inline constexpr int32_t kBos = 256, kEos = 257, kVocab = 260;

inline model::ModelConfig TinyConfig() {
  model::ModelConfig config;
  config.vocab_size = kVocab;
  config.hidden_size = 32;
  config.eos_token_ids = {kEos};
  const model::LayerConfig mamba{.kind = model::LayerKind::kMamba,
                                 .heads = 4,
                                 .head_dim = 8,
                                 .state = 16,
                                 .groups = 2,
                                 .conv_taps = 4};
  const model::LayerConfig attention{
      .kind = model::LayerKind::kAttention, .q_heads = 4, .kv_heads = 2, .attention_head_dim = 8};
  config.layers = {mamba, {.kind = model::LayerKind::kMlp, .intermediate = 48}, attention, mamba};
  return config;
}

// Fresh values with a head that makes some tokens much likelier than others.
inline std::vector<float> LivelyValues(const model::ModelConfig& config,
                                       const model::ParameterLayout& layout, uint64_t seed) {
  std::vector<float> values(layout.size());
  model::Initialize(config, layout, seed, values);
  for (const model::ParameterSpec& spec : layout.specs()) {
    const float gain = spec.offset == layout.head() ? 20.0f : spec.decayed ? 5.0f : 1.0f;
    for (int64_t i = 0; i < spec.size; ++i) values[spec.offset + i] *= gain;
  }
  return values;
}

// Byte-level BPE without a merge: one token a byte, the byte's value its id, then <s> and </s>.
inline std::unique_ptr<model::Tokenizer> ByteTokenizer() {
  nlohmann::json vocabulary;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    const int code = printable ? byte : next++;
    std::string symbol;
    if (code < 128) {
      symbol = static_cast<char>(code);
    } else {
      symbol = {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
    }
    vocabulary[symbol] = byte;
  }
  const auto special = [](int id, const char* content) {
    return nlohmann::json{
        {"id", id},        {"content", content},  {"special", true},     {"lstrip", false},
        {"rstrip", false}, {"normalized", false}, {"single_word", false}};
  };
  const nlohmann::json byte_level = {{"type", "ByteLevel"},
                                     {"add_prefix_space", false},
                                     {"trim_offsets", true},
                                     {"use_regex", true}};
  const nlohmann::json file = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", {special(kBos, "<s>"), special(kEos, "</s>")}},
      {"normalizer", nullptr},
      {"pre_tokenizer", byte_level},
      {"post_processor", nullptr},
      {"decoder", byte_level},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}}}};
  auto tokenizer = model::Tokenizer::Parse(file.dump(), "byte tokenizer");
  if (!tokenizer.ok()) std::fprintf(stderr, "%s\n", tokenizer.status().ToString().c_str());
  TEMPER_CHECK(tokenizer.ok());
  return *std::move(tokenizer);
}

inline std::shared_ptr<const WeightValues> Share(const std::vector<float>& values) {
  auto shared =
      std::make_shared<WeightValues>(WeightValues::Allocate(static_cast<int64_t>(values.size())));
  std::memcpy(shared->writable().data(), values.data(), values.size() * sizeof(float));
  return shared;
}

// The model, ready to sample version 1.
struct TinyRollout {
  explicit TinyRollout(const Engine::Options& options = {}, int threads = 1, uint64_t seed = 7)
      : layout(config),
        values(LivelyValues(config, layout, seed)),
        tokenizer(ByteTokenizer()),
        device(kernels::OpenTestDevice(threads)),
        engine({config, layout, tokenizer.get(), *device}, options) {
    engine.SetWeights(1, Share(values));
  }

  model::ModelConfig config = TinyConfig();
  const model::ParameterLayout layout;
  const std::vector<float> values;
  const std::unique_ptr<model::Tokenizer> tokenizer;
  const std::unique_ptr<kernels::Device> device;
  Engine engine;
};

// Keeps what came; strict: nothing may come after the end, and no sample twice.
class KeepingSink : public EpisodeSink {
 public:
  void Deliver(Episode episode) override {
    TEMPER_CHECK(!ended.has_value());
    const int32_t sample = episode.sample;
    TEMPER_CHECK(episodes.emplace(sample, std::move(episode)).second);
  }
  void Done(const absl::Status& status) override {
    TEMPER_CHECK(!ended.has_value());
    ended = status;
  }
  bool cancelled() const override { return cancel; }

  std::map<int32_t, Episode> episodes;
  std::optional<absl::Status> ended;
  bool cancel = false;
};

inline GroupRequest RequestOf(std::vector<int32_t> prompt, int samples, int64_t max_tokens,
                              std::shared_ptr<EpisodeSink> sink) {
  GroupRequest request{.group_id = 5,
                       .prompt_id = absl::StrCat("prompt of ", prompt.size()),
                       .prompt_tokens = std::move(prompt),
                       .sampling = {.max_tokens = max_tokens, .seed = 11},
                       .version = 1,
                       .sink = std::move(sink)};
  for (int sample = 0; sample < samples; ++sample) request.samples.push_back(sample);
  return request;
}

}  // namespace temper::rollout
