// Of a program without the CUDA back end: there is the CPU.
#include "kernels/open_device.h"
#include "tests/gpu_check/products.h"

namespace temper::gpu_check {

absl::StatusOr<std::unique_ptr<kernels::Device>> OpenNamed(const std::string& name, int threads) {
  return kernels::OpenDevice({.name = name, .threads = threads});
}

absl::StatusOr<DeviceFacts> FactsOf(const std::string& name) {
  if (absl::Status here = kernels::CheckDeviceHere(name); !here.ok()) return here;
  return DeviceFacts{.name = kernels::DescribeCpu()};
}

absl::StatusOr<std::unique_ptr<Products>> OpenProducts(const std::string&, const std::string&) {
  return nullptr;
}

}  // namespace temper::gpu_check
