// Tells the formats apart by their keys, and refuses what is none of them.
#include "reward/code/test_suite.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "reward/code/value_of_json.h"
#include "reward/verifier.h"

namespace temper::reward {
namespace {

using Kind = Value::Kind;

constexpr size_t kTestsMax = 10000;

absl::Status Bad(std::string_view key, std::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(key), ": ", std::string(problem)));
}

const Value* FirstOf(const Value& line, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    const Value* found = Find(line, key);
    if (found != nullptr && found->kind != Kind::kNone) return found;
  }
  return nullptr;
}

std::string TextOf(const Value* value) {
  return value != nullptr && value->kind == Kind::kString ? value->text : "";
}

// Input and output of the stdin format: a text, or (APPS) a list of lines.
absl::StatusOr<std::string> LinesOf(const Value& value, const std::string& key) {
  if (value.kind == Kind::kString) return value.text;
  if (value.kind == Kind::kInteger || value.kind == Kind::kFloat) return value.text;
  if (value.kind != Kind::kList) return Bad(key, "expected a string or a list of lines");
  std::string text;
  for (const Value& line : value.items) {
    if (line.kind == Kind::kString || line.kind == Kind::kInteger || line.kind == Kind::kFloat) {
      text += line.text + "\n";
    } else {
      return Bad(key, "expected a list of strings");
    }
  }
  return text;
}

// Arguments of one call: a list, or (LiveCodeBench) one JSON value on each line of a string.
absl::StatusOr<std::vector<Value>> ArgumentsOf(const Value& value, const std::string& key) {
  if (value.kind == Kind::kList) return value.items;
  if (value.kind != Kind::kString) return Bad(key, "expected a list or lines of JSON");
  std::vector<Value> arguments;
  std::string_view left = value.text;
  while (!left.empty()) {
    const size_t end = std::min(left.find('\n'), left.size());
    const std::string_view line = left.substr(0, end);
    left.remove_prefix(std::min(end + 1, left.size()));
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    absl::StatusOr<Value> argument = ValueOfJson(line);
    if (!argument.ok()) return Bad(key, std::string(argument.status().message()));
    arguments.push_back(*std::move(argument));
  }
  return arguments;
}

// The result of one call: itself, or (LiveCodeBench) the JSON of it where the inputs are JSON too.
absl::StatusOr<Value> ExpectedOf(const Value& output, const Value& input, const std::string& key) {
  if (input.kind != Kind::kString || output.kind != Kind::kString) return output;
  absl::StatusOr<Value> expected = ValueOfJson(output.text);
  if (!expected.ok()) return Bad(key, std::string(expected.status().message()));
  return expected;
}

absl::Status AddTest(const Value& input, const Value& output, const std::string& input_key,
                     const std::string& output_key, TestSuite& suite) {
  if (suite.kind == TestSuite::Kind::kOutput) {
    TestSuite::OutputTest test;
    TEMPER_ASSIGN_OR_RETURN(test.input, LinesOf(input, input_key));
    TEMPER_ASSIGN_OR_RETURN(test.output, LinesOf(output, output_key));
    suite.outputs.push_back(std::move(test));
    return absl::OkStatus();
  }
  TestSuite::CallTest test;
  TEMPER_ASSIGN_OR_RETURN(test.arguments, ArgumentsOf(input, input_key));
  TEMPER_ASSIGN_OR_RETURN(test.expected, ExpectedOf(output, input, output_key));
  test.perhaps_wrapped = input.kind != Kind::kString;
  suite.calls.push_back(std::move(test));
  return absl::OkStatus();
}

// LiveCodeBench keeps it in a string of JSON called "metadata".
std::string FunctionOf(const Value& line) {
  std::string function = TextOf(FirstOf(line, {"fn_name", "func_name"}));
  if (!function.empty()) return function;
  const absl::StatusOr<Value> metadata = ValueOfJson(TextOf(Find(line, "metadata")));
  return metadata.ok() ? TextOf(FirstOf(*metadata, {"func_name", "fn_name"})) : "";
}

void SetFunction(std::string function, TestSuite& suite) {
  if (function.empty()) return;
  suite.kind = TestSuite::Kind::kCalls;
  suite.function = std::move(function);
}

absl::Status ParseColumns(const Value& tests, const std::string& key, TestSuite& suite) {
  const Value* inputs = Find(tests, "inputs");
  const Value* outputs = Find(tests, "outputs");
  if (inputs == nullptr || outputs == nullptr || inputs->kind != Kind::kList ||
      outputs->kind != Kind::kList) {
    return Bad(key, "expected the lists \"inputs\" and \"outputs\"");
  }
  if (inputs->items.size() != outputs->items.size()) {
    return Bad(key, absl::StrCat(inputs->items.size(), " inputs and ", outputs->items.size(),
                                 " outputs, expected as many"));
  }
  SetFunction(TextOf(FirstOf(tests, {"fn_name", "func_name"})), suite);
  for (size_t i = 0; i < inputs->items.size(); ++i) {
    TEMPER_RETURN_IF_ERROR(AddTest(inputs->items[i], outputs->items[i],
                                   absl::StrCat(key, ".inputs[", i, "]"),
                                   absl::StrCat(key, ".outputs[", i, "]"), suite));
  }
  return absl::OkStatus();
}

