// What a model remembers of one sequence: convolution windows, SSM states, key/value pages.
//
// Fork() shares key/value pages and SSM boundary states by reference and copies the rest, so a
// group's samples start from one prefill; the last page is copied by whoever goes on writing, and
// the next boundary state goes to a place of its own. Used on one loop thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/device.h"
#include "kernels/shapes.h"
#include "policy/model/config.h"

namespace temper::model {

// kAttentionTile rows of keys or values; immutable once full, then shared between forks.
using Page = kernels::Memory;

struct MambaState {
  kernels::Memory conv;  // [taps-1, conv_channels] floats
  // Parts of kernels::SsmState. `boundary` is missing before the first chunk's end; `next` is there
  // while a call writes a boundary that may not go where the last one lies.
  kernels::Memory running;
  std::shared_ptr<kernels::Memory> boundary, next;

  kernels::SsmState ssm() const;
};

struct AttentionState {
  std::vector<std::shared_ptr<Page>> keys, values;
  // Pointers into the pages, in the form that kernels::KeyValueTiles wants.
  std::vector<float*> key_tiles, value_tiles;
};

class SequenceState {
 public:
  // In memory of the device, which outlives it.
  SequenceState(const ModelConfig& config, kernels::Device& device);
  SequenceState(SequenceState&&) = default;
  SequenceState& operator=(SequenceState&&) = default;

  // An independent continuation of the same past.
  SequenceState Fork() const;

  int64_t position() const { return position_; }  // tokens seen
  // After a call for which Reserve() made room.
  void Advance(int64_t tokens);
  MambaState& mamba(int layer) { return mamba_[layer]; }  // by layer index of the model
  AttentionState& attention(int layer) { return attention_[layer]; }
  // Makes room for positions up to position() + tokens - 1; owns what they write alone.
  void Reserve(int64_t tokens);
  // Bytes held, what is shared counted in full.
  int64_t bytes() const;

 private:
  SequenceState() = default;
  void ReserveBoundary(const LayerConfig& layer, int64_t tokens, MambaState& state) const;

  const ModelConfig* config_ = nullptr;
  kernels::Device* device_ = nullptr;
  int64_t position_ = 0;
  std::vector<MambaState> mamba_;          // one per layer; empty for other kinds
  std::vector<AttentionState> attention_;  // one per layer; empty for other kinds
};

}  // namespace temper::model
