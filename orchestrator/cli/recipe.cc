// `temper recipe`: a published training recipe as datasets and specs that `temper run` takes.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/json_config.h"
#include "base/status_macros.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/recipe/helpsteer3.h"
#include "orchestrator/recipe/helpsteer3_specs.h"

namespace temper::cli {
namespace {

using recipe::Json;
using recipe::Lines;

struct Choice {
  std::string data, out, model = "model", turns = "examples/graphs/helpsteer3";
  std::string reward_model = "127.0.0.1:7071";
  uint64_t seed = 0;
  int batch = 64;
  int64_t limit = 0;
  bool all_feedback = false;
};

// Writes one dataset, line by line.
class Dataset {
 public:
  explicit Dataset(std::string path) : path_(std::move(path)), file_(path_, std::ios::trunc) {}

  void Add(const Lines& lines) {
    for (const Json& line : lines) {
      file_ << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
    }
    size_ += static_cast<int64_t>(lines.size());
  }
  // Its lines, once all are written.
  absl::StatusOr<int64_t> Finish() {
    file_.close();
    if (!file_) return absl::InternalError(absl::StrCat(path_, ": cannot write"));
    std::printf("%-58s %8lld lines\n", path_.c_str(), static_cast<long long>(size_));
    if (size_ > 0) return size_;
    return absl::InvalidArgumentError(absl::StrCat(path_, ": the records give no line"));
  }

 private:
  const std::string path_;
  std::ofstream file_;
  int64_t size_ = 0;
};

using MakeLines = absl::FunctionRef<absl::StatusOr<Lines>(const Json& record, int64_t number)>;

absl::StatusOr<int64_t> Convert(const Choice& choice, const std::string& table, const char* name,
                                MakeLines make) {
  Dataset dataset(JoinPath(choice.out, name));
  const auto each = [&](const Json& record, int64_t number) -> absl::Status {
    if (choice.limit > 0 && number >= choice.limit) return absl::OkStatus();
    TEMPER_ASSIGN_OR_RETURN(const Lines lines, make(record, number));
    dataset.Add(lines);
    return absl::OkStatus();
  };
  TEMPER_RETURN_IF_ERROR(recipe::ForEachRecord(table, each));
  return dataset.Finish();
}

absl::StatusOr<recipe::JobChoice> WriteDatasets(const Choice& choice, const recipe::Turns& turns) {
  recipe::JobChoice jobs{.model = std::filesystem::absolute(choice.model).string(),
                         .reward_model = choice.reward_model,
                         .seed = choice.seed,
                         .batch = choice.batch};
  TEMPER_ASSIGN_OR_RETURN(const std::string feedback,
                          recipe::FindTable(choice.data, "feedback", "train"));
  TEMPER_ASSIGN_OR_RETURN(const std::string edit, recipe::FindTable(choice.data, "edit", "train"));
  TEMPER_ASSIGN_OR_RETURN(const std::string quality,
                          recipe::FindTable(choice.data, "edit_quality", "train"));
  TEMPER_ASSIGN_OR_RETURN(
      jobs.feedback,
      Convert(choice, feedback, recipe::kFeedbackLines, [&](const Json& record, int64_t number) {
        return recipe::FeedbackLines(record, turns, number, choice.all_feedback);
      }));
  TEMPER_ASSIGN_OR_RETURN(
      jobs.edits, Convert(choice, edit, recipe::kEditLines, [&](const Json& record, int64_t) {
        return recipe::EditLines(record, turns);
      }));
  const auto pairs = [&](const Json& record, int64_t) {
    return recipe::EditPairLines(record, turns);
  };
  TEMPER_ASSIGN_OR_RETURN(jobs.pairs, Convert(choice, quality, recipe::kEditPairs, pairs));
  const auto held_out = recipe::FindTable(choice.data, "edit_quality", "validation");
  if (held_out.ok()) {
    TEMPER_ASSIGN_OR_RETURN(jobs.held_out,
                            Convert(choice, *held_out, recipe::kHeldOutPairs, pairs));
  }
  TEMPER_ASSIGN_OR_RETURN(
      jobs.prompts, Convert(choice, edit, recipe::kEditPrompts, [&](const Json& record, int64_t) {
        return recipe::EditPromptLines(record, turns);
      }));
  return jobs;
}

void SayWhatToRun(const Choice& choice, const std::vector<recipe::Job>& jobs) {
  std::printf("\nIn this order (docs/recipes.md says what each does):\n  cd %s\n",
              choice.out.c_str());
  for (const recipe::Job& job : jobs) {
    std::printf("  temper run %s\n", job.file.c_str());
    if (job.spec.warm_start().objective() == "reward_model") {
      std::printf("  temper rollout --model %s --listen %s &\n", recipe::ModelOf(job.spec).c_str(),
                  choice.reward_model.c_str());
    }
  }
}

absl::Status MakeHelpsteer3(const Choice& choice) {
  TEMPER_ASSIGN_OR_RETURN(const recipe::Turns turns, recipe::ReadTurns(choice.turns));
  TEMPER_RETURN_IF_ERROR(MakeDirectories(choice.out));
  TEMPER_ASSIGN_OR_RETURN(const recipe::JobChoice sizes, WriteDatasets(choice, turns));
  const std::vector<recipe::Job> jobs = recipe::Helpsteer3Jobs(sizes);
  for (const recipe::Job& job : jobs) {
    TEMPER_RETURN_IF_ERROR(
        WriteFileAtomically(JoinPath(choice.out, job.file), ToJson(job.spec) + "\n"));
  }
  SayWhatToRun(choice, jobs);
  return absl::OkStatus();
}

}  // namespace

void AddRecipe(CLI::App& program, Chosen& chosen) {
  CLI::App* verb = program.add_subcommand(
      "recipe", "Turns published training data into datasets and specs for `temper run`");
  verb->require_subcommand(1);
  auto choice = std::make_shared<Choice>();
  CLI::App* helpsteer3 = verb->add_subcommand("helpsteer3",
                                              "Feedback and edit models (arXiv 2503.04378) from "
                                              "the HelpSteer3 dataset:\nfeedback SFT, edit "
                                              "SFT, edit reward model, edit RLOO");
  helpsteer3
      ->add_option("--data", choice->data,
                   "The dataset's folder: feedback/, edit/ and edit_quality/ with\n"
                   "train.jsonl.gz or train.jsonl (edit_quality/validation is held out)")
      ->required();
  helpsteer3->add_option("--out", choice->out, "Where datasets and specs go")->required();
  helpsteer3->add_option("--model", choice->model, "The model folder that training starts from")
      ->capture_default_str();
  helpsteer3
      ->add_option("--turns", choice->turns,
                   "Folder of feedback_turn.txt and edit_turn.txt: what the user says last")
      ->capture_default_str();
  helpsteer3
      ->add_option("--reward-model", choice->reward_model,
                   "Where the trained reward model will be served for stage 4")
      ->capture_default_str();
  helpsteer3->add_option("--batch", choice->batch, "Lines of each step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  helpsteer3->add_option("--seed", choice->seed, "Seed of the four runs")->capture_default_str();
  helpsteer3->add_option("--limit", choice->limit, "Only the first records of each table; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  helpsteer3->add_flag("--all-feedback", choice->all_feedback,
                       "Stage 1 learns every reviewer's comment, not one for each response");
  helpsteer3->callback(
      [choice, &chosen] { chosen = [choice] { return Report(MakeHelpsteer3(*choice)); }; });
}

}  // namespace temper::cli
