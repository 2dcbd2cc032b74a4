// The table of cuBLASLt's algorithms on this machine: where it is, how it is made, when it is in
// force.
//
// All processes of a run must have the same table, for it decides bits: it is made by a tool, once
// for a device, and read when a device is opened. Knows no CUDA; without it compiled in, making one
// is refused.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "absl/status/status.h"

namespace temper::kernels {

struct WeightSides {
  int64_t out = 0, in = 0;
  auto operator<=>(const WeightSides&) const = default;
};

// $TEMPER_CUDA_ALGORITHMS ("": no table), or cuda_algorithms.txt in $XDG_CACHE_HOME/temper or
// ~/.cache/temper; "" where there is no home.
std::string AlgorithmTablePath();

// What came of one weight in one direction.
struct TunedProduct {
  WeightSides sides;
  bool backward = false;
  int64_t candidates = 0, admitted = 0;
  std::string chosen;     // its label; "": our own kernels compute
  int64_t from_rows = 1;  // where one is chosen: fewer rows are our own kernels'
  int64_t done = 0, total = 0;
};

// Chooses for bfloat16 weights of these sides, for products and for input gradients, what `path`
// does not have yet, and writes the file after each. Seconds a weight; the device should have
// nothing else to do. Errors as OpenCudaDevice's; UNAVAILABLE: no cuBLASLt there; INVALID_ARGUMENT:
// a damaged file.
absl::Status TuneProducts(int device, std::span<const WeightSides> weights, const std::string& path,
                          const std::function<void(const TunedProduct&)>& tell);

}  // namespace temper::kernels
