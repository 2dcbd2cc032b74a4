// How slices of sequences are cut into the blocks of rows that are computed together.
//
// Which rows are in a block changes no bit; kRowsMax bounds memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/view.h"
#include "policy/model/hybrid_model.h"

namespace temper::model {

// Rows computed together without a backward.
inline constexpr int64_t kRowsMax = 512;

// Pieces of the slices that are computed together.
struct Block {
  std::vector<int32_t> tokens;
  std::vector<kernels::Segment> segments;
  std::vector<SequenceState*> states;
  std::vector<int32_t> last_rows;  // of the slices that end here

  // Whether it is one token of each sequence.
  bool IsStep() const { return tokens.size() == last_rows.size(); }
  // Fills a step up to so many rows with a first token of `filler`, which nobody reads.
  void FillUp(SequenceState& filler, int64_t rows);
  void Reserve() const;
  // The first `count` sequences.
  void Advance(size_t count) const;
};

// Walks over slices, kRowsMax rows at a time.
class BlockCutter {
 public:
  explicit BlockCutter(std::span<const Slice> slices) : slices_(slices) {}

  // False when nothing is left.
  bool Next(Block& block);

 private:
  void Cut(Block& block);

  std::span<const Slice> slices_;
  size_t slice_ = 0;
  int64_t taken_ = 0;  // tokens of the current slice
};

}  // namespace temper::model
