// Cutting, and filling steps up.
#include "policy/model/blocks.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace temper::model {

int64_t StepRows(int64_t sequences) {
  constexpr int64_t kStep = 8;
  const auto count = static_cast<uint64_t>(sequences);
  if (sequences <= kStep) return static_cast<int64_t>(std::bit_ceil(count));
  const auto below = static_cast<int64_t>(std::bit_floor(count));
  const int64_t step = std::max(kStep, below / kStep);
  return (sequences + step - 1) / step * step;
}

void Block::FillUp(SequenceState& filler, int64_t rows) {
  for (auto row = static_cast<int64_t>(tokens.size()); row < rows; ++row) {
    tokens.push_back(0);
    segments.push_back({.begin = row, .length = 1, .position = 0});
    states.push_back(&filler);
    last_rows.push_back(static_cast<int32_t>(row));
  }
}

void Block::Reserve() const {
  for (size_t s = 0; s < states.size(); ++s) states[s]->Reserve(segments[s].length);
}

void Block::Advance(size_t count) const {
  for (size_t s = 0; s < count; ++s) states[s]->Advance(segments[s].length);
}

bool BlockCutter::Next(Block& block) {
  block = Block();
  while (slice_ < slices_.size() && static_cast<int64_t>(block.tokens.size()) < kRowsMax) {
    Cut(block);
  }
  return !block.segments.empty();
}

void BlockCutter::Cut(Block& block) {
  const Slice& slice = slices_[slice_];
  TEMPER_CHECK(!slice.tokens.empty());
  const int64_t begin = static_cast<int64_t>(block.tokens.size());
  const int64_t left = static_cast<int64_t>(slice.tokens.size()) - taken_;
  const int64_t length = std::min(left, kRowsMax - begin);
  const auto first = slice.tokens.begin() + taken_;
  block.tokens.insert(block.tokens.end(), first, first + length);
  block.segments.push_back({.begin = begin, .length = length, .position = slice.state->position()});
  block.states.push_back(slice.state);
  taken_ += length;
  if (length < left) return;
  block.last_rows.push_back(static_cast<int32_t>(begin + length - 1));
  ++slice_;
  taken_ = 0;
}

}  // namespace temper::model
