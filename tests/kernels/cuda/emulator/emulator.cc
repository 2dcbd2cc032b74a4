// Fibers of a block take turns until all have come to the same barrier.
#include <boost/context/fiber.hpp>
#include <boost/context/pooled_fixedsize_stack.hpp>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <utility>
#include <vector>

#include "tests/kernels/cuda/emulator/device_words.h"

namespace {

namespace context = boost::context;

constexpr int kWarp = 32;
constexpr size_t kWordsMax = 8;

enum class At { kRunning, kWarpBarrier, kBlockBarrier, kEnd };

struct Fiber {
  context::fiber fiber;            // suspended
  context::fiber* back = nullptr;  // to the scheduler, while it runs
  At at = At::kRunning;
  TemperEmulatedPlace place;
  int exchanges = 0;
};

// What the lanes of a warp show each other; two sets, used in turn, so that a fast lane's next
// exchange leaves alone what a slow lane still reads.
struct Shown {
  uint64_t words[2][kWarp][kWordsMax];
};

struct Block {
  std::vector<Fiber> fibers;
  std::vector<Shown> shown;  // one a warp
  std::vector<float> shared;
  int current = 0;
};

Block* block = nullptr;
bool reverse_order = false;
int64_t work_done = 0;

[[noreturn]] void Stop(const char* why) {
  std::fprintf(stderr, "emulated kernel: %s\n", why);
  std::abort();
}

Fiber& Current() {
  if (block == nullptr) Stop("device code outside a launch");
  return block->fibers[static_cast<size_t>(block->current)];
}

void Yield(At at) {
  Fiber& own = Current();
  own.at = at;
  *own.back = std::move(*own.back).resume();
}

void Resume(int index) {
  Fiber& own = block->fibers[static_cast<size_t>(index)];
  block->current = index;
  own.at = At::kRunning;
  own.fiber = std::move(own.fiber).resume();
  if (!own.fiber) own.at = At::kEnd;
}

int Turn(int i, int count) { return reverse_order ? count - 1 - i : i; }

// Until all lanes of the warp are at the block's barrier or at their end.
void RunWarp(int warp) {
  for (;;) {
    int at_warp = 0, at_block = 0, ended = 0;
    for (int lane = 0; lane < kWarp; ++lane) {
      Fiber& fiber = block->fibers[static_cast<size_t>(warp * kWarp + lane)];
      at_warp += fiber.at == At::kWarpBarrier;
      at_block += fiber.at == At::kBlockBarrier;
      ended += fiber.at == At::kEnd;
    }
    if (at_warp == kWarp) {
      for (int i = 0; i < kWarp; ++i) Resume(warp * kWarp + Turn(i, kWarp));
      continue;
    }
    if (at_warp > 0) Stop("some lanes of a warp are at a shuffle or warp barrier, others are not");
    if (at_block + ended == kWarp) return;
    Stop("lanes of a warp are in no known place");
  }
}

void RunBlock(int threads, const std::function<void()>& kernel,
              context::pooled_fixedsize_stack& stacks) {
  for (int t = 0; t < threads; ++t) {
    Fiber& own = block->fibers[static_cast<size_t>(t)];
    own.fiber = context::fiber(std::allocator_arg, stacks, [&own, &kernel](context::fiber&& back) {
      own.back = &back;
      kernel();
      return std::move(back);
    });
  }
  const int warps = threads / kWarp;
  for (;;) {
    int ended = 0;
    for (int i = 0; i < warps; ++i) {
      const int warp = Turn(i, warps);
      for (int l = 0; l < kWarp; ++l) {
        const int lane = warp * kWarp + Turn(l, kWarp);
        if (block->fibers[static_cast<size_t>(lane)].at != At::kEnd) Resume(lane);
      }
      RunWarp(warp);
    }
    for (const Fiber& fiber : block->fibers) ended += fiber.at == At::kEnd;
    if (ended == threads) return;
    if (ended > 0) Stop("some threads of a block have ended, others are at a barrier");
  }
}

void RunLaunch(const char* name, dim3 grid, int threads, size_t shared_bytes,
               const std::function<void()>& kernel) {
  if (block != nullptr) Stop("a launch inside a kernel");
  if (threads <= 0 || threads > 1024 || threads % kWarp != 0) {
    std::fprintf(stderr, "%s: ", name);
    Stop("blocks have 32 to 1024 threads, in whole warps");
  }
  constexpr unsigned kRowsOfBlocks = 65535;
  if (grid.x > (1u << 31) - 1 || grid.y > kRowsOfBlocks || grid.z > kRowsOfBlocks) {
    std::fprintf(stderr, "%s: ", name);
    Stop("a grid has at most 2^31 - 1 by 65,535 by 65,535 blocks");
  }
  if (shared_bytes > (size_t{227} << 10)) {
    std::fprintf(stderr, "%s: ", name);
    Stop("no GPU has so much shared memory");
  }
  static context::pooled_fixedsize_stack stacks(size_t{64} << 10);
  Block own;
  block = &own;
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        own.fibers = std::vector<Fiber>(static_cast<size_t>(threads));
        own.shown.resize(static_cast<size_t>(threads / kWarp));
        own.shared.assign(shared_bytes / sizeof(float) + 4,
                          std::numeric_limits<float>::quiet_NaN());
        for (int t = 0; t < threads; ++t) {
          TemperEmulatedPlace& place = own.fibers[static_cast<size_t>(t)].place;
          place.thread.x = static_cast<unsigned>(t);
          place.block = {.x = x, .y = y, .z = z};
          place.block_size = dim3(static_cast<unsigned>(threads));
          place.grid_size = grid;
        }
        RunBlock(threads, kernel, stacks);
      }
    }
  }
  block = nullptr;
  work_done += int64_t{grid.x} * grid.y * grid.z;
}

