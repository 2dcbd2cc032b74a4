// Asks CUDA's runtime for memory between processes.
#include "kernels/cuda/ipc.h"

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/runtime.h"

namespace temper::kernels::cuda {

namespace {

static_assert(sizeof(cudaIpcMemHandle_t) == sizeof(IpcHandle));
static_assert(sizeof(cudaUUID_t) == sizeof(Uuid));

// CUDA packs small allocations into blocks of this size, and a handle opens the whole block: what
// is a multiple of it has its blocks to itself (Programming Guide, Interprocess Communication).
constexpr int64_t kBlock = int64_t{2} << 20;

// Its words; and it is no error of the launch that comes next.
absl::Status Refused(cudaError_t error, const char* what) {
  (void)cudaGetLastError();
  return absl::UnavailableError(absl::StrCat("CUDA: ", what, ": ", cudaGetErrorString(error)));
}

// The number of a GPU in this process; -1: it is not among those that are visible.
int NumberOf(const Uuid& uuid) {
  int count = 0;
  RequireSuccess(cudaGetDeviceCount(&count), "counting devices");
  for (int device = 0; device < count; ++device) {
    if (UuidOf(device) == uuid) return device;
  }
  return -1;
}

absl::Status CheckPeer(int device, int owner) {
  int can = 0;
  const cudaError_t error = cudaDeviceCanAccessPeer(&can, device, owner);
  if (error != cudaSuccess) return Refused(error, "asking for peer access");
  if (can != 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("cuda:", device, " has no peer access to cuda:", owner));
}

// The driver is asked by name: nothing is linked with libcuda.
absl::StatusOr<int64_t> SizeOf(void* memory) {
  using GetAddressRange = CUresult (*)(CUdeviceptr*, size_t*, CUdeviceptr);
  void* entry = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  const cudaError_t error = cudaGetDriverEntryPointByVersion(
      "cuMemGetAddressRange", &entry, CUDART_VERSION, cudaEnableDefault, &found);
  if (error != cudaSuccess || found != cudaDriverEntryPointSuccess || entry == nullptr) {
    return Refused(error, "the driver has no cuMemGetAddressRange");
  }
  CUdeviceptr base = 0;
  size_t bytes = 0;
  const auto address = reinterpret_cast<CUdeviceptr>(memory);
  const CUresult asked = reinterpret_cast<GetAddressRange>(entry)(&base, &bytes, address);
  if (asked != CUDA_SUCCESS || base > address || address - base > bytes) {
    return absl::UnavailableError(
        absl::StrCat("CUDA: the size of opened memory cannot be had: error ", asked));
  }
  return static_cast<int64_t>(bytes - (address - base));
}

}  // namespace

Uuid UuidOf(int device) {
  cudaDeviceProp properties;
  RequireSuccess(cudaGetDeviceProperties(&properties, device), "a device's uuid");
  Uuid uuid;
  std::memcpy(uuid.data(), &properties.uuid, uuid.size());
  return uuid;
}

void* AllocateExportable(int64_t bytes) {
  return AllocateOnDevice((bytes + kBlock - 1) / kBlock * kBlock);
}

void FreeExportable(void* memory) { FreeOnDevice(memory); }

absl::StatusOr<IpcHandle> ExportMemory(void* memory) {
  cudaIpcMemHandle_t handle;
  const cudaError_t error = cudaIpcGetMemHandle(&handle, memory);
  if (error != cudaSuccess) return Refused(error, "a handle for other processes");
  IpcHandle copy;
  std::memcpy(copy.data(), &handle, copy.size());
  return copy;
}

absl::Status CheckReach(int device, const Uuid& owner) {
  const int number = NumberOf(owner);
  // One that is hidden from this process can be opened all the same: CUDA will say.
  return number < 0 || number == device ? absl::OkStatus() : CheckPeer(device, number);
}

absl::Status EnableReach(int device, int owner) {
  if (device == owner) return absl::OkStatus();
  if (absl::Status peer = CheckPeer(device, owner); !peer.ok()) return peer;
  UseDevice(device);
  const cudaError_t error = cudaDeviceEnablePeerAccess(owner, 0);
  if (error == cudaSuccess) return absl::OkStatus();
  absl::Status refused = Refused(error, "peer access");
  return error == cudaErrorPeerAccessAlreadyEnabled ? absl::OkStatus() : refused;
}

absl::StatusOr<Imported> ImportMemory(const IpcHandle& handle) {
  cudaIpcMemHandle_t copy;
  std::memcpy(&copy, handle.data(), handle.size());
  void* memory = nullptr;
  const cudaError_t error = cudaIpcOpenMemHandle(&memory, copy, cudaIpcMemLazyEnablePeerAccess);
  if (error != cudaSuccess) return Refused(error, "opening another process's memory");
  const absl::StatusOr<int64_t> bytes = SizeOf(memory);
  if (bytes.ok()) return Imported{memory, *bytes};
  CloseImported(memory);
  return bytes.status();
}

void CloseImported(void* memory) {
  RequireSuccess(cudaIpcCloseMemHandle(memory), "closing another process's memory");
}

}  // namespace temper::kernels::cuda
