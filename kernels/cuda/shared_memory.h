// Device memory that several processes reach: its owner gives it a handle, the others open that.
//
// A handle is as long as its memory: the owner's end takes it away, but who has opened the memory
// keeps it (CUDA frees it with the last of them, and so does a killed owner's driver). CUDA leaves
// undefined what an orderly cudaFree does to others that still read; so others open for one look,
// and close.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "kernels/device.h"

namespace temper::kernels::cuda {

// Of device number `device`; any thread may let it go.
Memory AllocateShared(int device, int64_t bytes);

// See Device. `shared` is of AllocateShared().
absl::StatusOr<std::string> Share(const Memory& shared);
absl::StatusOr<Memory> OpenShared(int device, std::string_view handle, int64_t bytes);

}  // namespace temper::kernels::cuda
