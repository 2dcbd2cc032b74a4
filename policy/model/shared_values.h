// How a learner's values lie in memory of its GPU that rollout workers of the host open: the
// float32 array as the layout has it, then, at the next multiple of 8, one int64.
//
// That number is the version the values are, or are becoming: the learner writes it before it
// changes the first value. Versions only grow. So who packs the values and finds the number of
// version v afterwards has read v's values and no others, for nothing had begun to change them; and
// who finds a larger one knows that the version has gone by, whatever was read.
#pragma once

#include <cstdint>

#include "policy/model/parameters.h"

namespace temper::model {

// Bytes from the start of the memory.
inline int64_t SharedVersionAt(const ParameterLayout& layout) {
  const int64_t unit = sizeof(int64_t);
  return (layout.size() * static_cast<int64_t>(sizeof(float)) + unit - 1) / unit * unit;
}
inline int64_t SharedBytes(const ParameterLayout& layout) {
  return SharedVersionAt(layout) + static_cast<int64_t>(sizeof(int64_t));
}

}  // namespace temper::model
