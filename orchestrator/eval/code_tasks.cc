// Programs: what is asked for, and the tests that verifier "code" runs.
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "orchestrator/eval/inflate.h"
#include "orchestrator/eval/pickled_text.h"
#include "orchestrator/eval/published.h"
#include "orchestrator/eval/record.h"

namespace temper::eval {
namespace {

using json = nlohmann::ordered_json;

// The tests of one problem, which a verifier takes in as one item. Tests compress well: a list of a
// million ones is a fair test, so only this bound holds, and not that of a ratio.
constexpr size_t kTestsBytesMax = size_t{32} << 20;
constexpr InflateLimits kTestsLimits{.bytes_max = kTestsBytesMax, .ratio_max = kTestsBytesMax};

absl::Status Wrong(const char* key, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("\"", key, "\" ", std::string(what)));
}

// The JSON of a list of tests: as text, or (private ones) base64 of zlib of a pickled text.
absl::StatusOr<std::string> TestsText(const std::string& text, const char* key) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin != std::string::npos && text[begin] == '[') return text;
  std::string packed;
  if (!absl::Base64Unescape(text, &packed)) return Wrong(key, "is neither a JSON list nor base64");
  const absl::StatusOr<std::string> pickle = Inflate(packed, Wrapping::kZlib, kTestsLimits);
  if (!pickle.ok()) return Wrong(key, std::string(pickle.status().message()));
  absl::StatusOr<std::string> inside = ReadPickledText(*pickle);
  if (!inside.ok()) return Wrong(key, std::string(inside.status().message()));
  return inside;
}

struct LcbTests {
  json inputs = json::array(), outputs = json::array();
  bool functional = false;
};

// Adds the tests of [{"input", "output", "testtype": "stdin" | "functional"}].
absl::Status AddTests(const Record& record, const char* key, LcbTests& tests) {
  const json* value = record.Find({key});
  if (value == nullptr) return absl::OkStatus();
  if (!value->is_string()) return Wrong(key, "is no string");
  TEMPER_ASSIGN_OR_RETURN(const std::string text, TestsText(value->get<std::string>(), key));
  TEMPER_ASSIGN_OR_RETURN(const json list, ParseOrderedJson(text, key));
  if (!list.is_array()) return Wrong(key, "holds no list");
  for (const json& test : list) {
    const auto text_of = [&test](const char* name) -> const json* {
      const auto found = test.is_object() ? test.find(name) : test.end();
      return test.is_object() && found != test.end() && found->is_string() ? &*found : nullptr;
    };
    const json *input = text_of("input"), *output = text_of("output"), *type = text_of("testtype");
    if (input == nullptr || output == nullptr || type == nullptr) {
      return Wrong(key, R"(holds something else than {"input", "output", "testtype"} of strings)");
    }
    const bool functional = *type == "functional";
    if (!functional && *type != "stdin") {
      return Wrong(key, absl::StrCat("has a test of type ", Dump(*type),
                                     ", expected \"stdin\" or \"functional\""));
    }
    if (!tests.inputs.empty() && functional != tests.functional) {
      return Wrong(key, "mixes tests of both types");
    }
    tests.functional = functional;
    tests.inputs.push_back(*input);
    tests.outputs.push_back(*output);
  }
  return absl::OkStatus();
}

// "metadata" is a string of JSON: {"func_name": ...}.
absl::StatusOr<json> FunctionName(const Record& record, bool functional) {
  if (!functional) return json();
  const std::string text = record.TextOrNothing({"metadata"});
  const absl::StatusOr<json> metadata = ParseOrderedJson(text, "metadata");
  if (metadata.ok() && metadata->is_object()) {
    const auto name = metadata->find("func_name");
    if (name != metadata->end() && name->is_string()) return *name;
  }
  return Wrong("metadata", "names no \"func_name\", which functional tests call");
}

}  // namespace

// {"task_id", "prompt", "canonical_solution", "test", "entry_point"} (openai/human-eval).
absl::Status ReadHumanEval(const json& line, uint64_t, Task& task) {
  const Record record(line);
  TEMPER_ASSIGN_OR_RETURN(task.id, record.Text({"task_id"}));
  TEMPER_ASSIGN_OR_RETURN(task.prompt, record.Text({"prompt"}));
  TEMPER_ASSIGN_OR_RETURN(const std::string test, record.Text({"test"}));
  TEMPER_ASSIGN_OR_RETURN(const std::string entry_point, record.Text({"entry_point"}));
  task.metadata_json =
      Dump({{"prompt", task.prompt}, {"entry_point", entry_point}, {"test", test}});
  return absl::OkStatus();
}

// {"task_id", "text" | "prompt", "code", "test_list", "test_setup_code" | "test_imports"}
// (google-research/mbpp, and its sanitized form). The tests are shown: they name the function.
absl::Status ReadMbpp(const json& line, uint64_t, Task& task) {
  const Record record(line);
  TEMPER_ASSIGN_OR_RETURN(task.id, record.Text({"task_id"}));
  TEMPER_ASSIGN_OR_RETURN(const std::string text, record.Text({"text", "prompt"}));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<std::string> tests, record.Texts("test_list", 1));
  task.prompt =
      absl::StrCat(text, "\n\nYour code must pass these tests:\n", absl::StrJoin(tests, "\n"));
  json metadata = {{"test_list", tests}};
  metadata["test_setup_code"] = record.TextOrNothing({"test_setup_code"});
  if (record.Find({"test_imports"}) != nullptr) {
    TEMPER_ASSIGN_OR_RETURN(const std::vector<std::string> imports,
                            record.Texts("test_imports", 0));
    metadata["test_imports"] = imports;
  }
  task.metadata_json = Dump(metadata);
  return absl::OkStatus();
}

// {"question_id", "question_content", "starter_code", "public_test_cases", "private_test_cases",
// "metadata", "difficulty", "platform"} (livecodebench/code_generation_lite).
absl::Status ReadLiveCodeBench(const json& line, uint64_t, Task& task) {
  const Record record(line);
  TEMPER_ASSIGN_OR_RETURN(task.prompt, record.Text({"question_content"}));
  const std::string starter = record.TextOrNothing({"starter_code"});
  absl::StrAppend(&task.prompt, starter.empty()
                                    ? "\n\nRead from standard input and write to standard output."
                                    : absl::StrCat("\n\nUse this starter code:\n\n```python\n",
                                                   starter, "\n```"));
  LcbTests tests;
  TEMPER_RETURN_IF_ERROR(AddTests(record, "public_test_cases", tests));
  TEMPER_RETURN_IF_ERROR(AddTests(record, "private_test_cases", tests));
  if (tests.inputs.empty()) return Wrong("private_test_cases", "and the public ones are empty");
  TEMPER_ASSIGN_OR_RETURN(const json function, FunctionName(record, tests.functional));
  task.id = record.TextOrNothing({"question_id"});
  task.metadata_json = Dump({{"tests",
                              {{"inputs", std::move(tests.inputs)},
                               {"outputs", std::move(tests.outputs)},
                               {"fn_name", function}}}});
  for (const char* axis : {"difficulty", "platform"}) {
    const std::string value = record.TextOrNothing({axis});
    if (!value.empty()) task.categories.emplace_back(axis, value);
  }
  return absl::OkStatus();
}

}  // namespace temper::eval
