// A name read, a back end chosen.
#include "kernels/open_device.h"

#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "kernels/cuda/cuda_device.h"

namespace temper::kernels {

namespace {

constexpr int kGpuMax = 1024;

// The number of a GPU's name.
std::optional<int> GpuOf(std::string_view name) {
  if (name == "cuda") return 0;
  absl::string_view number(name.data(), name.size());
  int index = 0;
  if (!absl::ConsumePrefix(&number, "cuda:") || !absl::SimpleAtoi(number, &index)) return {};
  if (index < 0 || index >= kGpuMax || absl::StrCat(index) != number) return {};
  return index;
}

// "": a controller that knows no devices assigns the run.
bool IsCpu(std::string_view name) { return name.empty() || name == "auto" || name == "cpu"; }

}  // namespace

absl::Status CheckDeviceName(std::string_view name) {
  if (IsCpu(name) || GpuOf(name).has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "device: found \"", std::string(name), "\", expected \"auto\", \"cpu\" or \"cuda:0\""));
}

absl::StatusOr<int> GpuNumber(std::string_view name) {
  if (const std::optional<int> number = GpuOf(name); number.has_value()) return *number;
  return absl::InvalidArgumentError(
      absl::StrCat("device: found \"", std::string(name), "\", expected \"cuda:0\""));
}

absl::Status CheckDeviceHere(std::string_view name) {
  absl::Status known = CheckDeviceName(name);
  if (!known.ok() || IsCpu(name)) return known;
  const std::string why = WhyNoCudaDevice();
  if (why.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("device ", std::string(name), ": ", why));
}

absl::StatusOr<std::unique_ptr<Device>> OpenDevice(const DeviceChoice& choice) {
  if (absl::Status known = CheckDeviceName(choice.name); !known.ok()) return known;
  if (IsCpu(choice.name)) return OpenCpuDevice(choice.threads);
  absl::StatusOr<std::unique_ptr<Device>> opened = OpenCudaDevice(*GpuOf(choice.name));
  if (opened.ok()) return opened;
  return absl::Status(opened.status().code(), absl::StrCat("device ", choice.name, ": ",
                                                           std::string(opened.status().message())));
}

}  // namespace temper::kernels
