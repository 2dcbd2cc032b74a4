// Measures a controller: how many results a second it records durably, how fast it answers
// meanwhile, whether its memory stays flat, how soon it is back after a kill.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace temper::cli {

struct ControlPlaneBenchOptions {
  double seconds = 20;  // ends then, or ...
  int64_t samples = 0;  // ... when that many results are recorded, if given
  int rollout_workers = 2;
  int groups = 64;  // of a step
  int group_size = 16;
  int tokens = 128;    // of each response
  std::string dir;     // the run is made in a new folder there; default: the current one
  bool pause = false;  // also pauses and resumes the run twice a second
  bool keep = false;   // the folder stays
  bool json = false;
};

// Runs a real `temper controller` as a child and speaks to it over the wire only; its workers are
// AnsweringFleet. Beside the results a second stands what the same disk takes when the bytes of 64
// results at a time are appended to a file and synced once.
absl::Status BenchControlPlane(const ControlPlaneBenchOptions& options);

}  // namespace temper::cli
