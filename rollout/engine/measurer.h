// Measures given tokens between the steps of sampling: their log-probabilities, or a reward head's
// value.
//
// One measurement at a time, first come, first served, a bounded piece a call, so that decoding
// waits for one piece at most. The prompt goes through the model once and its end state is forked
// for each continuation. What comes out has the bits that scoring the whole sequence gives,
// whatever runs beside it. Used on the engine's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "kernels/device.h"
#include "policy/model/config.h"
#include "policy/model/hybrid_model.h"
#include "policy/model/sequence_state.h"
#include "policy/model/weights.h"
#include "rollout/engine/accounts.h"
#include "rollout/engine/request.h"

namespace temper::rollout {

class Measurer {
 public:
  struct Limits {
    int64_t piece_tokens = 512;  // that one call puts through the model
    int64_t waiting_max = 1024;  // measurements
  };
  // Everything borrowed outlives it.
  Measurer(const model::ModelConfig& config, kernels::Device& device, model::HybridModel& model,
           Accounts& accounts, const Limits& limits)
      : config_(config), device_(device), model_(model), accounts_(accounts), limits_(limits) {}

  // Appends to the line. `measurement` has its version and all its tokens, checked: a prompt, and
  // continuations of at least one each (none for a reward head). RESOURCE_EXHAUSTED: the line is
  // full, or it can never fit; the sink is not told.
  absl::Status Admit(Measurement measurement, std::shared_ptr<MeasureSink> sink);

  // Drops what was cancelled and works on the first in line for one piece. Returns the tokens that
  // went through the model: 0 when nothing waits, or when memory does not suffice yet.
  int64_t Step(const model::Weights& weights);
  // The first in line waits for memory that samples hold; new groups must let it go first.
  bool waits_for_memory() const { return waits_for_memory_; }

  // Ends all measurements with `status`.
  void Abandon(const absl::Status& status);
  bool empty() const { return line_.empty(); }
  int64_t size() const { return static_cast<int64_t>(line_.size()); }

 private:
  struct Task {
    Measurement measurement;
    std::shared_ptr<MeasureSink> sink;
    int64_t bytes = 0;  // of states, prompt and one fork
    bool holds_bytes = false;

    std::optional<model::SequenceState> state;  // of the prompt, so far
    int64_t prompt_done = 0;                    // tokens that went through the model
    size_t continuation = 0;                    // the one under way
    std::optional<model::SequenceState> fork;   // of it, so far
  };

  int64_t ExtendPrompt(const model::Weights& weights, Task& task);
  absl::Status EndPrompt(kernels::View<float> row, Measurement& measurement);
  int64_t ExtendContinuation(const model::Weights& weights, Task& task);
  // Moves on to a continuation that has more to measure; false when none is left.
  static bool FindContinuation(Task& task);
  void DropCancelled();
  // Answers and forgets the one at `place` of the line.
  void End(size_t place, const absl::Status& status);

  const model::ModelConfig& config_;
  kernels::Device& device_;
  model::HybridModel& model_;
  Accounts& accounts_;
  const Limits limits_;
  std::deque<Task> line_;
  bool waits_for_memory_ = false;
  kernels::Memory row_;           // [output_rows] after a prompt, the device's
  std::vector<float> host_row_;  // the same here
};

}  // namespace temper::rollout
