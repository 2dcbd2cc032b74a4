// One event of a run as one line for people.
#pragma once

#include <string>

#include "temper/v1/run.pb.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::cli {

// "step 12/30  reward 0.531 ...", "paused by ada: lunch", ...; model-made text is escaped. spec: of
// the run, for totals.
std::string EventText(const v1::RunEvent& event, const v1::RunSpec& spec);
// With its time before it: "14:02:11  ".
std::string EventLine(const v1::RunEvent& event, const v1::RunSpec& spec);

}  // namespace temper::cli
