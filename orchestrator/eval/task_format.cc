// The table of formats: one line each says all there is to say.
#include "orchestrator/eval/task_format.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/nearest_name.h"
#include "orchestrator/eval/published.h"
#include "orchestrator/eval/record.h"

namespace temper::eval {
namespace {

constexpr char kBoxedAnswer[] =
    "{prompt}\n\nReason step by step, and put the final answer in \\boxed{}.";
constexpr char kBoxedLetter[] =
    "{prompt}\n\nReason step by step, and put the letter of the right option in \\boxed{}.";
constexpr char kPlainAnswer[] = "Problem: {prompt}\n\nSolution (the final answer in \\boxed{}):";
constexpr char kPlainLetter[] = "{prompt}\n\nAnswer (the letter in \\boxed{}):";
constexpr char kWriteProgram[] =
    "{prompt}\n\nWrite the program in Python 3, whole, in one ```python block.";
constexpr char kCompleteFunction[] =
    "Complete this Python function. Answer with the whole function, its imports included, in one "
    "```python block.\n\n```python\n{prompt}```";

// No answer of its own, for what follows a function is not asked for.
const std::vector<std::string>& AfterAFunction() {
  static const auto& stop =
      *new std::vector<std::string>{"\nclass ", "\ndef ", "\n#", "\nif __name__", "\nprint("};
  return stop;
}

const std::vector<TaskFormat>& Table() {
  static const auto& table = *new std::vector<TaskFormat>{
      {"ifeval",
       "instruction",
       "{prompt}",
       "{prompt}\n\n",
       {},
       {"prompt", "instruction_id_list", "kwargs"},
       {},
       ReadIfeval},
      {"humaneval",
       "code",
       kCompleteFunction,
       "{prompt}",
       AfterAFunction(),
       {"task_id", "prompt", "test", "entry_point"},
       {},
       ReadHumanEval},
      {"mbpp",
       "code",
       kWriteProgram,
       "\"\"\"\n{prompt}\n\"\"\"\n",
       {"\n\"\"\"", "\nassert"},
       {"test_list"},
       {"text", "prompt"},
       ReadMbpp},
      {"livecodebench",
       "code",
       kWriteProgram,
       "{prompt}\n\n```python\n",
       {"\n```"},
       {"question_content"},
       {"public_test_cases", "private_test_cases"},
       ReadLiveCodeBench},
      {"mmlu_pro",
       "choice",
       kBoxedLetter,
       kPlainLetter,
       {},
       {"question", "options"},
       {"answer", "answer_index"},
       ReadMmluPro},
      {"gpqa",
       "choice",
       kBoxedLetter,
       kPlainLetter,
       {},
       {"Question", "Correct Answer", "Incorrect Answer 1"},
       {},
       ReadGpqa},
      {"math_500",
       "math",
       kBoxedAnswer,
       kPlainAnswer,
       {},
       {"problem"},
       {"subject", "level", "unique_id", "type"},
       ReadMath},
      {"aime", "math", kBoxedAnswer, kPlainAnswer, {}, {}, {"problem", "Problem"}, ReadAime},
      {"gsm8k", "math", kBoxedAnswer, kPlainAnswer, {}, {"question", "answer"}, {}, ReadGsm8k},
  };
  return table;
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const TaskFormat& format : Table()) names.push_back(format.name);
  names.push_back(OwnFormat().name);
  return names;
}

bool Fits(const TaskFormat& format, const nlohmann::ordered_json& line) {
  const auto has = [&line](const std::string& key) { return line.contains(key); };
  return std::all_of(format.keys.begin(), format.keys.end(), has) &&
         (format.any.empty() || std::any_of(format.any.begin(), format.any.end(), has));
}

}  // namespace

std::span<const TaskFormat> PublishedFormats() { return Table(); }

const TaskFormat& OwnFormat() {
  static const auto& format = *new TaskFormat{
      "temper", "answer", "{prompt}", "{prompt}", {}, {}, {"prompt", "messages"}, nullptr};
  return format;
}

absl::StatusOr<const TaskFormat*> FormatOf(const std::string& name) {
  for (const TaskFormat& format : Table()) {
    if (name == format.name) return &format;
  }
  if (name == OwnFormat().name) return &OwnFormat();
  const std::vector<std::string> names = Names();
  return absl::InvalidArgumentError(absl::StrCat("--format: found \"", name, "\", expected one of ",
                                                 absl::StrJoin(names, ", "),
                                                 Suggestion(name, names)));
}

absl::StatusOr<const TaskFormat*> FormatOfLine(const nlohmann::ordered_json& line) {
  for (const TaskFormat& format : Table()) {
    if (Fits(format, line)) return &format;
  }
  if (Fits(OwnFormat(), line)) return &OwnFormat();
  return absl::InvalidArgumentError(absl::StrCat("no known format has these keys: ", KeysOf(line),
                                                 "; known are ", absl::StrJoin(Names(), ", "),
                                                 " (docs/evaluation.md)"));
}

}  // namespace temper::eval