absl::Status ParseRows(const Value& tests, const std::string& key, TestSuite& suite) {
  for (size_t i = 0; i < tests.items.size(); ++i) {
    const std::string row = absl::StrCat(key, "[", i, "]");
    const Value* input = Find(tests.items[i], "input");
    const Value* output = Find(tests.items[i], "output");
    if (input == nullptr || output == nullptr) {
      return Bad(row, "expected an object with \"input\" and \"output\"");
    }
    const bool functional = TextOf(Find(tests.items[i], "testtype")) == "functional";
    if (functional && suite.function.empty()) {
      return Bad(row,
                 "\"testtype\" is \"functional\"; the line needs a \"fn_name\" or \"func_name\"");
    }
    TEMPER_RETURN_IF_ERROR(AddTest(*input, *output, row + ".input", row + ".output", suite));
  }
  return absl::OkStatus();
}

absl::Status ParseStrings(const Value& list, const std::string& key, TestSuite& suite) {
  if (list.kind != Kind::kList) return Bad(key, "expected a list of strings");
  for (size_t i = 0; i < list.items.size(); ++i) {
    if (list.items[i].kind != Kind::kString) {
      return Bad(absl::StrCat(key, "[", i, "]"), "expected a string");
    }
    suite.asserts.push_back(list.items[i].text);
  }
  return absl::OkStatus();
}

absl::Status ParseAsserts(const Value& line, TestSuite& suite) {
  suite.kind = TestSuite::Kind::kAsserts;
  if (const Value* imports = Find(line, "test_imports"); imports != nullptr) {
    if (imports->kind != Kind::kList) return Bad("test_imports", "expected a list of strings");
    for (const Value& import : imports->items) suite.setup += import.text + "\n";
  }
  suite.setup += TextOf(Find(line, "test_setup_code")) + "\n";
  return ParseStrings(*FirstOf(line, {"test_list"}), "test_list", suite);
}

absl::Status ParseCheck(const Value& line, std::string check, std::string_view prompt,
                        TestSuite& suite) {
  suite.kind = TestSuite::Kind::kCheck;
  suite.check = std::move(check);
  suite.function = TextOf(Find(line, "entry_point"));
  if (suite.function.empty()) {
    return Bad("entry_point", "missing; a \"test\" needs the name of the function it checks");
  }
  const Value* own = Find(line, "prompt");
  suite.prompt = own != nullptr ? TextOf(own) : std::string(prompt);
  return absl::OkStatus();
}

bool IsListOfStrings(const Value& value) {
  return value.kind == Kind::kList && !value.items.empty() &&
         value.items.front().kind == Kind::kString;
}

absl::Status ParseTests(const Value& line, const std::string& key, const Value& tests,
                        std::string_view prompt, TestSuite& suite) {
  SetFunction(FunctionOf(line), suite);
  if (tests.kind == Kind::kDict) return ParseColumns(tests, key, suite);
  if (IsListOfStrings(tests)) {
    suite.kind = TestSuite::Kind::kAsserts;
    suite.setup = TextOf(Find(line, "test_setup_code"));
    return ParseStrings(tests, key, suite);
  }
  if (tests.kind == Kind::kList) return ParseRows(tests, key, suite);
  if (tests.kind != Kind::kString) return Bad(key, "expected an object, a list or a string");
  absl::StatusOr<Value> inside = ValueOfJson(tests.text);
  if (inside.ok() && inside->kind != Kind::kString) {
    return ParseTests(line, key, *inside, prompt, suite);
  }
  if (tests.text.find("def check") != std::string::npos) {
    return ParseCheck(line, tests.text, prompt, suite);
  }
  return Bad(key, "a string, but neither JSON nor Python with check(candidate)");
}

absl::Status CheckCount(const TestSuite& suite) {
  const size_t count = suite.kind == TestSuite::Kind::kCheck ? suite.check.size()
                       : suite.kind == TestSuite::Kind::kAsserts
                           ? suite.asserts.size()
                           : suite.outputs.size() + suite.calls.size();
  if (count == 0) {
    return Bad("tests", "there are none, and a program that no test can fail is never a pass");
  }
  if (suite.kind != TestSuite::Kind::kCheck && count > kTestsMax) {
    return Bad("tests", absl::StrCat(count, " of them, expected at most ", kTestsMax));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TestSuite> ParseTestSuite(const Value& line, std::string_view prompt) {
  TestSuite suite;
  absl::Status parsed;
  bool any = false;
  for (const std::string_view key :
       {"tests", "input_output", "private_test_cases", "public_test_cases"}) {
    const Value* tests = FirstOf(line, {key});
    if (tests == nullptr || any) continue;
    any = true;
    parsed = ParseTests(line, std::string(key), *tests, prompt, suite);
  }
  if (!any && FirstOf(line, {"test"}) != nullptr) {
    any = true;
    parsed = ParseCheck(line, TextOf(Find(line, "test")), prompt, suite);
  }
  if (!any && FirstOf(line, {"test_list"}) != nullptr) {
    any = true;
    parsed = ParseAsserts(line, suite);
  }
  if (!any) {
    return Bad("tests",
               "missing; verifier \"code\" needs \"tests\", or \"test\" and \"entry_point\", or "
               "\"test_list\"");
  }
  TEMPER_RETURN_IF_ERROR(parsed);
  TEMPER_RETURN_IF_ERROR(CheckCount(suite));
  return suite;
}

}  // namespace temper::reward
