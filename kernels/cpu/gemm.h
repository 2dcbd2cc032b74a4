// The right-hand side of a matrix product, laid out once, and the product itself.
//
// Used by matmul and both of its backward forms. Called from the op's thread; shares work over the
// pool.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/cpu/float_buffer.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/ops.h"
#include "kernels/view.h"

namespace temper::kernels::cpu {

// Columns of a panel: two AVX-512 or four AVX2 vectors.
inline constexpr int64_t kPanelColumns = kPackRows;

// The bits of a bfloat16: the upper half of a float32.
using BFloat16 = uint16_t;

// A matrix B [depth, columns] as panels of 32 columns, each [depth][32]; the last is padded with
// zeros. A step of a bfloat16 panel holds column 0 beside column 16, 1 beside 17 and so on: read as
// 16 words of 32 bits, a shift widens the lower columns and a mask the upper ones.
class Panels {
 public:
  Panels(int64_t depth, int64_t columns, Dtype dtype = Dtype::kFloat32)
      : depth_(depth),
        columns_(columns),
        dtype_(dtype),
        owned_(FloatsFor(depth, columns) / (dtype == Dtype::kBFloat16 ? 2 : 1)),
        data_(owned_.data()) {}
  // float32, in `memory` of FloatsFor(depth, columns) floats, which the caller keeps.
  Panels(int64_t depth, int64_t columns, float* memory)
      : depth_(depth), columns_(columns), data_(memory) {}

  static int64_t FloatsFor(int64_t depth, int64_t columns) {
    return (columns + kPanelColumns - 1) / kPanelColumns * kPanelColumns * depth;
  }
  int64_t depth() const { return depth_; }
  int64_t columns() const { return columns_; }
  Dtype dtype() const { return dtype_; }
  int64_t count() const { return (columns_ + kPanelColumns - 1) / kPanelColumns; }
  int64_t panel_values() const { return depth_ * kPanelColumns; }
  // B is float or BFloat16, as dtype() says.
  template <class B = float>
  B* panel(int64_t i) const {
    return reinterpret_cast<B*>(data_) + i * panel_values();
  }

  // Steps [first, first + source.rows) of B = source.  source: [steps, columns]
  void Pack(ThreadPool& pool, int64_t first, View<const float> source);
  // Columns [first, first + source.rows) of B = transpose(source).  source: [columns, depth]
  // first is a multiple of kPanelColumns; source fills whole panels or ends the matrix.
  void PackTransposed(ThreadPool& pool, int64_t first, View<const float> source);

 private:
  int64_t depth_;
  int64_t columns_;
  Dtype dtype_ = Dtype::kFloat32;
  FloatBuffer owned_;
  float* data_;
};

// c (=|+=) a * b.  a: [rows, b.depth()]  c: [rows, b.columns()]
// Each element is one chain of fused multiply-adds in the order of depth, starting at zero; kAdd
// adds c last.
struct GemmProduct {
  View<const float> a;
  const Panels* b;
  View<float> c;
};
// All products share the threads as one piece of work; their rows of c are apart.
void Multiply(ThreadPool& pool, std::span<const GemmProduct> products, Write write);

// A weight [out, in]: panels for x * transpose(weight) and, for a learner, for dy * weight.
class CpuPackedWeight final : public PackedWeight {
 public:
  CpuPackedWeight(int64_t out, int64_t in, PackOptions options)
      : forward_(in, out, options.dtype),
        backward_(options.backward ? out : 0, options.backward ? in : 0, options.dtype) {}
  int64_t out() const override { return forward_.columns(); }
  int64_t in() const override { return forward_.depth(); }
  Dtype dtype() const override { return forward_.dtype(); }
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
