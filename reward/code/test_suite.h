// The tests of a problem, in the formats in which datasets publish them.
//
//   stdin/stdout  "tests": {"inputs": [...], "outputs": [...]} (APPS, TACO), or
//                 [{"input": ..., "output": ...}, ...] (LiveCodeBench)
//   calls         the same with "fn_name" (APPS), or "testtype": "functional" and "func_name" or
//                 "fn_name" beside it (LiveCodeBench)
//   check         "prompt", "test" with a function check(candidate), "entry_point" (HumanEval)
//   asserts       "test_list", and "test_setup_code", "test_imports" (MBPP); or "tests" as a list
//   of
//                 strings
//
// "tests" may also be a string that holds such JSON, or be called "input_output",
// "public_test_cases" or "private_test_cases".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "reward/code/value.h"

namespace temper::reward {

struct TestSuite {
  enum class Kind { kOutput, kCalls, kCheck, kAsserts };

  struct OutputTest {
    std::string input, output;
  };
  struct CallTest {
    std::vector<Value> arguments;
    Value expected;
    bool perhaps_wrapped = false;  // APPS: [[1, 2]] also means [1, 2]
  };

  Kind kind = Kind::kOutput;
  std::vector<OutputTest> outputs;
  std::string function;  // kCalls, kCheck: what is called
  std::vector<CallTest> calls;
  std::string prompt, check;         // kCheck
  std::string setup;                 // kAsserts
  std::vector<std::string> asserts;  // kAsserts
};

// `line`: the other keys of the dataset's line. INVALID_ARGUMENT names the key; a problem without a
// single test is refused, for a program could not fail it.
absl::StatusOr<TestSuite> ParseTestSuite(const Value& line, std::string_view prompt);

}  // namespace temper::reward
