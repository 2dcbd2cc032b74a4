// The float32 values of one version, wherever they lie: a mapped file or own memory.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <span>

#include "base/file.h"
#include "policy/model/parameters.h"

namespace temper::rollout {

class WeightValues {
 public:
  // Zeros in own memory, aligned for vectors.
  static WeightValues Allocate(int64_t floats);
  // The file's bytes, whose number is a multiple of 4.
  explicit WeightValues(MappedFile file);

  std::span<const float> floats() const { return floats_; }
  // Own memory only; empty for a mapped file.
  std::span<float> writable() const { return {owned_.get(), owned_ ? floats_.size() : 0}; }

  // Tells the system that the matrices were packed and will not be read here again: their pages
  // leave this process's memory. They come back by themselves should someone read them. No effect
  // on own memory.
  void ReleasePacked(const model::ParameterLayout& layout) const;

 private:
  struct AlignedDelete {
    void operator()(float* floats) const { ::operator delete[](floats, std::align_val_t{64}); }
  };
  WeightValues() = default;

  std::optional<MappedFile> file_;
  std::unique_ptr<float[], AlignedDelete> owned_;
  std::span<const float> floats_;
};

}  // namespace temper::rollout
