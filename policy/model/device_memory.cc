// Sums over the layout.
#include "policy/model/device_memory.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace temper::model {

namespace {

constexpr int64_t kFloat = sizeof(float);
constexpr double kGB = 1e9;

bool IsHalf(const ParameterSpec& spec, kernels::Dtype dtype) {
  return dtype == kernels::Dtype::kBFloat16 && spec.training != Training::kRouter;
}

}  // namespace

int64_t WeightBytes(const ParameterLayout& layout, kernels::Dtype dtype) {
  int64_t bytes = 0;
  for (const ParameterSpec& spec : layout.specs()) {
    const bool table = spec.offset == layout.embeddings();
    if (spec.packed) bytes += spec.size * (IsHalf(spec, dtype) ? kFloat / 2 : kFloat);
    if (!spec.packed || table) bytes += spec.size * kFloat;
  }
  return bytes;
}

int64_t TrainingBytes(const ParameterLayout& layout, kernels::Dtype dtype) {
  // The values themselves serve as what is not packed.
  int64_t packed = 0;
  for (const ParameterSpec& spec : layout.specs()) {
    if (spec.packed) packed += spec.size * (IsHalf(spec, dtype) ? kFloat / 2 : kFloat);
  }
  return packed + 4 * layout.size() * kFloat;
}

absl::Status CheckRoom(const kernels::Device& device, const ParameterLayout& layout, int64_t needed,
                       const char* use) {
  if (device.shares_host_memory()) return absl::OkStatus();
  const int64_t free = device.free_bytes();
  if (needed <= free) return absl::OkStatus();
  const double each = static_cast<double>(needed) / static_cast<double>(layout.parameters());
  return absl::ResourceExhaustedError(absl::StrFormat(
      "%s needs %.2f GB of the device's memory before any activation, and %.2f GB are free; there, "
      "%.2f billion parameters would fit (this model has %.2f). Use a smaller model, dtype "
      "\"bfloat16\", another GPU, or device \"cpu\"",
      use, static_cast<double>(needed) / kGB, static_cast<double>(free) / kGB,
      static_cast<double>(free) / each / kGB, static_cast<double>(layout.parameters()) / kGB));
}

int64_t StateBytes(const kernels::Device& device, int64_t weights, int64_t host_limit) {
  if (device.shares_host_memory()) return host_limit;
  return std::max<int64_t>(0, device.free_bytes() - weights) / 10 * 9;
}

}  // namespace temper::model
