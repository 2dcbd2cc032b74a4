// Which of cuBLASLt's algorithms a weight's products may use, and the file that remembers it.
//
// A library's algorithm is admitted only where it has shown the same bits for a row whatever the
// number of rows and the row's place; one is then pinned for a weight's shape and direction. Where
// its bits are those of our own kernels, too, each computes the numbers of rows at which it is the
// faster; else the library computes all of them. Without an entry our own kernels compute. Nothing
// here knows CUDA.
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
  int64_t from_rows = 1;  // fewer rows are our own kernels'; over 1 only where the bits are theirs
};

// ---- choosing
// What the chooser asks of whoever can run an algorithm.
struct AlgorithmProbe {
  // The bits of the probe row's result, standing at `place` among `rows` rows; none where the
  // algorithm refuses, or computes something else than the product.
  std::function<std::optional<std::vector<uint32_t>>(const Algorithm&, int64_t rows, int64_t place)>
      row_bits;
  std::function<double(const Algorithm&, int64_t rows)> seconds;  // of one product
  // The same of our own kernels, whose bits depend on neither.
  std::function<std::vector<uint32_t>()> own_row_bits;
  std::function<double(int64_t rows)> own_seconds;
};

// How much the time for so many rows counts.
struct TimedRows {
  int64_t rows = 0;
  double weight = 0;
};

struct TunerPlan {
  std::vector<int64_t> probed_rows = {1, 2, 7, 16, 17, 64, 100, 128, 512, 4096};
  // By the call: a rollout of a thousand tokens makes a thousand steps of few rows where scoring
  // and training make some fifty products of 4,096.
  std::vector<TimedRows> timed = {{1, 1}, {16, 1}, {64, 1}, {128, 1}, {512, 0.5}, {4096, 0.2}};
};

// Where the probe row stands among so many: first, last, and across tiles' borders.
std::vector<int64_t> ProbePlaces(int64_t rows);

struct Verdict {
  bool admitted = false;
  std::string why_not;
  bool own_bits = false;  // those of our own kernels
  int64_t from_rows = 1;  // Algorithm's
  double cost = 0;        // sum of weight * seconds, our own kernels' below from_rows
};
struct Choice {
  // Of the candidates: the least cost, the first of equals; none that costs more than our kernels.
  std::optional<size_t> chosen;
  Algorithm pinned;  // the chosen one, with its from_rows
  double own_cost = 0;
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
