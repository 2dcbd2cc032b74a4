// In place of cuBLASLt beside the emulator: a library on the host's memory, so that tuning, pinning
// and the figures of pinned products run without a GPU.
#include <cmath>

#include "kernels/cuda/cublas_lt.h"
#include "policy/model/folder/number_formats.h"
#include "tests/kernels/cuda/emulator/device_words.h"

namespace temper::kernels::cuda {

namespace {

// By the first word of an algorithm's record: kSwaying has other bits for many rows.
enum Habit : uint64_t { kSteady = 1, kSwaying = 2 };

class HostLibrary final : public BlasLibrary {
 public:
  int64_t version() const override { return 1; }
  std::vector<Algorithm> Candidates(int64_t out, int64_t in, Direction,
                                    const std::vector<int64_t>&) override {
    if (out % 8 != 0 || in % 8 != 0) return {};
    return {{.record = {kSwaying}, .label = "swaying"}, {.record = {kSteady}, .label = "steady"}};
  }
  bool Multiply(StreamHandle, const LibraryProduct& product, const Algorithm& algorithm) override {
    temper_emulated_enqueue([product, algorithm] { Compute(product, algorithm); });
    return true;
  }

 private:
  static void Compute(const LibraryProduct& p, const Algorithm& algorithm) {
    const bool forward = p.direction == Direction::kForward;
    const bool down = algorithm.record[0] == kSwaying && p.rows > 16;
    for (int64_t i = 0; i < p.rows; ++i) {
      for (int64_t j = 0; j < p.columns(); ++j) {
        float sum = 0;
        for (int64_t step = 0; step < p.depth(); ++step) {
          const int64_t k = down ? p.depth() - 1 - step : step;
          const uint16_t weight = p.weight[forward ? j * p.in + k : k * p.in + j];
          sum = std::fma(model::FromBf16(p.a[i * p.depth() + k]), model::FromBf16(weight), sum);
        }
        p.c[i * p.c_stride + j] = sum;
      }
    }
  }
};

}  // namespace

std::unique_ptr<BlasLibrary> OpenCublasLt() { return std::make_unique<HostLibrary>(); }

}  // namespace temper::kernels::cuda
