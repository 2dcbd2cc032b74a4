// The newest numbers of all runs, in Prometheus' text format.
#pragma once

#include <string>

#include "temper/v1/controller.pb.h"

namespace temper::orchestrator {

// One gauge for each number, with the label "run"; a run without a step yet has no step's gauges.
std::string PrometheusText(const temper::v1::ListResponse& runs);

}  // namespace temper::orchestrator
