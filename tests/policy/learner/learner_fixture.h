// A small model folder, a run folder and batches sampled on the policy, for tests of the learner.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "nlohmann/json.hpp"
#include "policy/learner/batch.h"
#include "policy/learner/trainer.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/folder/model_folder_writer.h"
#include "policy/model/hybrid_model.h"
#include "policy/model/weights.h"
#include "temper/v1/learner.pb.h"
#include "tests/kernels/test_device.h"

namespace temper::learner {

// Removed with everything in it when the test ends.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = testing::TempDir() + "temper-learner-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return JoinPath(path_, name); }

 private:
  std::string path_;
};

inline constexpr int64_t kVocab = 259;

inline std::string TinyConfig() {
  return R"({"architectures": ["NemotronHForCausalLM"], "model_type": "nemotron_h",
    "hybrid_override_pattern": "M*-", "num_hidden_layers": 3, "vocab_size": 259, "hidden_size": 16,
    "intermediate_size": 24, "mlp_hidden_act": "relu2", "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 8, "mamba_num_heads": 4, "mamba_head_dim": 8,
    "n_groups": 2, "ssm_state_size": 8, "conv_kernel": 4, "layer_norm_epsilon": 1e-05,
    "tie_word_embeddings": false, "use_conv_bias": true, "use_bias": false, "mlp_bias": false,
    "attention_bias": false, "time_step_min": 0.001, "time_step_max": 0.1,
    "time_step_floor": 0.0001, "eos_token_id": 2, "pad_token_id": 0, "torch_dtype": "float32"})";
}

// A byte-level tokenizer without merges: <pad>, <s>, </s>, then the 256 bytes.
inline std::string TinyTokenizer() {
  nlohmann::ordered_json vocab = {{"<pad>", 0}, {"<s>", 1}, {"</s>", 2}};
  nlohmann::ordered_json added = nlohmann::ordered_json::array();
  for (const auto& [content, id] : vocab.items()) {
    added.push_back({{"id", id},
                     {"content", content},
                     {"special", true},
                     {"normalized", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"single_word", false}});
  }
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {  // GPT-2's alphabet: what does not print moves up
    const bool prints = (byte > 32 && byte < 127) || (byte > 160 && byte != 173);
    const int code = prints ? byte : next++;
    std::string text;
    if (code < 128) {
      text.push_back(static_cast<char>(code));
    } else {
      text.push_back(static_cast<char>(0xc0 | code >> 6));
      text.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    }
    vocab[text] = 3 + byte;
  }
  const nlohmann::ordered_json bytes = {{"type", "ByteLevel"},
                                        {"add_prefix_space", false},
                                        {"trim_offsets", true},
                                        {"use_regex", true}};
  return nlohmann::ordered_json{
      {"version", "1.0"},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer", bytes},
      {"post_processor", nullptr},
      {"decoder", bytes},
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", nlohmann::json::array()}}}}
      .dump();
}

// A model folder with fresh weights.
inline void MakeModelFolder(const std::string& path, uint64_t seed = 7,
                            const std::string& json = TinyConfig()) {
  const auto config = model::ParseModelConfig(json, "tiny");
  ASSERT_TRUE(config.ok()) << config.status();
  const model::ParameterLayout layout(*config);
  std::vector<float> values(layout.size());
  model::Initialize(*config, layout, seed, values);
  ASSERT_EQ(absl::OkStatus(), model::WriteModelFolder(path, "", *config, layout, values));
  ASSERT_EQ(absl::OkStatus(),
            WriteFileAtomically(JoinPath(path, "tokenizer.json"), TinyTokenizer()));
}

inline void FlipBit(const std::string& path, int64_t byte, int bit) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(byte);
  const char value = static_cast<char>(file.get() ^ (1 << bit));
  file.seekp(byte);
  file.put(value);
}

inline std::string ContentOf(const std::string& path) {
  const auto bytes = ReadFile(path);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.value_or("");
}

// Computes log-probabilities as a rollout worker would: its own model on the published weights.
class Sampler {
 public:
  explicit Sampler(const std::string& model_dir)
      : folder_(*model::OpenModelFolder(model_dir)),
        layout_(folder_.config),
        device_(kernels::OpenTestDevice(1)),
        model_(folder_.config, layout_, *device_) {}

