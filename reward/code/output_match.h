// Does what a program printed say what it should have said?
#pragma once

#include <string_view>

namespace temper::reward {

// As LiveCodeBench compares: blank space at both ends and at both ends of each line is ignored,
// then there must be as many lines, and each must be the same, or hold as many blank-separated
// tokens which are all the same decimal number. Decimals are compared exactly: 1.50 is 1.5, 1e3 is
// 1000, 0.1 is not 0.1000000001; "nan" and "inf" are words. Linear.
bool SameOutput(std::string_view expected, std::string_view found);

}  // namespace temper::reward
