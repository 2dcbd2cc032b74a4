// Which of cuBLASLt's algorithms a weight's products may use, and the file that remembers it.
//
// A library's algorithm is admitted only where it has shown the same bits for a row whatever the
// number of rows and the row's place; one is then pinned for a weight's shape and direction, for
// every number of rows. Without an entry our own kernels compute. Nothing here knows CUDA.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace temper::kernels::cuda {

enum class Direction { kForward, kBackwardInput };

// The library's own record of an algorithm (cublasLtMatmulAlgo_t), and a label for people.
struct Algorithm {
  std::array<uint64_t, 8> record{};
  std::string label;
};

// ---- choosing
// What the chooser asks of whoever can run an algorithm.
struct AlgorithmProbe {
  // The bits of the probe row's result, standing at `place` among `rows` rows; none where the
  // algorithm refuses, or computes something else than the product.
  std::function<std::optional<std::vector<uint32_t>>(const Algorithm&, int64_t rows, int64_t place)>
      row_bits;
  std::function<double(const Algorithm&, int64_t rows)> seconds;  // of one product
};

// How much the time for so many rows counts.
struct TimedRows {
  int64_t rows = 0;
  double weight = 0;
};

struct TunerPlan {
  std::vector<int64_t> probed_rows = {1, 2, 7, 16, 17, 64, 100, 128, 512, 4096};
  // Decode counts by the call, prefill by what it takes as well.
  std::vector<TimedRows> timed = {{1, 1}, {16, 1}, {64, 1}, {128, 1}, {512, 1}, {4096, 1}};
};

// Where the probe row stands among so many: first, last, and across tiles' borders.
std::vector<int64_t> ProbePlaces(int64_t rows);

struct Verdict {
  bool admitted = false;
  std::string why_not;
  double cost = 0;  // sum of weight * seconds, where admitted
};
struct Choice {
  std::optional<size_t> chosen;   // of the candidates: the least cost, the first of equals
  std::vector<Verdict> verdicts;  // one a candidate
};
Choice ChooseAlgorithm(std::span<const Algorithm> candidates, const AlgorithmProbe& probe,
                       const TunerPlan& plan);

// ---- remembering
// An algorithm's record means something to one library on one kind of device.
struct AlgorithmKey {
  std::string device;  // "NVIDIA H200"
  int major = 0, minor = 0;
  int64_t library_version = 0;  // cublasLtGetVersion()
  int64_t out = 0, in = 0;      // of the weight
  Direction direction = Direction::kForward;
  auto operator<=>(const AlgorithmKey&) const = default;
};
using AlgorithmTable = std::map<AlgorithmKey, Algorithm>;

// The file: a first line that names the format, then a line per entry, fields between tabs, a
// checksum at the end. Nothing is forgiven: INVALID_ARGUMENT, with the line and what is wrong
// there. A tab or line break in a name or label becomes a space.
std::string FormatTable(const AlgorithmTable& table);
absl::StatusOr<AlgorithmTable> ParseTable(std::string_view text);

// A file that is not there is an empty table. INVALID_ARGUMENT, with the path: as ParseTable.
absl::StatusOr<AlgorithmTable> ReadTable(const std::string& path);
// Whole or not at all: written beside it, then renamed.
absl::Status WriteTable(const std::string& path, const AlgorithmTable& table);

}  // namespace temper::kernels::cuda
