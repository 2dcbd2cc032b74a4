// Tunes, and pins what was tuned.
#include "kernels/cuda/algorithms.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/algorithms_pinned.h"
#include "kernels/cuda/cublas_lt.h"
#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/library_product.h"
#include "kernels/cuda/tune_weight.h"
#include "kernels/cuda/tuner.h"

namespace temper::kernels {

namespace {

using cuda::AlgorithmKey;
using cuda::AlgorithmTable;
using cuda::BlasLibrary;
using cuda::DeviceTraits;
using cuda::Direction;

AlgorithmKey KeyOf(const DeviceTraits& traits, const BlasLibrary& library, WeightSides sides,
                   Direction direction) {
  return {.device = traits.name,
          .major = traits.major,
          .minor = traits.minor,
          .library_version = library.version(),
          .out = sides.out,
          .in = sides.in,
          .direction = direction};
}

}  // namespace

absl::Status TuneProducts(int device, std::span<const WeightSides> weights, const std::string& path,
                          const std::function<void(const TunedProduct&)>& tell) {
  absl::StatusOr<DeviceTraits> traits = cuda::SelectDevice(device);
  if (!traits.ok()) return traits.status();
  const std::unique_ptr<BlasLibrary> library = cuda::OpenCublasLt();
  if (library == nullptr) {
    return absl::UnavailableError(
        "cuBLASLt cannot be opened on this device; without it our own "
        "kernels compute all products");
  }
  absl::StatusOr<AlgorithmTable> table = cuda::ReadTable(path);
  if (!table.ok()) return table.status();
  cuda::CudaStream stream(device);
  stream.set_multiprocessors(traits->multiprocessors);
  TunedProduct told{.total = 2 * static_cast<int64_t>(weights.size())};
  for (const WeightSides& sides : weights) {
    for (const Direction direction : {Direction::kForward, Direction::kBackwardInput}) {
      ++told.done;
      const AlgorithmKey key = KeyOf(*traits, *library, sides, direction);
      if (table->contains(key)) continue;
      told.sides = sides;
      told.backward = direction == Direction::kBackwardInput;
      const cuda::Choice choice =
          cuda::TuneWeight(stream, *library, sides.out, sides.in, direction);
      told.candidates = static_cast<int64_t>(choice.verdicts.size());
      told.admitted = std::count_if(choice.verdicts.begin(), choice.verdicts.end(),
                                    [](const cuda::Verdict& one) { return one.admitted; });
      told.chosen.clear();
      told.from_rows = choice.pinned.from_rows;
      if (choice.chosen.has_value()) {
        told.chosen = choice.pinned.label;
        (*table)[key] = choice.pinned;
        if (absl::Status written = cuda::WriteTable(path, *table); !written.ok()) return written;
      }
      tell(told);
    }
  }
  return absl::OkStatus();
}

namespace cuda {

absl::Status PinTunedAlgorithms(const DeviceTraits& traits) {
  // Once for the process, before its first weight: what is opened later has the same bits.
  static const absl::Status pinned = [&traits]() -> absl::Status {
    const std::string path = AlgorithmTablePath();
    if (path.empty()) return absl::OkStatus();
    absl::StatusOr<AlgorithmTable> table = ReadTable(path);
    if (!table.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat(std::string(table.status().message()),
                       "; remove the file, and make it anew with `temper tune`"));
    }
    if (table->empty()) return absl::OkStatus();
    std::unique_ptr<BlasLibrary> library = OpenCublasLt();
    if (library != nullptr) PinAlgorithms(*library.release(), traits, *table);
    return absl::OkStatus();
  }();
  return pinned;
}

}  // namespace cuda

}  // namespace temper::kernels
