// The right-hand side of a matrix product, laid out once, and the product itself.
//
// Used by matmul and both of its backward forms. Called from the op's thread; shares work over the
// pool.
#pragma once

#include <cstdint>

#include "kernels/cpu/float_buffer.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/ops.h"
#include "kernels/view.h"

namespace temper::kernels::cpu {

// Columns of a panel: two AVX-512 or four AVX2 vectors.
inline constexpr int64_t kPanelColumns = 32;

// A matrix B [depth, columns] as panels of 32 columns, each [depth][32]; the last is padded with
// zeros.
class Panels {
 public:
  Panels(int64_t depth, int64_t columns)
      : depth_(depth), columns_(columns), owned_(FloatsFor(depth, columns)), data_(owned_.data()) {}
  // In `memory` of FloatsFor(depth, columns) floats, which the caller keeps.
  Panels(int64_t depth, int64_t columns, float* memory)
      : depth_(depth), columns_(columns), data_(memory) {}

  static int64_t FloatsFor(int64_t depth, int64_t columns) {
    return (columns + kPanelColumns - 1) / kPanelColumns * kPanelColumns * depth;
  }
  int64_t depth() const { return depth_; }
  int64_t columns() const { return columns_; }
  int64_t count() const { return (columns_ + kPanelColumns - 1) / kPanelColumns; }
  int64_t panel_floats() const { return depth_ * kPanelColumns; }
  float* panel(int64_t i) const { return data_ + i * panel_floats(); }

  // B = source; source: [depth, columns]
  void Pack(ThreadPool& pool, View<const float> source);
  // B = transpose(source); source: [columns, depth]
  void PackTransposed(ThreadPool& pool, View<const float> source);

 private:
  int64_t depth_;
  int64_t columns_;
  FloatBuffer owned_;
  float* data_;
};

// c (=|+=) a * b.  a: [rows, b.depth()]  c: [rows, b.columns()]
// Each element is one chain of fused multiply-adds in the order of depth, starting at zero; kAdd
// adds c last.
void Multiply(ThreadPool& pool, View<const float> a, const Panels& b, View<float> c, Write write);

// A weight [out, in]: panels for x * transpose(weight) and, for a learner, for dy * weight.
class CpuPackedWeight final : public PackedWeight {
 public:
  CpuPackedWeight(int64_t out, int64_t in, bool backward)
      : forward_(in, out), backward_(backward ? out : 0, backward ? in : 0) {}
  int64_t out() const override { return forward_.columns(); }
  int64_t in() const override { return forward_.depth(); }
  bool has_backward() const { return backward_.count() > 0; }
  Panels& forward() { return forward_; }
  const Panels& forward() const { return forward_; }
  Panels& backward() { return backward_; }
  const Panels& backward() const { return backward_; }

 private:
  Panels forward_;
  Panels backward_;
};

}  // namespace temper::kernels::cpu
