// Decompresses what strangers compressed, within bounds.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace temper::eval {

enum class Wrapping { kGzip, kZlib };

// How much may come of it: a bomb is refused before it has filled the memory.
struct InflateLimits {
  size_t bytes_max = size_t{1} << 30;
  size_t ratio_max = 100;  // bytes out for each byte in; small inputs may have 1 MiB all the same
};

// All of `bytes`: several gzip members one after the other are one text, and anything behind the
// last is refused. INVALID_ARGUMENT: damaged, cut off, or more than the limits allow.
absl::StatusOr<std::string> Inflate(std::string_view bytes, Wrapping wrapping,
                                    const InflateLimits& limits);

}  // namespace temper::eval
