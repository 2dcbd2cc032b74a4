// The Python programs that run inside the sandbox, part of this program (reward/code/python/*.py).
#pragma once

#include <string_view>

namespace temper::reward {

// Runs the program under test.
std::string_view CandidateSource();
// Runs published tests.
std::string_view JudgeSource();

}  // namespace temper::reward
