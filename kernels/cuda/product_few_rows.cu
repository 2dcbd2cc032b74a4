// Decoding's products with bfloat16 weights: up to 64 rows, forward (product_few_rows.h).
#include <limits>

#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/product_few_rows.h"

namespace temper::kernels::cuda {

namespace {

// y (=|+=) a * transpose(weight), each block some of its columns. weight: [y.cols, a.cols]
template <int kRows>
__global__ void __launch_bounds__(FewRowsBlock<kRows>::kThreads, 2)
    FewRowsProductKernel(Matrix<const typename FewRowsBlock<kRows>::A> a, bool a_aligned,
                         const uint16_t* weight, bool weight_aligned, Matrix<float> y, bool add) {
  TEMPER_DYNAMIC_SHARED(unsigned char, shared);
  constexpr int64_t kCols = FewRowsBlock<kRows>::kCols;
  const int64_t first = blockIdx.x * kCols;
  const int64_t cols = y.cols - first < kCols ? y.cols - first : kCols;
  MultiplyFewRowsBlock<kRows>(shared, {a.data, a.stride, a.rows, a_aligned},
                              {weight + first * a.cols, a.cols, cols, weight_aligned}, a.cols,
                              [&](int row, int col, float sum) {
                                float& to = y.at(row, first + col);
                                to = add ? to + sum : sum;
                              });
}

template <class T>
bool Aligned(View<const T> view) {
  return view.stride % int64_t{16 / sizeof(T)} == 0 &&
         reinterpret_cast<uintptr_t>(view.data) % 16 == 0;
}

template <int kRows>
void Launch(CudaStream& cuda, View<const typename FewRowsBlock<kRows>::A> a,
            const CudaPackedWeight& weight, View<float> y, Write write) {
  const View<const uint16_t> values(weight.values<uint16_t>(), weight.out(), weight.in());
  constexpr int64_t kCols = FewRowsBlock<kRows>::kCols;
  const int64_t blocks = (y.cols + kCols - 1) / kCols;
  TEMPER_KERNEL_CHECK(blocks <= std::numeric_limits<int32_t>::max());
  TEMPER_LAUNCH(FewRowsProductKernel<kRows>, cuda, dim3(static_cast<unsigned>(blocks)),
                FewRowsBlock<kRows>::kThreads, FewRowsBlock<kRows>::kSharedBytes, a, Aligned(a),
                values.data, Aligned(values), y, write == Write::kAdd);
}

}  // namespace

void MultiplyFewRows(CudaStream& cuda, View<const float> a, const CudaPackedWeight& weight,
                     View<float> y, Write write) {
  TEMPER_KERNEL_CHECK(weight.dtype() == Dtype::kBFloat16 && a.rows <= kFewRowsMax);
  if (a.rows == 0) return;
  if (a.rows <= 8) {
    Launch<8>(cuda, a, weight, y, write);
    return;
  }
  uint16_t* const values = cuda.Scratch<uint16_t>(a.rows * a.cols);
  RoundRows(cuda, a, a.rows, values);
  const View<const uint16_t> rounded(values, a.rows, a.cols);
  if (a.rows <= 16) {
    Launch<16>(cuda, rounded, weight, y, write);
  } else if (a.rows <= 32) {
    Launch<32>(cuda, rounded, weight, y, write);
  } else {
    Launch<kFewRowsMax>(cuda, rounded, weight, y, write);
  }
}

}  // namespace temper::kernels::cuda
