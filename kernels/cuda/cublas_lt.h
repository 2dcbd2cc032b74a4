// cuBLASLt as a product of bfloat16 matrices: the one place that knows its API.
//
// An interface, since tests put a library of their own in its place.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/cuda/runtime.h"
#include "kernels/cuda/tuner.h"

namespace temper::kernels::cuda {

// c = a * transpose(weight), or a * weight backward; float32 sums and result, no split of depth.
// Device memory, all row-major: a [rows, depth], packed, c [rows, columns], c_stride floats apart.
struct LibraryProduct {
  Direction direction = Direction::kForward;
  int64_t rows = 0, out = 0, in = 0;
  const uint16_t* a = nullptr;
  const uint16_t* weight = nullptr;  // [out, in]
  float* c = nullptr;
  int64_t c_stride = 0;
  void* workspace = nullptr;  // kWorkspaceBytes, 256-byte aligned

  static constexpr int64_t kWorkspaceBytes = int64_t{4} << 20;
  int64_t depth() const { return direction == Direction::kForward ? in : out; }
  int64_t columns() const { return direction == Direction::kForward ? out : in; }
};

class BlasLibrary {
 public:
  virtual ~BlasLibrary() = default;
  virtual int64_t version() const = 0;
  // What may be worth a try for a weight: not split over depth, and able to do every number of rows
  // of `rows`. None for sides that are no multiples of 8.
  virtual std::vector<Algorithm> Candidates(int64_t out, int64_t in, Direction direction,
                                            const std::vector<int64_t>& rows) = 0;
  // False where the algorithm does not do this product; nothing has been started then.
  virtual bool Multiply(StreamHandle stream, const LibraryProduct& product,
                        const Algorithm& algorithm) = 0;
};

// On the current device; null where the library is not there. Used from several threads.
std::unique_ptr<BlasLibrary> OpenCublasLt();

}  // namespace temper::kernels::cuda
