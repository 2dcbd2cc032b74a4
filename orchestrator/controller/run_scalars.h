// The figures of an event, for charts.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "temper/v1/run.pb.h"

namespace temper::orchestrator {

struct RunScalars {
  int64_t step = 0;
  std::vector<std::pair<std::string, double>> scalars;  // empty: the event has none
};

RunScalars ScalarsOf(const v1::RunEvent& event);

}  // namespace temper::orchestrator
