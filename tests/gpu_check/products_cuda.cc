// cuBLASLt through the tuner's own doors, for tuning, pinning and comparing.
//
// Everything of the back end is called from here, so that the same program can be linked with the
// emulator.
#include <algorithm>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "kernels/cuda/cublas_lt.h"
#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/library_product.h"
#include "kernels/cuda/packed_weight.h"
#include "kernels/cuda/tune_weight.h"
#include "tests/gpu_check/products.h"

namespace temper::gpu_check {

using kernels::PackedWeight;
using kernels::View;
using kernels::cuda::Algorithm;
using kernels::cuda::AlgorithmKey;
using kernels::cuda::AlgorithmTable;
using kernels::cuda::BlasLibrary;
using kernels::cuda::Choice;
using kernels::cuda::CudaPackedWeight;
using kernels::cuda::CudaStream;
using kernels::cuda::DeviceTraits;
using kernels::cuda::Direction;

namespace {

// None: the CPU.
absl::StatusOr<int> GpuOf(const std::string& name) {
  if (name == "cpu") return -1;
  absl::string_view number = name;
  int index = 0;
  if (name == "cuda") return 0;
  if (!absl::ConsumePrefix(&number, "cuda:") || !absl::SimpleAtoi(number, &index) || index < 0) {
    return absl::InvalidArgumentError("--device: expected \"cpu\" or \"cuda:0\"");
  }
  return index;
}

// The first few candidates for few, for some and for many rows: trying all of them takes minutes.
class FewCandidates final : public BlasLibrary {
 public:
  explicit FewCandidates(BlasLibrary& library) : library_(library) {}
  int64_t version() const override { return library_.version(); }
  std::vector<Algorithm> Candidates(int64_t out, int64_t in, Direction direction,
                                    const std::vector<int64_t>& rows) override {
    std::vector<Algorithm> few;
    std::set<std::array<uint64_t, 8>> known;
    for (const int64_t first : {int64_t{16}, int64_t{512}, int64_t{4096}}) {
      std::vector<int64_t> order = rows;
      std::stable_partition(order.begin(), order.end(),
                            [&](int64_t count) { return count == first; });
      int taken = 0;
      for (Algorithm& found : library_.Candidates(out, in, direction, order)) {
        if (taken == kOfEach) break;
        ++taken;
        if (known.insert(found.record).second) few.push_back(std::move(found));
      }
    }
    return few;
  }
  bool Multiply(kernels::cuda::StreamHandle stream, const kernels::cuda::LibraryProduct& product,
                const Algorithm& algorithm) override {
    return library_.Multiply(stream, product, algorithm);
  }

 private:
  static constexpr int kOfEach = 6;
  BlasLibrary& library_;
};

// The rows of the figures and their neighbours: enough for a measurement, not for the product,
// which proves every number of rows (WholePlan).
kernels::cuda::TunerPlan QuickPlan(int64_t rows_max) {
  kernels::cuda::TunerPlan plan;
  plan.probed_rows = {1, 16, 17, 64, 100, 512, 4096};
  std::erase_if(plan.probed_rows, [&](int64_t rows) { return rows > rows_max; });
  std::erase_if(plan.timed, [&](const auto& timed) { return timed.rows > rows_max; });
  return plan;
}

class CudaProducts final : public Products {
 public:
  CudaProducts(BlasLibrary& library, DeviceTraits traits, AlgorithmTable table)
      : library_(library), traits_(std::move(traits)), table_(std::move(table)) {}

  Figure Tune(kernels::Device& device, int64_t out, int64_t in, bool backward,
              int64_t rows_max) override {
    const Direction direction = backward ? Direction::kBackwardInput : Direction::kForward;
    FewCandidates few(library_);
    const double begin = NowSeconds();
    const Choice choice = TuneWeight(static_cast<CudaStream&>(device.stream()), few, out, in,
                                     direction, QuickPlan(rows_max));
    Figure figure{.name = "tune", .value = NowSeconds() - begin, .unit = "s"};
    figure.details = {{"out", out},
                      {"in", in},
                      {"direction", backward ? "backward_input" : "forward"},
                      {"candidates", choice.verdicts.size()},
                      {"chosen", nullptr}};
    int64_t admitted = 0;
    for (const kernels::cuda::Verdict& verdict : choice.verdicts) {
      admitted += verdict.admitted ? 1 : 0;
      if (!verdict.admitted) figure.details["why_not"].push_back(verdict.why_not);
    }
    figure.details["admitted"] = admitted;
    figure.details["with_own_bits"] =
        std::count_if(choice.verdicts.begin(), choice.verdicts.end(),
                      [](const kernels::cuda::Verdict& verdict) { return verdict.own_bits; });
    figure.details["own_seconds_of_timed_rows"] = choice.own_cost;
    if (choice.chosen.has_value()) {
      table_[Key(out, in, direction)] = choice.pinned;
      figure.details["chosen"] = choice.pinned.label;
      figure.details["from_rows"] = choice.pinned.from_rows;
      figure.details["seconds_of_timed_rows"] = choice.verdicts[*choice.chosen].cost;
    }
    return figure;
  }

