// What shared_memory.cc asks of CUDA: memory that another process can map, and whose GPU it is on.
//
// ipc.cc asks CUDA; the tests' emulator answers the same calls with memory files.
#pragma once

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace temper::kernels::cuda {

// CUDA's own words for an allocation; they mean nothing outside the host.
using IpcHandle = std::array<unsigned char, 64>;
// Names a GPU in every process of the host, whatever number it has there.
using Uuid = std::array<unsigned char, 16>;

Uuid UuidOf(int device);

// On the current device: an allocation of its own, which no other shares pages with. Stops the
// process where there is no room.
void* AllocateExportable(int64_t bytes);
void FreeExportable(void* memory);
// UNAVAILABLE: CUDA gives none (WSL, some containers), in its words.
absl::StatusOr<IpcHandle> ExportMemory(void* memory);

// OK: `device` reaches the memory of that GPU, as far as can be said before it is tried.
// FAILED_PRECONDITION: there is no peer access between the two.
absl::Status CheckReach(int device, const Uuid& owner);
// For memory of this same process on another GPU: makes it reachable. Errors as CheckReach's.
absl::Status EnableReach(int device, int owner);

struct Imported {
  void* memory = nullptr;
  int64_t bytes = 0;  // as CUDA knows it, not as the handle's bringer says
};
// Maps it for the current device. UNAVAILABLE: CUDA refuses, in its words.
absl::StatusOr<Imported> ImportMemory(const IpcHandle& handle);
void CloseImported(void* memory);

}  // namespace temper::kernels::cuda