// Of the graph that is being captured.
bool capturing = false;
std::vector<std::function<void()>> captured;

}  // namespace

void temper_emulated_enqueue(std::function<void()> call) {
  if (capturing) {
    captured.push_back(std::move(call));
  } else {
    call();
  }
}

void temper_emulated_launch(const char* name, dim3 grid, int threads, size_t shared_bytes,
                            const std::function<void()>& kernel) {
  temper_emulated_enqueue([=] { RunLaunch(name, grid, threads, shared_bytes, kernel); });
}

void temper_emulated_begin_capture() {
  if (capturing) Stop("a graph is being captured already");
  capturing = true;
}

std::vector<std::function<void()>> temper_emulated_end_capture() {
  if (!capturing) Stop("no graph is being captured");
  capturing = false;
  return std::exchange(captured, {});
}

bool temper_emulated_capturing() { return capturing; }

int64_t temper_emulated_work() { return work_done; }

void temper_emulated_spend(int64_t blocks) { work_done += blocks; }

const TemperEmulatedPlace& temper_emulated_place() { return Current().place; }

void* temper_emulated_shared() {
  Current();
  return block->shared.data();
}

int temper_emulated_lane() { return static_cast<int>(Current().place.thread.x) % kWarp; }

void temper_emulated_reverse(bool reverse) { reverse_order = reverse; }

void __syncthreads() { Yield(At::kBlockBarrier); }
void __syncwarp(unsigned mask) {
  if (mask != 0xffffffffu) Stop("a warp barrier of fewer than all lanes");
  Yield(At::kWarpBarrier);
}

void temper_emulated_exchange(const void* mine, void* of_source, size_t bytes, int source_lane) {
  if (bytes > kWordsMax * sizeof(uint64_t)) Stop("too many words in an exchange");
  Fiber& own = Current();
  const int set = own.exchanges++ % 2;
  Shown& shown = block->shown[static_cast<size_t>(own.place.thread.x) / kWarp];
  std::memcpy(shown.words[set][temper_emulated_lane()], mine, bytes);
  Yield(At::kWarpBarrier);
  std::memcpy(of_source, shown.words[set][source_lane], bytes);
}

unsigned temper_emulated_ballot(bool vote) {
  Fiber& own = Current();
  const int set = own.exchanges++ % 2;
  Shown& shown = block->shown[static_cast<size_t>(own.place.thread.x) / kWarp];
  shown.words[set][temper_emulated_lane()][0] = vote ? 1 : 0;
  Yield(At::kWarpBarrier);
  unsigned votes = 0;
  for (int lane = 0; lane < kWarp; ++lane) {
    votes |= static_cast<unsigned>(shown.words[set][lane][0]) << lane;
  }
  return votes;
}

// Products are exact in float32; sums here go through k in order, which a tensor core need not do.
void temper_emulated_mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  struct Words {
    uint32_t a[4], b[2];
  } mine, of[kWarp];
  static_assert(sizeof(Words) <= kWordsMax * sizeof(uint64_t));
  std::memcpy(mine.a, a, sizeof(mine.a));
  std::memcpy(mine.b, b, sizeof(mine.b));
  Fiber& own = Current();
  const int set = own.exchanges++ % 2;
  Shown& shown = block->shown[static_cast<size_t>(own.place.thread.x) / kWarp];
  std::memcpy(shown.words[set][temper_emulated_lane()], &mine, sizeof(mine));
  Yield(At::kWarpBarrier);
  for (int lane = 0; lane < kWarp; ++lane) {
    std::memcpy(&of[lane], shown.words[set][lane], sizeof(Words));
  }
  const auto half = [](uint32_t word, int which) {
    return __uint_as_float(which == 0 ? word << 16 : word & 0xffff0000u);
  };
  const auto a_at = [&](int row, int k) {
    return half(of[row % 8 * 4 + k % 8 / 2].a[row / 8 + k / 8 * 2], k % 2);
  };
  const auto b_at = [&](int k, int column) {
    return half(of[column * 4 + k % 8 / 2].b[k / 8], k % 2);
  };
  const int lane = temper_emulated_lane(), g = lane / 4, t = lane % 4;
  for (int i = 0; i < 4; ++i) {
    const int row = g + i / 2 * 8, column = 2 * t + i % 2;
    for (int k = 0; k < 16; ++k) d[i] = std::fma(a_at(row, k), b_at(k, column), d[i]);
  }
}

void temper_emulated_load_matrices(uint32_t (&to)[4], const void* row, bool transposed) {
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) Stop("a row of ldmatrix is not aligned");
  Fiber& own = Current();
  const int set = own.exchanges++ % 2;
  Shown& shown = block->shown[static_cast<size_t>(own.place.thread.x) / kWarp];
  const int lane = temper_emulated_lane(), g = lane / 4, t = lane % 4;
  std::memcpy(shown.words[set][lane], &row, sizeof(row));
  Yield(At::kWarpBarrier);
  const auto at = [&](int matrix, int i, int column) {
    const uint16_t* from = nullptr;
    std::memcpy(&from, shown.words[set][8 * matrix + i], sizeof(from));
    return static_cast<uint32_t>(from[column]);
  };
  for (int i = 0; i < 4; ++i) {
    to[i] = transposed ? at(i, 2 * t, g) | at(i, 2 * t + 1, g) << 16
                       : at(i, g, 2 * t) | at(i, g, 2 * t + 1) << 16;
  }
}
