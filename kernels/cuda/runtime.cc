// Asks CUDA's runtime.
#include "kernels/cuda/runtime.h"

#include <cuda_runtime_api.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace temper::kernels::cuda {

namespace {

// Ampere; kernels are compiled from there on, and as PTX for what comes later.
constexpr int kMajorMin = 8;
constexpr std::chrono::minutes kFinishMax(10);

thread_local int used_device = -1;  // -1: nobody has chosen on this thread

std::string Version(int version) { return absl::StrCat(version / 1000, ".", version % 1000 / 10); }

absl::Status CheckDriver() {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver == 0) {
    return absl::FailedPreconditionError(
        "there is no NVIDIA driver on this machine; install one, or choose the device \"cpu\"");
  }
  if (driver / 1000 < runtime / 1000) {
    return absl::FailedPreconditionError(
        absl::StrCat("the NVIDIA driver knows CUDA ", Version(driver), " and this program needs ",
                     Version(runtime), "; install a newer driver, or choose the device \"cpu\""));
  }
  return absl::OkStatus();
}

// The device's words for what it has; never fails.
std::string Room() {
  size_t free = 0, total = 0;
  if (cudaMemGetInfo(&free, &total) != cudaSuccess) return "";
  return absl::StrFormat("; %.2f of %.2f GB are free", static_cast<double>(free) / 1e9,
                         static_cast<double>(total) / 1e9);
}

void* Allocated(cudaError_t error, void* memory, int64_t bytes, const char* where) {
  if (error == cudaSuccess) return memory;
  std::fprintf(stderr, "cuda: %.2f GB of %s memory cannot be had: %s%s\n",
               static_cast<double>(bytes) / 1e9, where, cudaGetErrorString(error), Room().c_str());
  std::abort();
}

}  // namespace

void RequireSuccess(int error, const char* place) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "cuda: %s: %s\n", place,
               cudaGetErrorString(static_cast<cudaError_t>(error)));
  std::abort();
}

absl::StatusOr<DeviceTraits> SelectDevice(int index) {
  if (absl::Status driver = CheckDriver(); !driver.ok()) return driver;
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess || count == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the NVIDIA driver shows no device: ",
                     error == cudaSuccess ? "there is none" : cudaGetErrorString(error)));
  }
  if (index < 0 || index >= count) {
    return absl::NotFoundError(absl::StrCat(
        "there is no device cuda:", index, "; ",
        count == 1 ? "there is cuda:0" : absl::StrCat("there are cuda:0 to cuda:", count - 1)));
  }
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, index); error != cudaSuccess) {
    return absl::FailedPreconditionError(
        absl::StrCat("cuda:", index, ": ", cudaGetErrorString(error)));
  }
  if (properties.major < kMajorMin) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cuda:", index, " (", properties.name, ") has compute capability ", properties.major, ".",
        properties.minor, "; ", kMajorMin, ".0 or newer is needed (A100, RTX 30 and later)"));
  }
  if (const cudaError_t error = cudaSetDevice(index); error != cudaSuccess) {
    return absl::FailedPreconditionError(
        absl::StrCat("cuda:", index, ": ", cudaGetErrorString(error)));
  }
  used_device = index;
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  return DeviceTraits{.name = properties.name,
                      .major = properties.major,
                      .minor = properties.minor,
                      .multiprocessors = properties.multiProcessorCount,
                      .memory_bytes = static_cast<int64_t>(total),
                      .free_bytes = static_cast<int64_t>(free)};
}

void UseDevice(int index) {
  if (used_device == index) return;
  RequireSuccess(cudaSetDevice(index), "choosing the device");
  used_device = index;
}

int64_t FreeBytes() {
  size_t free = 0, total = 0;
  RequireSuccess(cudaMemGetInfo(&free, &total), "the device's memory");
  return static_cast<int64_t>(free);
}

std::string WhyNoDevice() {
  if (absl::Status driver = CheckDriver(); !driver.ok()) return std::string(driver.message());
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  return count > 0 ? "" : "the NVIDIA driver shows no device";
}

StreamHandle CreateStream() {
  cudaStream_t stream = nullptr;
  RequireSuccess(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream");
  return stream;
}

void DestroyStream(StreamHandle stream) {
  RequireSuccess(cudaStreamDestroy(stream), "the end of a stream");
}

bool IsDone(StreamHandle stream) {
  const cudaError_t state = cudaStreamQuery(stream);
  if (state == cudaErrorNotReady) return false;
  RequireSuccess(state, "what the device was asked for");
  return true;
}

double SecondsNow() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Asks again and again rather than blocking: a device that hangs must not hang us in silence, and
// what is waited for in a decoding step takes less time than going to sleep and waking up.
void Synchronize(StreamHandle stream) {
  const auto deadline = std::chrono::steady_clock::now() + kFinishMax;
  while (!IsDone(stream)) {
    if (std::chrono::steady_clock::now() > deadline) {
      std::fprintf(stderr, "cuda: the device has not ended its work in %d minutes\n",
                   static_cast<int>(kFinishMax.count()));
      std::abort();
    }
    std::this_thread::yield();
  }
}

void* TryAllocateOnDevice(int64_t bytes) {
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, static_cast<size_t>(bytes));
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError();  // it is no error of what comes next
    return nullptr;
  }
  RequireSuccess(error, "device memory");
  return memory;
}

void* AllocateOnDevice(int64_t bytes) {
  void* memory = nullptr;
  return Allocated(cudaMalloc(&memory, static_cast<size_t>(bytes)), memory, bytes, "device");
}

void* AllocatePinned(int64_t bytes) {
  void* memory = nullptr;
  const cudaError_t error =
      cudaHostAlloc(&memory, static_cast<size_t>(bytes), cudaHostAllocPortable);
  return Allocated(error, memory, bytes, "pinned host");
}

void FreeOnDevice(void* memory) { RequireSuccess(cudaFree(memory), "freeing device memory"); }

void FreePinned(void* memory) {
  RequireSuccess(cudaFreeHost(memory), "freeing pinned host memory");
}

void CopyAsync(StreamHandle stream, void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  RequireSuccess(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDefault, stream),
                 "a copy");
}

void BeginCapture(StreamHandle stream) {
  RequireSuccess(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal),
                 "the beginning of a graph");
}

GraphHandle EndCapture(StreamHandle stream) {
  cudaGraph_t graph = nullptr;
  RequireSuccess(cudaStreamEndCapture(stream, &graph), "the end of a graph");
  cudaGraphExec_t ready = nullptr;
  RequireSuccess(cudaGraphInstantiate(&ready, graph, 0), "making a graph ready");
  RequireSuccess(cudaGraphDestroy(graph), "a graph's description");
  return ready;
}

void LaunchGraph(GraphHandle graph, StreamHandle stream) {
  RequireSuccess(cudaGraphLaunch(graph, stream), "a graph");
}

void DestroyGraph(GraphHandle graph) {
  RequireSuccess(cudaGraphExecDestroy(graph), "the end of a graph");
}

void ZeroAsync(StreamHandle stream, void* at, int64_t bytes) {
  if (bytes == 0) return;
  RequireSuccess(cudaMemsetAsync(at, 0, static_cast<size_t>(bytes), stream), "zeroing memory");
}

}  // namespace temper::kernels::cuda
