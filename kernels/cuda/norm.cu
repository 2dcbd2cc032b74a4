// RMSNorm, and Mamba's gated group norm, forward and backward.
//
// A row here is one group of one token. Column j belongs to thread j / 4 of those that share the
// row: 32 for rows of up to kWarpWidth columns (heads, groups), else 256. Which it is depends on
// the width alone, and a row's sums have the same order however memory is aligned: a token's bits
// depend on its own row only.
//
// All are limited by memory. A row is read twice, the second time from the L1 cache (16 KB for 4096
// columns): keeping it in registers would tie the kernels to a width.
#include <cmath>

#include "kernels/check.h"
#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/fours.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"

namespace temper::kernels::cuda {

namespace {

constexpr int64_t kWarpWidth = 1024;
constexpr int kWideThreads = 256;   // that share a row of more columns
constexpr int kBlockThreads = 128;  // of a block whose warps have a row each
constexpr int kBatch = 4;           // fours that a thread loads before it stores

// What forward and backward are given. z: null without a gate. rstd: [tokens, groups]
struct Rows {
  Matrix<const float> x, z;
  const float* gain = nullptr;
  int64_t groups = 1, width = 0;
};

// Where a group of a token lies.
struct Place {
  int64_t token, column;
};
__device__ __forceinline__ Place PlaceOf(const Rows& rows, int64_t row) {
  return {row / rows.groups, row % rows.groups * rows.width};
}

// The row of this thread, and the thread's number among those that share it.
template <int kRowThreads>
__device__ __forceinline__ int64_t RowOfThread() {
  if constexpr (kRowThreads == kWarp) {
    return static_cast<int64_t>(blockIdx.x) * (kBlockThreads / kWarp) + threadIdx.x / kWarp;
  } else {
    return blockIdx.x;
  }
}
template <int kRowThreads>
__device__ __forceinline__ int64_t FirstColumn() {
  return 4 * (threadIdx.x % kRowThreads);
}

// The sum over the row's threads of the four parts of each.
template <int kRowThreads>
__device__ __forceinline__ float RowSum(const Four& sum) {
  const float own = (sum.v[0] + sum.v[1]) + (sum.v[2] + sum.v[3]);
  if constexpr (kRowThreads == kWarp) {
    return WarpSum(own);
  } else {
    __shared__ float of_warp[kRowThreads / kWarp];
    return BlockSum(own, of_warp, kRowThreads);
  }
}

// What is normed: x, or x * silu(z).
template <bool kGated>
__device__ __forceinline__ float Normed(float x, float z) {
  return kGated ? x * Silu(z) : x;
}

template <int kRowThreads, bool kGated, bool kAligned>
__global__ void NormKernel(Rows rows, float epsilon, Matrix<float> out, float* rstd_out) {
  const int64_t row = RowOfThread<kRowThreads>(), width = rows.width;
  if (row >= rows.x.rows * rows.groups) return;  // by whole warps, and only where they work alone
  const Place place = PlaceOf(rows, row);
  const float* const x = rows.x.row(place.token) + place.column;
  const float* const z = kGated ? rows.z.row(place.token) + place.column : nullptr;
  const float* const gain = rows.gain + place.column;
  float* const to = out.row(place.token) + place.column;

  Four squares = {};
#pragma unroll 4
  for (int64_t j = FirstColumn<kRowThreads>(); j < width; j += 4 * kRowThreads) {
    const Four a = LoadFour<kAligned>(x, j, width);
    Four b = {};
    if constexpr (kGated) b = LoadFour<kAligned>(z, j, width);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float u = Normed<kGated>(a.v[i], b.v[i]);
      squares.v[i] = fmaf(u, u, squares.v[i]);
    }
  }
  const float mean = RowSum<kRowThreads>(squares) / static_cast<float>(width);
  const float rstd = 1.0f / sqrtf(mean + epsilon);
  if (rstd_out != nullptr && threadIdx.x % kRowThreads == 0) rstd_out[row] = rstd;

  // `to` may be x or z: a thread reads what it writes, before it does.
  for (int64_t first = FirstColumn<kRowThreads>(); first < width;
       first += 4 * kRowThreads * kBatch) {
    Four a[kBatch] = {}, b[kBatch] = {}, scale[kBatch] = {};
#pragma unroll
    for (int n = 0; n < kBatch; ++n) {
      const int64_t j = first + 4 * kRowThreads * n;
      if (j >= width) continue;
      a[n] = LoadFour<kAligned>(x, j, width);
      if constexpr (kGated) b[n] = LoadFour<kAligned>(z, j, width);
      scale[n] = LoadFour<kAligned>(gain, j, width);
    }
#pragma unroll
    for (int n = 0; n < kBatch; ++n) {
      const int64_t j = first + 4 * kRowThreads * n;
      if (j >= width) continue;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        a[n].v[i] = Normed<kGated>(a[n].v[i], b[n].v[i]) * rstd * scale[n].v[i];
      }
      StoreFour<kAligned>(a[n], to, j, width);
    }
  }
}

