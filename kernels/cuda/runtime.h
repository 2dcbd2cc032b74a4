// What the back end asks of CUDA's runtime besides kernels: devices, memory, copies.
//
// runtime.cc asks CUDA; the tests' emulator answers the same calls with host memory.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

struct CUstream_st;  // CUDA's own names
struct CUgraphExec_st;

namespace temper::kernels::cuda {

using StreamHandle = CUstream_st*;
using GraphHandle = CUgraphExec_st*;

struct DeviceTraits {
  std::string name;          // "NVIDIA H200"
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  int64_t memory_bytes = 0;
  int64_t free_bytes = 0;
};

// Makes the device current on this thread. FAILED_PRECONDITION: no driver, a driver that is too
// old, a device that the kernels were not compiled for. NOT_FOUND: no device of this number.
absl::StatusOr<DeviceTraits> SelectDevice(int index);

// Makes it current on this thread; CUDA keeps that for each thread, and begins with 0.
void UseDevice(int index);

// Of the current device's memory.
int64_t FreeBytes();

// What could be opened, without opening it; "" or why nothing can.
std::string WhyNoDevice();

StreamHandle CreateStream();
void DestroyStream(StreamHandle stream);
void Synchronize(StreamHandle stream);
// Whether all that was asked of it is done. Stops the process where the device has failed.
bool IsDone(StreamHandle stream);
// The clock that algorithms are timed by; the emulator's counts work.
double SecondsNow();

// Null where there is no room.
void* TryAllocateOnDevice(int64_t bytes);
// Stop the process, with the bytes asked for and those free, where there is no room.
void* AllocateOnDevice(int64_t bytes);
void* AllocatePinned(int64_t bytes);
void FreeOnDevice(void* memory);
void FreePinned(void* memory);

// In the stream's order, between any two memories.
void CopyAsync(StreamHandle stream, void* to, const void* from, int64_t bytes);
void ZeroAsync(StreamHandle stream, void* at, int64_t bytes);

// Between the two, what this thread asks of the stream is kept for LaunchGraph and not done; it
// asks for kernels only.
void BeginCapture(StreamHandle stream);
GraphHandle EndCapture(StreamHandle stream);
void LaunchGraph(GraphHandle graph, StreamHandle stream);
void DestroyGraph(GraphHandle graph);

// Stops the process with `place` and CUDA's words unless `error` (a cudaError_t) is success.
void RequireSuccess(int error, const char* place);

}  // namespace temper::kernels::cuda
