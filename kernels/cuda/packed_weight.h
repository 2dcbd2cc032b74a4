// A weight on the device: [out, in], row-major, dense, float32 or bfloat16.
//
// The one layout serves matmul and its backward, so that PackOptions::backward asks for nothing.
#pragma once

#include <cstdint>

#include "kernels/cuda/library_product.h"
#include "kernels/cuda/runtime.h"
#include "kernels/shapes.h"
#include "kernels/view.h"

namespace temper::kernels::cuda {

class CudaPackedWeight final : public PackedWeight {
 public:
  CudaPackedWeight(int64_t out, int64_t in, PackOptions options)
      : out_(out),
        in_(in),
        dtype_(options.dtype),
        grouped_(options.grouped),
        memory_(AllocateOnDevice(out * in > 0 ? out * in * ValueBytes(dtype_) : 1)) {
    if (dtype_ == Dtype::kBFloat16 && !options.grouped) {
      forward_ = PinnedAlgorithm(out, in, Direction::kForward);
      backward_input_ = PinnedAlgorithm(out, in, Direction::kBackwardInput);
    }
  }
  // What still runs with the weight ends first: freeing waits for the device.
  ~CudaPackedWeight() override { FreeOnDevice(memory_); }
  CudaPackedWeight(const CudaPackedWeight&) = delete;
  CudaPackedWeight& operator=(const CudaPackedWeight&) = delete;

  int64_t out() const override { return out_; }
  int64_t in() const override { return in_; }
  Dtype dtype() const override { return dtype_; }
  // A library wants to know on the host how many rows there are, so that these are never pinned.
  bool grouped() const { return grouped_; }
  // float or uint16_t, as dtype() says.
  template <class T>
  T* values() const {
    return static_cast<T*>(memory_);
  }
  // What its products are pinned to for the weight's whole life; null: our own kernels.
  const Algorithm* pinned(Direction direction) const {
    return direction == Direction::kForward ? forward_ : backward_input_;
  }

 private:
  static int64_t ValueBytes(Dtype dtype) {
    return dtype == Dtype::kBFloat16 ? int64_t{sizeof(uint16_t)} : int64_t{sizeof(float)};
  }

  int64_t out_, in_;
  Dtype dtype_;
  bool grouped_;
  void* memory_;
  const Algorithm* forward_ = nullptr;
  const Algorithm* backward_input_ = nullptr;
};

// to [rows, from.cols], dense: from's rows rounded to bfloat16, to nearest even, then zeros.
// pack.cu
void RoundRows(CudaStream& cuda, View<const float> from, int64_t rows, uint16_t* to);
// y (=|+=) a * transpose(weight), or a * weight backward, by our own tiles even where the weight is
// pinned; within an op that has begun. matmul.cu
void MultiplyByOwnTiles(CudaStream& cuda, Direction direction, View<const float> a,
                        const CudaPackedWeight& weight, View<float> y, Write write);

}  // namespace temper::kernels::cuda
