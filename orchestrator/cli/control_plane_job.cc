// Files of the bench's run, and the disk's own speed.
#include "orchestrator/cli/control_plane_job.h"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"

namespace temper::cli {
namespace {

using nlohmann::json;

constexpr int kProblems = 1000;

std::string Utf8(int code) {
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

// One token a byte. Bytes that do not print are written as the characters from 256 on.
json ByteTokenizer() {
  json vocabulary = {{"</s>", 0}};
  int shifted = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
    vocabulary[Utf8(prints ? byte : shifted++)] = byte + 1;
  }
  return {
      {"version", "1.0"},
      {"added_tokens",
       {{{"id", 0},
         {"content", "</s>"},
         {"single_word", false},
         {"lstrip", false},
         {"rstrip", false},
         {"normalized", false},
         {"special", true}}}},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", std::move(vocabulary)}, {"merges", json::array()}}}};
}

json TinyModel() {
  return {{"model_type", "nemotron_h"},
          {"hybrid_override_pattern", "M-*-"},
          {"num_hidden_layers", 4},
          {"vocab_size", 257},
          {"hidden_size", 32},
          {"intermediate_size", 64},
          {"num_attention_heads", 2},
          {"num_key_value_heads", 1},
          {"head_dim", 16},
          {"mamba_num_heads", 2},
          {"mamba_head_dim", 16},
          {"n_groups", 1},
          {"ssm_state_size", 16},
          {"conv_kernel", 4},
          {"layer_norm_epsilon", 1e-5},
          {"tie_word_embeddings", false},
          {"eos_token_id", 0}};
}

json EndlessSpec(const ControlPlaneBenchOptions& options) {
  constexpr int kNever = 1000000;
  return {{"name", "control-plane"},
          {"init", "config.json"},
          {"dataset", {{"path", "problems.jsonl"}}},
          {"rubric", {{"parts", {{{"verifier", "answer"}}}}}},
          {"steps", kNever},
          {"prompts_per_step", options.groups},
          {"group_size", options.group_size},
          {"max_tokens", options.tokens},
          {"fleet",
           {{"rollout_workers", options.rollout_workers},
            {"sequences_max", options.groups * options.group_size / options.rollout_workers + 1}}},
          {"checkpoint", {{"every", kNever}}}};
}

}  // namespace

absl::StatusOr<std::string> WriteControlPlaneJob(const std::string& folder,
                                                 const ControlPlaneBenchOptions& options) {
  std::string problems;
  for (int i = 0; i < kProblems; ++i) {
    const json line = {{"id", absl::StrCat("problem-", i)},
                       {"prompt", absl::StrCat("What is ", i, " + ", 7 * i,
                                               "? Think step by step and end with the answer.")},
                       {"answer", absl::StrCat(8 * i)}};
    absl::StrAppend(&problems, line.dump(), "\n");
  }
  const std::string spec = JoinPath(folder, "spec.json");
  TEMPER_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "problems.jsonl"), problems));
  TEMPER_RETURN_IF_ERROR(
      WriteFileAtomically(JoinPath(folder, "tokenizer.json"), ByteTokenizer().dump()));
  TEMPER_RETURN_IF_ERROR(WriteFileAtomically(JoinPath(folder, "config.json"), TinyModel().dump(1)));
  TEMPER_RETURN_IF_ERROR(WriteFileAtomically(spec, EndlessSpec(options).dump(1)));
  return spec;
}

absl::StatusOr<AppendRate> MeasureAppends(const std::string& folder, int64_t bytes,
                                          int records_per_sync) {
  const std::string path = JoinPath(folder, "appends");
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.open()) return ErrnoStatus(path, "cannot create");
  const std::string block(static_cast<size_t>(bytes * records_per_sync), 'x');
  const absl::Time start = absl::Now();
  int64_t syncs = 0;
  while (absl::Now() - start < absl::Seconds(1)) {
    if (write(fd.get(), block.data(), block.size()) != static_cast<ssize_t>(block.size()) ||
        fdatasync(fd.get()) != 0) {
      return ErrnoStatus(path, "cannot write");
    }
    ++syncs;
  }
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  unlink(path.c_str());
  const double rate = static_cast<double>(syncs) / seconds;
  return AppendRate{rate * records_per_sync, rate, rate * static_cast<double>(block.size()) / 1e6};
}

}  // namespace temper::cli
