// Mathematics and instructions: a text, and what its answer is held against.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "orchestrator/eval/published.h"
#include "orchestrator/eval/record.h"

namespace temper::eval {

using json = nlohmann::ordered_json;

// {"question": ..., "answer": "... #### 72"} (openai/grade-school-math).
absl::Status ReadGsm8k(const json& line, uint64_t, Task& task) {
  const Record record(line);
  TEMPER_ASSIGN_OR_RETURN(task.prompt, record.Text({"question"}));
  TEMPER_ASSIGN_OR_RETURN(task.gold, record.Text({"answer"}));
  const size_t mark = task.gold.rfind("####");
  if (mark == std::string::npos ||
      task.gold.find_first_not_of(" \t\r\n", mark + 4) == std::string::npos) {
    return absl::InvalidArgumentError(
        "\"answer\" does not end in \"#### ANSWER\", as GSM8K's do; for lines of your own use "
        "{\"prompt\": ..., \"answer\": ...}");
  }
  const size_t begin = task.gold.find_first_not_of(" \t", mark + 4);
  const size_t end = task.gold.find_last_not_of(" \t\r\n");
  task.gold = task.gold.substr(begin, end - begin + 1);
  return absl::OkStatus();
}

// {"problem", "solution", "answer", "subject", "level", "unique_id"} (HuggingFaceH4/MATH-500), and
// {"problem", "solution", "level", "type"} (hendrycks/MATH), whose answer is the solution's box.
absl::Status ReadMath(const json& line, uint64_t, Task& task) {
  const Record record(line);
  TEMPER_ASSIGN_OR_RETURN(task.prompt, record.Text({"problem"}));
  TEMPER_ASSIGN_OR_RETURN(task.gold, record.Text({"answer", "solution"}));
  if (record.Find({"answer"}) == nullptr && !absl::StrContains(task.gold, "\\boxed")) {
    return absl::InvalidArgumentError("has no \"answer\", and \"solution\" holds no \\boxed{}");
  }
  task.id = record.TextOrNothing({"unique_id"});
  for (const char* axis : {"subject", "type", "level"}) {
    const std::string value = record.TextOrNothing({axis});
    if (!value.empty()) task.categories.emplace_back(axis, value);
  }
  return absl::OkStatus();
}

// {"problem" | "Problem", "answer" | "Answer", "id" | "ID"}.
absl::Status ReadAime(const json& line, uint64_t, Task& task) {
  const Record record(line);
  TEMPER_ASSIGN_OR_RETURN(task.prompt, record.Text({"problem", "Problem"}));
  TEMPER_ASSIGN_OR_RETURN(task.gold, record.Text({"answer", "Answer"}));
  task.id = record.TextOrNothing({"id", "ID"});
  return absl::OkStatus();
}

// {"key", "prompt", "instruction_id_list", "kwargs"} (google-research/instruction_following_eval).
absl::Status ReadIfeval(const json& line, uint64_t, Task& task) {
  const Record record(line);
  TEMPER_ASSIGN_OR_RETURN(task.prompt, record.Text({"prompt"}));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                          record.Texts("instruction_id_list", 1));
  const json* kwargs = record.Find({"kwargs"});
  if (kwargs == nullptr || !kwargs->is_array() || kwargs->size() != ids.size()) {
    return absl::InvalidArgumentError(absl::StrCat("\"kwargs\": expected a list of ", ids.size(),
                                                   " objects, one for each instruction"));
  }
  task.id = record.TextOrNothing({"key"});
  task.metadata_json = Dump({{"instruction_id_list", ids}, {"kwargs", *kwargs}});
  return absl::OkStatus();
}

}  // namespace temper::eval