// With u the normed values and g = dout * gain: du = rstd * (g - u * rstd^2 * mean(g * u)).
// dx: += du without a gate; with one, dx = du * silu(z) and dz = du * x * silu'(z).
template <int kRowThreads, bool kGated, bool kAligned>
__global__ void NormBackwardKernel(Rows rows, const float* rstd_in, Matrix<const float> dout,
                                   Matrix<float> dx, Matrix<float> dz) {
  const int64_t row = RowOfThread<kRowThreads>(), width = rows.width;
  if (row >= rows.x.rows * rows.groups) return;
  const Place place = PlaceOf(rows, row);
  const float* const x = rows.x.row(place.token) + place.column;
  const float* const z = kGated ? rows.z.row(place.token) + place.column : nullptr;
  const float* const gain = rows.gain + place.column;
  const float* const d = dout.row(place.token) + place.column;
  float* const to_x = dx.row(place.token) + place.column;
  float* const to_z = kGated ? dz.row(place.token) + place.column : nullptr;
  const float rstd = rstd_in[row];

  Four dots = {};
#pragma unroll 2
  for (int64_t j = FirstColumn<kRowThreads>(); j < width; j += 4 * kRowThreads) {
    const Four a = LoadFour<kAligned>(x, j, width), s = LoadFour<kAligned>(gain, j, width);
    const Four c = LoadFour<kAligned>(d, j, width);
    Four b = {};
    if constexpr (kGated) b = LoadFour<kAligned>(z, j, width);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      dots.v[i] = fmaf(c.v[i] * s.v[i], Normed<kGated>(a.v[i], b.v[i]), dots.v[i]);
    }
  }
  const float back = -RowSum<kRowThreads>(dots) * rstd * rstd / static_cast<float>(width);

  // Outputs may be inputs, as above.
#pragma unroll 2
  for (int64_t j = FirstColumn<kRowThreads>(); j < width; j += 4 * kRowThreads) {
    const Four a = LoadFour<kAligned>(x, j, width), s = LoadFour<kAligned>(gain, j, width);
    const Four c = LoadFour<kAligned>(d, j, width);
    if constexpr (kGated) {
      const Four b = LoadFour<kAligned>(z, j, width);
      Four da, db;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float sigmoid = Sigmoid(b.v[i]);
        const float u = Normed<true>(a.v[i], b.v[i]);
        const float du = rstd * fmaf(u, back, c.v[i] * s.v[i]);
        da.v[i] = du * (b.v[i] * sigmoid);
        db.v[i] = du * a.v[i] * (sigmoid * (1.0f + b.v[i] * (1.0f - sigmoid)));
      }
      StoreFour<kAligned>(da, to_x, j, width);
      StoreFour<kAligned>(db, to_z, j, width);
    } else {
      Four sum = LoadFour<kAligned>(to_x, j, width);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        sum.v[i] = fmaf(fmaf(a.v[i], back, c.v[i] * s.v[i]), rstd, sum.v[i]);
      }
      StoreFour<kAligned>(sum, to_x, j, width);
    }
  }
}

// The gain's gradient of a column: dout * u * rstd, over the tokens.
template <bool kGated>
struct AddGain {
  Rows rows;
  const float* rstd;
  Matrix<const float> dout;
  __device__ __forceinline__ float operator()(float sum, int64_t t, int64_t j) const {
    const float u = Normed<kGated>(rows.x.at(t, j), kGated ? rows.z.at(t, j) : 0.0f);
    const int64_t group = rows.groups == 1 ? 0 : j / rows.width;
    return fmaf(dout.at(t, j), u * rstd[t * rows.groups + group], sum);
  }
};

bool SameShape(View<const float> a, View<const float> b) {
  return a.rows == b.rows && a.cols == b.cols;
}

// Blocks that give each row its threads.
dim3 GridFor(const Rows& rows, bool wide) {
  const int64_t count = rows.x.rows * rows.groups, a_block = wide ? 1 : kBlockThreads / kWarp;
  return dim3(static_cast<unsigned>((count + a_block - 1) / a_block));
}