  absl::Status SaveTable(const std::string& path) override {
    return kernels::cuda::WriteTable(path, table_);
  }

  int Pin() override {
    PinAlgorithms(library_, traits_, table_);
    return static_cast<int>(std::count_if(table_.begin(), table_.end(), [&](const auto& entry) {
      return entry.first == Key(entry.first.out, entry.first.in, entry.first.direction);
    }));
  }

  bool MultiplyOwn(kernels::Device& device, View<const float> x, const PackedWeight& weight,
                   View<float> y) override {
    MultiplyByOwnTiles(kernels::cuda::BeginOp(device.stream()), Direction::kForward, x,
                       static_cast<const CudaPackedWeight&>(weight), y, kernels::Write::kReplace);
    return true;
  }

  bool MultiplyByLibrary(kernels::Device& device, View<const float> x, const PackedWeight& weight,
                         View<float> y) override {
    const auto found = table_.find(Key(weight.out(), weight.in(), Direction::kForward));
    if (found == table_.end()) return false;
    return kernels::cuda::MultiplyByLibrary(
        kernels::cuda::BeginOp(device.stream()), library_, found->second, Direction::kForward, x,
        static_cast<const CudaPackedWeight&>(weight).values<uint16_t>(), weight.out(), weight.in(),
        y, kernels::Write::kReplace);
  }

 private:
  AlgorithmKey Key(int64_t out, int64_t in, Direction direction) const {
    return {.device = traits_.name,
            .major = traits_.major,
            .minor = traits_.minor,
            .library_version = library_.version(),
            .out = out,
            .in = in,
            .direction = direction};
  }

  BlasLibrary& library_;
  const DeviceTraits traits_;
  AlgorithmTable table_;
};

// Pinned to weights, it must stay.
BlasLibrary* TheLibrary() {
  static BlasLibrary* const library = kernels::cuda::OpenCublasLt().release();
  return library;
}

}  // namespace

absl::StatusOr<std::unique_ptr<kernels::Device>> OpenNamed(const std::string& name, int threads) {
  TEMPER_ASSIGN_OR_RETURN(const int gpu, GpuOf(name));
  if (gpu < 0) return kernels::OpenCpuDevice(threads);
  return kernels::OpenCudaDevice(gpu);
}

absl::StatusOr<DeviceFacts> FactsOf(const std::string& name) {
  TEMPER_ASSIGN_OR_RETURN(const int gpu, GpuOf(name));
  if (gpu < 0) return DeviceFacts{.name = kernels::DescribeCpu()};
  TEMPER_ASSIGN_OR_RETURN(const DeviceTraits traits, kernels::cuda::SelectDevice(gpu));
  const BlasLibrary* const library = TheLibrary();
  return DeviceFacts{.name = traits.name,
                     .major = traits.major,
                     .minor = traits.minor,
                     .multiprocessors = traits.multiprocessors,
                     .memory_bytes = traits.memory_bytes,
                     .free_bytes = traits.free_bytes,
                     .library_version = library == nullptr ? 0 : library->version()};
}

absl::StatusOr<std::unique_ptr<Products>> OpenProducts(const std::string& device,
                                                       const std::string& table) {
  TEMPER_ASSIGN_OR_RETURN(const int gpu, GpuOf(device));
  if (gpu < 0) return nullptr;
  TEMPER_ASSIGN_OR_RETURN(DeviceTraits traits, kernels::cuda::SelectDevice(gpu));
  if (TheLibrary() == nullptr) return nullptr;
  AlgorithmTable known;
  if (!table.empty()) {
    TEMPER_ASSIGN_OR_RETURN(known, kernels::cuda::ReadTable(table));
  }
  return std::make_unique<CudaProducts>(*TheLibrary(), std::move(traits), std::move(known));
}

}  // namespace temper::gpu_check
