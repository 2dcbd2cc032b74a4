// What the check knows of a GPU beyond the product's own interface: its memory, and cuBLASLt's
// products beside our own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/ops.h"
#include "tests/gpu_check/figure.h"

namespace temper::gpu_check {

struct DeviceFacts {
  std::string name;
  int major = 0, minor = 0;  // compute capability; 0: no GPU
  int multiprocessors = 0;
  int64_t memory_bytes = 0, free_bytes = 0;
  int64_t library_version = 0;  // cuBLASLt's; 0: not there
};

// "cpu" or "cuda:N". Errors as OpenDevice's.
absl::StatusOr<std::unique_ptr<kernels::Device>> OpenNamed(const std::string& name, int threads);
absl::StatusOr<DeviceFacts> FactsOf(const std::string& name);

// The products of bfloat16 weights of this process's GPU. One a process.
class Products {
 public:
  virtual ~Products() = default;

  // Tries the library's algorithms for a weight [out, in] with up to so many rows, keeps the best
  // in the table. After this nothing can be pinned any more in this process.
  virtual Figure Tune(kernels::Device& device, int64_t out, int64_t in, bool backward,
                      int64_t rows_max) = 0;
  virtual absl::Status SaveTable(const std::string& path) = 0;

  // Pins the table's algorithms for all weights made from now on; how many are for this GPU.
  virtual int Pin() = 0;

  // y = x * transpose(weight) with our own kernels, whatever the weight is pinned to; with the
  // table's algorithm. False where that is not possible.
  virtual bool MultiplyOwn(kernels::Device& device, kernels::View<const float> x,
                           const kernels::PackedWeight& weight, kernels::View<float> y) = 0;
  virtual bool MultiplyByLibrary(kernels::Device& device, kernels::View<const float> x,
                                 const kernels::PackedWeight& weight, kernels::View<float> y) = 0;
};

// With the table of that file, or an empty one. Null where there is no library, or no GPU.
absl::StatusOr<std::unique_ptr<Products>> OpenProducts(const std::string& device,
                                                       const std::string& table);

}  // namespace temper::gpu_check
