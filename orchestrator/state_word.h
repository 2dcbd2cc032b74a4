// A run's state as a word: RUN_STATE_DRAINING is "draining".
#pragma once

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "temper/v1/run.pb.h"

namespace temper::orchestrator {

inline std::string StateWord(v1::RunState state) {
  return absl::AsciiStrToLower(
      std::string(absl::StripPrefix(v1::RunState_Name(state), "RUN_STATE_")));
}

}  // namespace temper::orchestrator