  // Fills in the log-probabilities of an episode under the weights in `shared_path`.
  void Score(const std::string& shared_path, float temperature, v1::Episode& episode) {
    const auto file = MappedFile::Open(shared_path);
    ASSERT_TRUE(file.ok()) << file.status();
    const auto* floats = reinterpret_cast<const float*>(file->bytes().data());
    const model::Weights weights(layout_, *device_, std::span(floats, layout_.size()), {});
    Sequence sequence;
    sequence.tokens.assign(episode.prompt_tokens().begin(), episode.prompt_tokens().end());
    sequence.prompt_tokens = episode.prompt_tokens_size();
    sequence.tokens.insert(sequence.tokens.end(), episode.tokens().begin(), episode.tokens().end());
    const std::vector<int32_t> only = {0};
    const auto batches = Pack(std::span(&sequence, 1), only, 1 << 20, temperature);
    std::vector<float> logprobs(sequence.loss_tokens());
    model_.Score(weights, batches[0].packed, logprobs, {});
    episode.mutable_logprobs()->Assign(logprobs.begin(), logprobs.end());
  }

  const model::ModelConfig& config() const { return folder_.config; }
  const model::ParameterLayout& layout() const { return layout_; }
  kernels::Device& device() { return *device_; }
  model::HybridModel& model() { return model_; }

 private:
  const model::ModelFolder folder_;
  const model::ParameterLayout layout_;
  const std::unique_ptr<kernels::Device> device_;
  model::HybridModel model_;
};

inline v1::TrainOptions Options() {
  v1::TrainOptions options;
  options.set_learning_rate(1e-2);
  options.set_beta1(0.9);
  options.set_beta2(0.95);
  options.set_epsilon(1e-8);
  options.set_weight_decay(0.1);
  options.set_clip_norm(1.0);
  options.set_temperature(1.0);
  options.set_clip_low(0.2);
  options.set_clip_high(0.2);
  options.set_aggregation("sequence_mean");
  options.set_max_tokens(16);
  options.set_tokens_per_micro_batch(24);
  options.set_stop_on_mismatch(true);
  return options;
}

// Two groups of three episodes with tokens that depend on the step; advantages add up to 0.
inline v1::TrainRequest PolicyRequest(Sampler& sampler, const v1::WeightsManifest& manifest) {
  v1::TrainRequest request;
  request.set_step(manifest.version());
  *request.mutable_options() = Options();
  constexpr double kAdvantages[] = {1.0, -0.5, -0.5};
  for (int i = 0; i < 6; ++i) {
    v1::TrainEpisode& train = *request.mutable_policy()->add_episodes();
    v1::Episode& episode = *train.mutable_episode();
    episode.set_group_id(100 + i / 3);
    episode.set_sample(i % 3);
    const int64_t salt = manifest.version() * 31 + i * 7;
    for (int64_t t = 0; t < 4 + i / 3; ++t) episode.add_prompt_tokens((salt / 3 + t * 5) % kVocab);
    for (int64_t t = 0; t < 3 + i; ++t) episode.add_tokens((salt + t * t * 11) % kVocab);
    sampler.Score(manifest.shared_path(), 1.0f, episode);
    train.set_advantage(kAdvantages[i % 3]);
  }
  return request;
}

inline v1::TrainRequest SupervisedRequest(int64_t step) {
  v1::TrainRequest request;
  request.set_step(step);
  *request.mutable_options() = Options();
  for (int i = 0; i < 4; ++i) {
    v1::SupervisedExample& example = *request.mutable_supervised()->add_examples();
    example.set_prompt(absl::StrCat("What is ", step, " + ", i, "? "));
    example.set_response(absl::StrCat(step + i));
  }
  return request;
}

// A trainer with what it borrows.
struct Learner {
  static std::unique_ptr<Learner> Open(const std::string& run_dir, const std::string& model_dir,
                                       const std::string& shared_dir, int threads = 1) {
    auto learner = std::make_unique<Learner>();
    auto trainer = Trainer::Open({.run_dir = run_dir,
                                  .model_dir = model_dir,
                                  .learner_address = "127.0.0.1:1",
                                  .shared_dir = shared_dir,
                                  .device = kernels::TestDeviceName(),
                                  .threads = threads},
                                 learner->progress);
    EXPECT_TRUE(trainer.ok()) << trainer.status();
    if (!trainer.ok()) return nullptr;
    learner->trainer = *std::move(trainer);
    return learner;
  }

  const v1::WeightsManifest& manifest() const {
    held = trainer->store().newest();
    return *held;
  }
  // Where the version held lies as a file, which on a GPU must be made.
  std::string path() const {
    EXPECT_EQ(trainer->MakeFile(trainer->version()), absl::OkStatus());
    return trainer->store().AskForFile(trainer->version()).value_or("");
  }
  // The bytes of the version held.
  std::string weights() const { return ContentOf(path()); }

  std::atomic<int64_t> progress{0};
  std::unique_ptr<Trainer> trainer;
  mutable Manifest held;
};

}  // namespace temper::learner
