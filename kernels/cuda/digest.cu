// Fingerprints of tensors on the device: a block of threads for 64 KiB, then one for a tensor.
//
// Two 64-bit products and as many shifts for 8 bytes: about 30 whole-number instructions, which
// keep an SM as busy as memory does. Nothing but the digests leaves the device.
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/check.h"
#include "kernels/cuda/digest.h"
#include "kernels/cuda/launch.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int64_t kChunkWords = 8192;  // no part of what a digest is

struct Piece {
  const unsigned char* data;
  int64_t bytes;
  int64_t first_chunk;
};

__device__ __forceinline__ uint64_t BlockSumOfWords(uint64_t sum, uint64_t* shared) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    sum += __shfl_xor_sync(kAllLanes, sum, distance);
  }
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = sum;
  __syncthreads();
  sum = 0;
  for (int warp = 0; warp < kThreads / kWarp; ++warp) sum += shared[warp];
  return sum;
}

// This thread's share of the words at `at`, the first of which has the index `first`.
__device__ __forceinline__ uint64_t ShareOfChunk(const unsigned char* at, int64_t bytes,
                                                 uint64_t first) {
  const int thread = threadIdx.x;
  const int words = static_cast<int>(bytes / 8);  // whole ones
  int done = 0;
  uint64_t sum = 0;
  if (reinterpret_cast<uintptr_t>(at) % sizeof(uint4) == 0) {
    const auto* const pairs = reinterpret_cast<const uint4*>(at);
#pragma unroll 4
    for (int i = thread; i < words / 2; i += kThreads) {
      const uint4 pair = pairs[i];
      const uint64_t index = first + 2 * static_cast<uint64_t>(i);
      sum += MixedWord(pair.x | static_cast<uint64_t>(pair.y) << 32, index);
      sum += MixedWord(pair.z | static_cast<uint64_t>(pair.w) << 32, index + 1);
    }
    done = words / 2 * 2;
  } else if (reinterpret_cast<uintptr_t>(at) % sizeof(uint32_t) == 0) {
    const auto* const halves = reinterpret_cast<const uint32_t*>(at);
#pragma unroll 4
    for (int i = thread; i < words; i += kThreads) {
      sum += MixedWord(halves[2 * i] | static_cast<uint64_t>(halves[2 * i + 1]) << 32,
                       first + static_cast<uint64_t>(i));
    }
    done = words;
  }
  for (int64_t i = done + thread; 8 * i < bytes; i += kThreads) {
    sum += MixedWord(WordFromBytes(at + 8 * i, bytes - 8 * i), first + static_cast<uint64_t>(i));
  }
  return sum;
}

// sums: one a chunk, those of a piece one after another.
__global__ void __launch_bounds__(kThreads)
    ChunksKernel(const Piece* pieces, int count, uint64_t* sums) {
  __shared__ uint64_t shared[kThreads / kWarp];
  const int64_t chunk = blockIdx.x;
  int low = 0, high = count;  // the last piece that begins at this chunk or before
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (pieces[middle].first_chunk <= chunk) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const Piece piece = pieces[low];
  const int64_t first = (chunk - piece.first_chunk) * kChunkWords;
  const int64_t left = piece.bytes - 8 * first;
  const uint64_t share =
      ShareOfChunk(piece.data + 8 * first, left < 8 * kChunkWords ? left : 8 * kChunkWords,
                   static_cast<uint64_t>(first));
  const uint64_t sum = BlockSumOfWords(share, shared);
  if (threadIdx.x == 0) sums[chunk] = sum;
}

__global__ void __launch_bounds__(kThreads)
    PiecesKernel(const Piece* pieces, const uint64_t* sums, uint64_t* digests) {
  __shared__ uint64_t shared[kThreads / kWarp];
  const Piece piece = pieces[blockIdx.x];
  const int64_t chunks = (piece.bytes + 8 * kChunkWords - 1) / (8 * kChunkWords);
  uint64_t sum = 0;
  for (int64_t i = threadIdx.x; i < chunks; i += kThreads) sum += sums[piece.first_chunk + i];
  sum = BlockSumOfWords(sum, shared);
  if (threadIdx.x == 0) digests[blockIdx.x] = FinishDigest(sum, piece.bytes);
}

}  // namespace

void Digest(CudaStream& cuda, std::span<const DigestPiece> pieces, uint64_t* host_digests) {
  cuda.BeginOp();
  std::vector<Piece> placed;
  placed.reserve(pieces.size());
  int64_t chunks = 0;
  for (const DigestPiece& piece : pieces) {
    TEMPER_KERNEL_CHECK(piece.bytes >= 0);
    placed.push_back({static_cast<const unsigned char*>(piece.data), piece.bytes, chunks});
    chunks += (piece.bytes + 8 * kChunkWords - 1) / (8 * kChunkWords);
  }
  const Piece* const there = cuda.Upload(std::span<const Piece>(placed));
  uint64_t* const sums = cuda.Scratch<uint64_t>(chunks);
  uint64_t* const digests = cuda.Scratch<uint64_t>(static_cast<int64_t>(placed.size()));
  TEMPER_LAUNCH(ChunksKernel, cuda, dim3(static_cast<unsigned>(chunks)), kThreads, 0, there,
                static_cast<int>(placed.size()), sums);
  TEMPER_LAUNCH(PiecesKernel, cuda, dim3(static_cast<unsigned>(placed.size())), kThreads, 0, there,
                sums, digests);
  cuda.Copy(host_digests, digests, static_cast<int64_t>(placed.size() * sizeof(uint64_t)));
  cuda.Finish();
}

}  // namespace temper::kernels::cuda
