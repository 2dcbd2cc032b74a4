// What is wrong with a spec whose defaults are in place.
#pragma once

#include <string>
#include <vector>

#include "temper/v1/run_spec.pb.h"

namespace temper::orchestrator {

struct SpecProblem {
  std::string text;  // "<field path>: found ..., expected ..."
  bool file_missing = false;
};

// Empty when all is well. Looks at names, sizes, contradictions and whether files are there, not
// inside them.
std::vector<SpecProblem> FindSpecProblems(const v1::RunSpec& spec);

// Only of the fields that shape a policy step: what an alteration may touch. Looks at no file.
std::vector<SpecProblem> FindObjectiveProblems(const v1::RunSpec& spec);

}  // namespace temper::orchestrator
