// Multiple choice: options behind letters, in an order that a seed decides or the file gives.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/philox.h"
#include "base/status_macros.h"
#include "orchestrator/eval/published.h"
#include "orchestrator/eval/record.h"

namespace temper::eval {
namespace {

using json = nlohmann::ordered_json;

constexpr size_t kLetters = 26;

std::string Letter(size_t index) { return std::string(1, static_cast<char>('A' + index)); }

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

void Ask(const std::string& question, const std::vector<std::string>& options, Task& task) {
  task.prompt = absl::StrCat(Trimmed(question), "\n");
  for (size_t i = 0; i < options.size(); ++i) {
    absl::StrAppend(&task.prompt, "\n", Letter(i), ") ", options[i]);
  }
  task.metadata_json = Dump({{"options", options}});
}

}  // namespace

// {"Question", "Correct Answer", "Incorrect Answer 1" .. "3"} (Idavidrein/gpqa). Published with the
// right answer first, so always shuffled.
absl::Status ReadGpqa(const json& line, uint64_t seed, Task& task) {
  const Record record(line);
  TEMPER_ASSIGN_OR_RETURN(const std::string question, record.Text({"Question"}));
  std::vector<std::string> published;
  for (const char* key :
       {"Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"}) {
    TEMPER_ASSIGN_OR_RETURN(const std::string option, record.Text({key}));
    published.push_back(Trimmed(option));
  }
  std::vector<std::string> options;
  for (size_t place = 0; place < published.size(); ++place) {
    const uint64_t from = PermutedIndex(seed, HashName(question), published.size(), place);
    if (from == 0) task.gold = Letter(place);
    task.option_order.push_back(static_cast<int>(from));
    options.push_back(published[from]);
  }
  Ask(question, options, task);
  task.id = record.TextOrNothing({"Record ID"});
  const std::string domain = record.TextOrNothing({"High-level domain"});
  if (!domain.empty()) task.categories.emplace_back("domain", domain);
  return absl::OkStatus();
}

// {"question_id", "question", "options", "answer": "C", "answer_index": 2, "category"}
// (TIGER-Lab/MMLU-Pro). The order is the file's.
absl::Status ReadMmluPro(const json& line, uint64_t, Task& task) {
  const Record record(line);
  TEMPER_ASSIGN_OR_RETURN(const std::string question, record.Text({"question"}));
  TEMPER_ASSIGN_OR_RETURN(std::vector<std::string> options, record.Texts("options", 2));
  if (options.size() > kLetters) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"options\": found ", options.size(), ", expected at most ", kLetters));
  }
  for (std::string& option : options) option = Trimmed(option);
  Ask(question, options, task);
  task.gold = record.TextOrNothing({"answer"});
  if (const json* index = record.Find({"answer_index"}); index != nullptr) {
    if (!index->is_number_unsigned() || index->get<size_t>() >= options.size()) {
      return absl::InvalidArgumentError(absl::StrCat("\"answer_index\": found ", Dump(*index),
                                                     ", expected a number from 0 to ",
                                                     options.size() - 1));
    }
    const std::string letter = Letter(index->get<size_t>());
    if (!task.gold.empty() && task.gold != letter) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"answer\" is \"", task.gold, "\", but \"answer_index\" means ", letter));
    }
    task.gold = letter;
  }
  if (task.gold.size() != 1 || task.gold[0] < 'A' ||
      static_cast<size_t>(task.gold[0] - 'A') >= options.size()) {
    return absl::InvalidArgumentError(absl::StrCat("\"answer\": found \"", task.gold,
                                                   "\", expected a letter from A to ",
                                                   Letter(options.size() - 1)));
  }
  task.id = record.TextOrNothing({"question_id"});
  const std::string category = record.TextOrNothing({"category"});
  if (!category.empty()) task.categories.emplace_back("category", category);
  return absl::OkStatus();
}

}  // namespace temper::eval