// `all_in_fours`: whether all matrices are.
template <bool kGated>
void LaunchNorm(CudaStream& cuda, const Rows& rows, bool all_in_fours, float epsilon,
                View<float> out, float* rstd) {
  const bool wide = rows.width > kWarpWidth;
  const bool aligned = all_in_fours && InFours(rows.gain, rows.width);
  const dim3 grid = GridFor(rows, wide);
  if (wide && aligned) {
    TEMPER_LAUNCH((NormKernel<kWideThreads, kGated, true>), cuda, grid, kWideThreads, 0, rows,
                  epsilon, out, rstd);
  } else if (wide) {
    TEMPER_LAUNCH((NormKernel<kWideThreads, kGated, false>), cuda, grid, kWideThreads, 0, rows,
                  epsilon, out, rstd);
  } else if (aligned) {
    TEMPER_LAUNCH((NormKernel<kWarp, kGated, true>), cuda, grid, kBlockThreads, 0, rows, epsilon,
                  out, rstd);
  } else {
    TEMPER_LAUNCH((NormKernel<kWarp, kGated, false>), cuda, grid, kBlockThreads, 0, rows, epsilon,
                  out, rstd);
  }
}

template <bool kGated>
void LaunchNormBackward(CudaStream& cuda, const Rows& rows, bool all_in_fours, const float* rstd,
                        View<const float> dout, View<float> dx, View<float> dz) {
  const bool wide = rows.width > kWarpWidth;
  const bool aligned = all_in_fours && InFours(rows.gain, rows.width);
  const dim3 grid = GridFor(rows, wide);
  if (wide && aligned) {
    TEMPER_LAUNCH((NormBackwardKernel<kWideThreads, kGated, true>), cuda, grid, kWideThreads, 0,
                  rows, rstd, dout, dx, dz);
  } else if (wide) {
    TEMPER_LAUNCH((NormBackwardKernel<kWideThreads, kGated, false>), cuda, grid, kWideThreads, 0,
                  rows, rstd, dout, dx, dz);
  } else if (aligned) {
    TEMPER_LAUNCH((NormBackwardKernel<kWarp, kGated, true>), cuda, grid, kBlockThreads, 0, rows,
                  rstd, dout, dx, dz);
  } else {
    TEMPER_LAUNCH((NormBackwardKernel<kWarp, kGated, false>), cuda, grid, kBlockThreads, 0, rows,
                  rstd, dout, dx, dz);
  }
}

void RmsNorm(Stream& stream, View<const float> x, const float* gain, float epsilon, View<float> y,
             float* rstd) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_KERNEL_CHECK(SameShape(x, y));
  const Rows rows{.x = x, .z = {}, .gain = gain, .groups = 1, .width = x.cols};
  LaunchNorm<false>(cuda, rows, InFours(x) && InFours(y), epsilon, y, rstd);
}

void RmsNormBackward(Stream& stream, View<const float> x, const float* gain, const float* rstd,
                     View<const float> dy, View<float> dx, float* gain_gradient) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_KERNEL_CHECK(SameShape(x, dy) && SameShape(x, dx));
  const Rows rows{.x = x, .z = {}, .gain = gain, .groups = 1, .width = x.cols};
  // The gain first: dx may be dy.
  AddColumnSums(cuda, AddGain<false>{rows, rstd, dy}, x.rows, x.cols, gain_gradient);
  LaunchNormBackward<false>(cuda, rows, InFours(x) && InFours(dy) && InFours(dx), rstd, dy, dx, {});
}

void GatedNorm(Stream& stream, View<const float> y, View<const float> z, const float* gain,
               int64_t groups, float epsilon, View<float> out, float* rstd) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_KERNEL_CHECK(SameShape(y, z) && SameShape(y, out));
  TEMPER_KERNEL_CHECK(groups > 0 && y.cols % groups == 0);
  const Rows rows{.x = y, .z = z, .gain = gain, .groups = groups, .width = y.cols / groups};
  LaunchNorm<true>(cuda, rows, InFours(y) && InFours(z) && InFours(out), epsilon, out, rstd);
}

void GatedNormBackward(Stream& stream, View<const float> y, View<const float> z, const float* gain,
                       int64_t groups, const float* rstd, View<const float> dout, View<float> dy_in,
                       View<float> dz, float* gain_gradient) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_KERNEL_CHECK(SameShape(y, z) && SameShape(y, dout));
  TEMPER_KERNEL_CHECK(SameShape(y, dy_in) && SameShape(y, dz));
  TEMPER_KERNEL_CHECK(groups > 0 && y.cols % groups == 0);
  const Rows rows{.x = y, .z = z, .gain = gain, .groups = groups, .width = y.cols / groups};
  // The gain first: an output may be an input.
  AddColumnSums(cuda, AddGain<true>{rows, rstd, dout}, y.rows, y.cols, gain_gradient);
  const bool in_fours = InFours(y) && InFours(z) && InFours(dout) && InFours(dy_in) && InFours(dz);
  LaunchNormBackward<true>(cuda, rows, in_fours, rstd, dout, dy_in, dz);
}

}  // namespace

void AddNormOps(Ops& ops) {
  ops.rms_norm = RmsNorm;
  ops.rms_norm_backward = RmsNormBackward;
  ops.gated_norm = GatedNorm;
  ops.gated_norm_backward = GatedNormBackward;
}

}  // namespace temper::kernels::cuda
