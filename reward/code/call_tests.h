// Runs the tests that call functions of a Python program.
#pragma once

#include "absl/status/statusor.h"
#include "reward/code/grade.h"
#include "reward/code/test_suite.h"

namespace temper::reward {

// Calls with given arguments; the results are compared here. One process for all calls.
absl::StatusOr<Grade> RunCallTests(const Bench& bench, const TestSuite& suite,
                                   const std::string& program);

// Published tests in Python (HumanEval's check, MBPP's asserts) run in a sandbox of their own, and
// the program in another; see python/judge.py. INVALID_ARGUMENT when the tests themselves are at
// fault: they do not compile, or call nothing.
absl::StatusOr<Grade> RunPythonTests(const Bench& bench, const TestSuite& suite,
                                     const std::string& program);

}  // namespace temper::reward
