// Runs a program on inputs and compares what it prints.
#pragma once

#include "absl/status/statusor.h"
#include "reward/code/grade.h"
#include "reward/code/test_suite.h"

namespace temper::reward {

// A new sandbox for each test, so that none can leave anything for the next. A failed Status is
// ours.
absl::StatusOr<Grade> RunOutputTests(const Bench& bench, const TestSuite& suite,
                                     const std::string& program);

}  // namespace temper::reward
