// Counts places and bytes, so that a sequence which has started can always end.
//
// A sample's bytes are taken at its full length before it starts; nothing is evicted in mid-life.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "kernels/device.h"
#include "policy/model/config.h"

namespace temper::rollout {

// What one sequence's state costs in a model.
struct StateSizes {
  int64_t fixed = 0;        // bytes of convolution windows and SSM states
  int64_t page = 0;         // bytes of one key/value page over all attention layers
  int64_t page_tokens = 1;  // tokens of a page

  int64_t Pages(int64_t tokens) const { return (tokens + page_tokens - 1) / page_tokens; }
};
StateSizes SizesOf(const model::ModelConfig& config, kernels::Device& device);

class Accounts {
 public:
  struct Limits {
    int sequences_max = 64;
    int64_t bytes_max = int64_t{4} << 30;  // of sequence states
  };

  Accounts(StateSizes sizes, Limits limits) : sizes_(sizes), limits_(limits) {}

  // The prompt's end state, held until its group ends.
  int64_t PromptBytes(int64_t prompt_tokens) const;
  // What one sample adds at most: its own fixed state, of which it shares the prompt's boundary
  // states until its chunk ends, and the pages after the prompt's last full one.
  int64_t SampleBytes(int64_t prompt_tokens, int64_t max_tokens) const;
  // RESOURCE_EXHAUSTED when not even one such sample fits an empty engine.
  absl::Status Fits(int64_t prompt_tokens, int64_t max_tokens) const;

  // Takes one place and `bytes`; false, and nothing taken, when either is missing.
  bool Take(int64_t bytes);
  // For what holds no place; false, and nothing taken, when they are missing.
  bool TakeBytes(int64_t bytes);
  void Give(int64_t places, int64_t bytes);

  int64_t places_taken() const { return places_; }
  int64_t bytes_taken() const { return bytes_; }
  int64_t bytes_max() const { return limits_.bytes_max; }

 private:
  const StateSizes sizes_;
  const Limits limits_;
  int64_t places_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace temper::rollout
