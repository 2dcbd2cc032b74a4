// The Mamba-2 recurrence backward, in the chunks of ssm_chunk.h, for as many heads at once as
// scratch memory allows.
//
// Two walks (ssm_borders.cu) keep the state and its gradient at every chunk's border; then all
// chunks of all heads are independent (ssm_chunk_backward.cu), one block each; last come the sums
// over a group's heads and over the chunks, in order.
//
// Per token and head (P = 64, N = 128): 57 K multiply-adds, 2 x 8 K of them in the walks, so that in
// float32 arithmetic limits it, 1.7 ns on an H200; 1 KB of states at borders and 1 KB of shares of dB
// and dC are written and read again. By tensor cores these products take 0.2 ns at half of 990
// Tflop/s, and what fills their tiles from the second-level cache 1.2 ns: 21 tiles of 16 KB a chunk
// and 4 a walk's step, 6.4 KB. Keeping a chunk's x, dy, B, C and states in shared memory would halve
// that.
#include <algorithm>
#include <vector>

#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/ops_internal.h"
#include "kernels/cuda/ssm_backward.h"
#include "kernels/cuda/ssm_chunk_backward.h"

namespace temper::kernels::cuda {

namespace {

constexpr int64_t kScratchBytes = int64_t{512} << 20;
constexpr int kElementThreads = 256;

// db and dc: the shares of the window's heads, in order, after those of the windows before.
__global__ void AddSharesKernel(SsmSizes sizes, HeadWindow window, Matrix<float> db,
                                Matrix<float> dc) {
  const int of_group = sizes.heads / sizes.groups, end = window.first + window.count;
  ForEachElement(db.rows, db.cols, [&](int64_t row, int64_t column) {
    const int group = static_cast<int>(column / sizes.state);
    const int64_t n = column % sizes.state;
    const int group_end = (group + 1) * of_group;
    int head = group * of_group;
    const bool continues = head < window.first;
    if (continues) head = window.first;
    if (head >= end || head >= group_end) return;
    float b = continues ? db.at(row, column) : 0.0f, c = continues ? dc.at(row, column) : 0.0f;
    for (; head < group_end && head < end; ++head) {
      const int64_t at = (int64_t{head - window.first} * db.rows + row) * sizes.state + n;
      b += window.db[at];
      c += window.dc[at];
    }
    db.at(row, column) = b;
    dc.at(row, column) = c;
  });
}

// One warp a head: lane l adds the chunks l, l + 32, ... in order.
__global__ void AddSumsKernel(SsmSizes sizes, const double* sums, int64_t chunks,
                              SsmParameterGradients to) {
  const int head = static_cast<int>(blockIdx.x);
  float* const gradients[3] = {to.a_log, to.d, to.dt_bias};
  for (int which = 0; which < 3; ++which) {
    double total = 0;
    for (int64_t chunk = threadIdx.x; chunk < chunks; chunk += kWarp) {
      total += sums[(chunk * sizes.heads + head) * 3 + which];
    }
    total = WarpSum(total);
    if (threadIdx.x == 0) gradients[which][head] += static_cast<float>(total);
  }
}

void SsmScanBackward(Stream& stream, const SsmShape& shape, std::span<const Segment> segments,
                     const SsmInputs& inputs, const SsmParameters& parameters, View<const float> dy,
                     const SsmInputGradients& input_gradients,
                     const SsmParameterGradients& parameter_gradients) {
  SsmScanBackwardWithin(BeginOp(stream), kScratchBytes, shape, segments, inputs, parameters, dy,
                        input_gradients, parameter_gradients);
}

}  // namespace

void SsmScanBackwardWithin(CudaStream& cuda, int64_t scratch_bytes, const SsmShape& shape,
                           std::span<const Segment> segments, const SsmInputs& inputs,
                           const SsmParameters& parameters, View<const float> dy,
                           const SsmInputGradients& input_gradients,
                           const SsmParameterGradients& parameter_gradients) {
  TEMPER_KERNEL_CHECK(shape.groups > 0 && shape.heads % shape.groups == 0);
  TEMPER_KERNEL_CHECK(dy.cols == shape.heads * shape.head_dim && dy.rows == inputs.x.rows);
  TEMPER_KERNEL_CHECK(inputs.b.cols == shape.groups * shape.state);
  TEMPER_KERNEL_CHECK(inputs.dt.cols == shape.heads);
  cuda.BeginOp();
  const SsmSizes sizes(shape);
  std::vector<ChunkPiece> pieces;
  std::vector<BackwardChunk> chunks;
  std::vector<BackwardSegment> lists;
  for (const Segment& segment : segments) {
    if (segment.length == 0) continue;
    const auto first = static_cast<int64_t>(pieces.size());
    CutIntoPieces({segment.begin, segment.length, 0}, nullptr, pieces);
    const auto end = static_cast<int64_t>(pieces.size());
    lists.push_back({first, end - first});
    for (int64_t i = first; i < end; ++i) {
      chunks.push_back({pieces[static_cast<size_t>(i)].row, pieces[static_cast<size_t>(i)].end,
                        i == first, i + 1 == end});
    }
  }
  const auto count = static_cast<int64_t>(chunks.size());
  if (count == 0) return;

  const ChunkSteps steps = PrepareChunks(cuda, sizes, pieces, inputs, parameters, false);
  const BackwardInputs in = {.sizes = sizes,
                             .chunks = cuda.Upload(std::span<const BackwardChunk>(chunks)),
                             .x = inputs.x,
                             .b = inputs.b,
                             .c = inputs.c,
                             .dy = dy,
                             .dt = steps.dt,
                             .sum = steps.sum,
                             .products = steps.products};
  const BackwardSegment* const uploaded = cuda.Upload(std::span<const BackwardSegment>(lists));
  const ChunkOutputs out = {.dx = input_gradients.x,
                            .ddt = input_gradients.dt,
                            .sums = cuda.Scratch<double>(count * shape.heads * 3),
                            .parameters = parameters,
                            .raw = inputs.dt};

  const int64_t state_floats = count * sizes.head_floats();
  const int64_t share_floats = inputs.x.rows * shape.state;
  const int64_t head_bytes = 2 * (state_floats + share_floats) * int64_t{sizeof(float)};
  const int64_t at_once = std::clamp<int64_t>(scratch_bytes / head_bytes, 1, shape.heads);
  HeadWindow window = {.states = cuda.Scratch<float>(at_once * state_floats),
                       .adjoints = cuda.Scratch<float>(at_once * state_floats),
                       .db = cuda.Scratch<float>(at_once * share_floats),
                       .dc = cuda.Scratch<float>(at_once * share_floats)};
  for (; window.first < sizes.heads; window.first += window.count) {
    window.count = static_cast<int>(std::min<int64_t>(at_once, sizes.heads - window.first));
    WalkBorders(cuda, in, window, uploaded, static_cast<int64_t>(lists.size()));
    ChunksBackward(cuda, in, window, count, out);
    TEMPER_LAUNCH(AddSharesKernel, cuda, BlocksFor(cuda, input_gradients.b, kElementThreads),
                  kElementThreads, 0, sizes, window, input_gradients.b, input_gradients.c);
  }
  TEMPER_LAUNCH(AddSumsKernel, cuda, dim3(static_cast<unsigned>(sizes.heads)), kWarp, 0, sizes,
                out.sums, count, parameter_gradients);
}

void AddSsmBackwardOps(Ops& ops) { ops.ssm_scan_backward = SsmScanBackward; }

}  // namespace temper::kernels::cuda
