// CUDA's runtime, answered with host memory: copies and kernels happen at once.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernels/cuda/runtime.h"
#include "tests/kernels/cuda/emulator/device_words.h"

namespace temper::kernels {

namespace {
std::atomic<int64_t> synchronized = 0;
}  // namespace

void TakeTurnsBackwards(bool backwards) { temper_emulated_reverse(backwards); }
int64_t TimesSynchronized() { return synchronized; }

}  // namespace temper::kernels

namespace temper::kernels::cuda {

namespace {

// Filled with NaN, so that a kernel that reads what nobody wrote is caught.
void* Poisoned(int64_t bytes) {
  void* const memory = std::aligned_alloc(256, static_cast<size_t>((bytes + 255) / 256 * 256));
  if (memory == nullptr) std::abort();
  std::memset(memory, 0xff, static_cast<size_t>(bytes));
  return memory;
}

// CUDA refuses these while a graph is being captured.
void RequireNoCapture(const char* what) {
  if (!temper_emulated_capturing()) return;
  std::fprintf(stderr, "emulated cuda: %s while a graph is being captured\n", what);
  std::abort();
}

std::vector<std::function<void()>>& CallsOf(GraphHandle graph) {
  return *reinterpret_cast<std::vector<std::function<void()>>*>(graph);
}

}  // namespace

absl::StatusOr<DeviceTraits> SelectDevice(int) {
  return DeviceTraits{.name = "emulated", .major = 9, .multiprocessors = 4};
}
void UseDevice(int) {}
int64_t FreeBytes() { return int64_t{1} << 32; }
std::string WhyNoDevice() { return ""; }
StreamHandle CreateStream() { return nullptr; }
void DestroyStream(StreamHandle) {}
void Synchronize(StreamHandle) {
  RequireNoCapture("waiting");
  ++synchronized;
}
bool IsDone(StreamHandle) { return true; }

// A block takes as long as any other, so that what is timed depends on nothing but what was asked.
double SecondsNow() { return 1e-4 * static_cast<double>(temper_emulated_work()); }
void* TryAllocateOnDevice(int64_t bytes) { return bytes > FreeBytes() ? nullptr : Poisoned(bytes); }
void* AllocateOnDevice(int64_t bytes) {
  RequireNoCapture("allocating");
  return Poisoned(bytes);
}
void* AllocatePinned(int64_t bytes) { return Poisoned(bytes); }
void FreeOnDevice(void* memory) { std::free(memory); }
void FreePinned(void* memory) { std::free(memory); }
void CopyAsync(StreamHandle, void* to, const void* from, int64_t bytes) {
  RequireNoCapture("copying");
  if (bytes > 0) std::memmove(to, from, static_cast<size_t>(bytes));
}
void ZeroAsync(StreamHandle, void* at, int64_t bytes) {
  RequireNoCapture("zeroing");
  if (bytes > 0) std::memset(at, 0, static_cast<size_t>(bytes));
}
void BeginCapture(StreamHandle) { temper_emulated_begin_capture(); }
GraphHandle EndCapture(StreamHandle) {
  return reinterpret_cast<GraphHandle>(
      new std::vector<std::function<void()>>(temper_emulated_end_capture()));
}
void LaunchGraph(GraphHandle graph, StreamHandle) {
  RequireNoCapture("launching a graph");
  for (const std::function<void()>& call : CallsOf(graph)) call();
}
void DestroyGraph(GraphHandle graph) { delete &CallsOf(graph); }
void RequireSuccess(int error, const char* place) {
  if (error == 0) return;
  std::fprintf(stderr, "emulated cuda: %s: error %d\n", place, error);
  std::abort();
}

}  // namespace temper::kernels::cuda
