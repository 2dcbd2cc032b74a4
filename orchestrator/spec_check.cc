// Every rule a spec must keep, each with the field's path and what was expected.
#include "orchestrator/spec_check.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/nearest_name.h"
#include "orchestrator/environment_check.h"
#include "orchestrator/objective_preset.h"
#include "re2/re2.h"
#include "reward/rubric_check.h"

namespace temper::orchestrator {
namespace {

class SpecCheck {
 public:
  explicit SpecCheck(const v1::RunSpec& spec) : spec_(spec) {}

  std::vector<SpecProblem> Run() {
    CheckIdentity();
    CheckSources();
    CheckObjective();
    CheckOptimizer();
    CheckFleet();
    if (spec_.has_rubric()) CheckRubric();
    if (spec_.has_warm_start()) CheckWarmStart();
    if (spec_.has_evaluate()) CheckEvaluation();
    if (spec_.has_environment()) CheckEnvironment();
    return std::move(problems_);
  }

  std::vector<SpecProblem> RunObjective() {
    CheckObjective();
    return std::move(problems_);
  }

 private:
  void Say(std::string text, bool file_missing = false) {
    problems_.push_back({std::move(text), file_missing});
  }

  template <class Number>
  void Require(bool holds, const std::string& field, Number found, const char* expected) {
    if (!holds) Say(absl::StrCat(field, ": found ", found, ", expected ", expected));
  }
  void AtLeast(const std::string& field, int64_t found, int64_t least) {
    if (found < least) Say(absl::StrCat(field, ": found ", found, ", expected at least ", least));
  }
  void Positive(const std::string& field, double found) {
    Require(std::isfinite(found) && found > 0, field, found, "a number above 0");
  }
  void NotNegative(const std::string& field, double found) {
    Require(std::isfinite(found) && found >= 0, field, found, "0 or more");
  }
  void OneOf(const std::string& field, const std::string& found,
             const std::vector<std::string>& known) {
    for (const std::string& name : known) {
      if (name == found) return;
    }
    std::string list;
    for (const std::string& name : known) absl::StrAppend(&list, list.empty() ? "" : ", ", name);
    const std::string near = NearestName(found, known);
    Say(absl::StrCat(field, ": found \"", found, "\", expected one of ", list,
                     near.empty() ? "" : absl::StrCat("; did you mean \"", near, "\"?")));
  }
  void FileExists(const std::string& field, const std::string& path, const char* what) {
    if (path.empty()) {
      Say(absl::StrCat(field, ": is missing, expected ", what));
    } else if (!Exists(path)) {
      Say(absl::StrCat(field, ": ", path, ": there is no such file"), true);
    }
  }

  void CheckIdentity() {
    static const RE2 name("[A-Za-z0-9._-]{1,128}");
    if (spec_.name().empty()) {
      Say("name: is missing, expected a name for the run");
    } else if (!RE2::FullMatch(spec_.name(), name) ||
               spec_.name().find_first_not_of('.') == std::string::npos) {
      Say(absl::StrCat("name: found \"", spec_.name(),
                       "\", expected 1 to 128 of A-Z a-z 0-9 . _ -"));
    }
    OneOf("dtype", spec_.dtype(), {"float32", "bfloat16"});
    static const RE2 device("auto|cpu|cuda(:[0-9]{1,3})?");
    if (!RE2::FullMatch(spec_.device(), device)) {
      OneOf("device", spec_.device(), {"auto", "cpu", "cuda:0"});
    }
    if (spec_.model().empty() == spec_.init().empty()) {
      Say(spec_.model().empty()
              ? "model: is missing, expected a model folder here or a config.json in \"init\""
              : "model: stands beside \"init\", expected exactly one of them");
    } else if (!spec_.model().empty()) {
      if (!Exists(spec_.model())) {
        Say(absl::StrCat("model: ", spec_.model(), ": there is no such folder"), true);
      } else if (!Exists(JoinPath(spec_.model(), "config.json"))) {
        Say(absl::StrCat("model: ", spec_.model(), ": holds no config.json"), true);
      }
    } else {
      FileExists("init", spec_.init(), "a config.json");
    }
  }

  void CheckDataset(const std::string& field, const std::string& path, const std::string& form,
                    const google::protobuf::Map<std::string, std::string>& fields) {
    FileExists(absl::StrCat(field, "path"), path, "a JSON-lines file");
    if (!form.empty() && form.find("{prompt}") == std::string::npos) {
      Say(absl::StrCat(field, "template: found \"", form,
                       "\", expected a text with \"{prompt}\" in it"));
    }
    static const std::vector<std::string> kKeys = {
        "prompt", "messages", "answer", "response", "id", "task", "chosen", "rejected", "margin"};
    for (const auto& [key, name] : fields) {
      OneOf(absl::StrCat(field, "fields.", key), key, kKeys);
      if (name.empty()) {
        Say(absl::StrCat(field, "fields.", key, ": found \"\", expected a key of the file"));
      }
    }
  }

  void CheckSources() {
    AtLeast("steps", spec_.steps(), 0);
    if (spec_.steps() == 0 && !spec_.has_warm_start()) {
      Say("steps: found 0 without a warm_start, expected something to do");
    }
    if (spec_.steps() > 0 && !spec_.has_dataset()) {
      Say(absl::StrCat("dataset: is missing, expected one because steps is ", spec_.steps()));
    }
    if (spec_.has_dataset()) {
      CheckDataset("dataset.", spec_.dataset().path(), spec_.dataset().template_(),
                   spec_.dataset().fields());
    }
    if (!spec_.has_rubric() && (spec_.steps() > 0 || spec_.has_evaluate())) {
      Say(absl::StrCat("rubric: is missing, expected one because ",
                       spec_.steps() > 0 ? "steps is above 0" : "evaluate is present"));
    }
    for (int i = 0; i < spec_.stop_size(); ++i) {
      if (spec_.stop(i).empty()) {
        Say(absl::StrCat("stop[", i, "]: found \"\", expected a text that ends a response"));
      }
    }
  }

  void CheckObjective() {
    OneOf("algorithm", spec_.algorithm(), AlgorithmNames());
    OneOf("advantage", spec_.advantage(), AdvantageNames());
    OneOf("aggregation", spec_.aggregation(), AggregationNames());
    OneOf("on_logprob_mismatch", spec_.on_logprob_mismatch(), {"stop", "report"});
    AtLeast("prompts_per_step", spec_.prompts_per_step(), 1);
    AtLeast("group_size", spec_.group_size(), 1);
    if (spec_.group_size() == 1 && spec_.advantage() != "none") {
      Say(absl::StrCat("group_size: found 1, expected at least 2 because advantage is \"",
                       spec_.advantage(), "\""));
    }
    AtLeast("max_tokens", spec_.max_tokens(), 1);
    AtLeast("tokens_per_micro_batch", spec_.tokens_per_micro_batch(), 1);
    Positive("temperature", spec_.temperature());
    Positive("learning_rate", spec_.learning_rate());
    NotNegative("kl", spec_.kl());
    Require(spec_.clip_low() >= 0 && spec_.clip_low() <= 1, "clip_low", spec_.clip_low(), "0 to 1");
    NotNegative("clip_high", spec_.clip_high());
    if (spec_.staleness() != 0) {
      Say(absl::StrCat("staleness: found ", spec_.staleness(),
                       ", expected 0: only synchronous runs today"));
    }
  }

  // A warm-up longer than the stage is allowed: a short trial of a long recipe starts as that does.
  void CheckSchedule(const std::string& prefix, int64_t warmup, const std::string& decay) {
    AtLeast(absl::StrCat(prefix, "warmup_steps"), warmup, 0);
    OneOf(absl::StrCat(prefix, "decay"), decay, {"constant", "linear", "cosine"});
  }

  void CheckOptimizer() {
    const v1::Optimizer& optimizer = spec_.optimizer();
    Require(optimizer.beta1() >= 0 && optimizer.beta1() < 1, "optimizer.beta1", optimizer.beta1(),
            "0 or more and below 1");
    Require(optimizer.beta2() >= 0 && optimizer.beta2() < 1, "optimizer.beta2", optimizer.beta2(),
            "0 or more and below 1");
    Positive("optimizer.epsilon", optimizer.epsilon());
    NotNegative("optimizer.weight_decay", optimizer.weight_decay());
    NotNegative("optimizer.clip_norm", optimizer.clip_norm());
    NotNegative("experts.balance_rate", spec_.experts().balance_rate());
    CheckSchedule("optimizer.", optimizer.warmup_steps(), optimizer.decay());
  }

  void CheckFleet() {
    AtLeast("fleet.rollout_workers", spec_.fleet().rollout_workers(), 1);
    AtLeast("fleet.rollout_threads", spec_.fleet().rollout_threads(), 0);
    AtLeast("fleet.learner_threads", spec_.fleet().learner_threads(), 0);
    AtLeast("fleet.sequences_max", spec_.fleet().sequences_max(), 1);
    AtLeast("fleet.prefill_chunk", spec_.fleet().prefill_chunk(), 1);
    AtLeast("checkpoint.every", spec_.checkpoint().every(), 1);
    AtLeast("checkpoint.keep", spec_.checkpoint().keep(), 0);
  }

  void CheckRubric() {
    if (const absl::Status rubric = reward::CheckRubric(spec_.rubric()); !rubric.ok()) {
      Say(std::string(rubric.message()));
    }
  }

  void CheckWarmStart() {
    const v1::WarmStart& stage = spec_.warm_start();
    CheckDataset("warm_start.dataset.", stage.dataset().path(), stage.dataset().template_(),
                 stage.dataset().fields());
    if (!stage.dataset().mixture().empty()) {
      Say("warm_start.dataset.mixture: is present, expected it only in \"dataset\"");
    }
    AtLeast("warm_start.steps", stage.steps(), 1);
    AtLeast("warm_start.batch_size", stage.batch_size(), 1);
    Positive("warm_start.learning_rate", stage.learning_rate());
    CheckSchedule("warm_start.", stage.warmup_steps(), stage.decay());
    OneOf("warm_start.objective", stage.objective(), {"sft", "reward_model"});
    if (stage.objective() == "reward_model") {
      CheckRewardModel();
    } else {
      const bool loss = !stage.preference_loss().empty();
      if (loss || stage.has_held_out()) {
        Say(absl::StrCat("warm_start.", loss ? "preference_loss" : "held_out",
                         ": is present, expected it only with objective \"reward_model\""));
      }
    }
  }

  void CheckRewardModel() {
    const v1::WarmStart& stage = spec_.warm_start();
    OneOf("warm_start.preference_loss", stage.preference_loss(),
          {"bradley_terry", "scaled_bradley_terry"});
    if (spec_.steps() > 0 || spec_.has_evaluate()) {
      Say(absl::StrCat(spec_.steps() > 0 ? "steps" : "evaluate",
                       ": is present, expected none: warm_start.objective is \"reward_model\", and "
                       "a reward model gives no tokens"));
    }
    if (!stage.has_held_out()) return;
    CheckDataset("warm_start.held_out.", stage.held_out().path(), stage.held_out().template_(),
                 stage.held_out().fields());
    AtLeast("warm_start.held_out.every", stage.held_out().every(), 1);
    AtLeast("warm_start.held_out.limit", stage.held_out().limit(), 0);
  }

  void CheckEvaluation() {
    const v1::Evaluation& evaluate = spec_.evaluate();
    CheckDataset("evaluate.", evaluate.path(), evaluate.template_(), evaluate.fields());
    AtLeast("evaluate.every", evaluate.every(), 1);
    AtLeast("evaluate.limit", evaluate.limit(), 0);
  }

  void CheckEnvironment() {
    const std::string& path = spec_.environment().graph();
    FileExists("environment.graph", path, "a graph file");
    if (path.empty() || !Exists(path)) return;
    const auto graph = OpenEnvironment(spec_);
    if (graph.ok()) return;
    for (const auto line : absl::StrSplit(graph.status().message(), '\n')) {
      Say(absl::StrCat("environment.graph: ", line));
    }
  }

  const v1::RunSpec& spec_;
  std::vector<SpecProblem> problems_;
};

}  // namespace

std::vector<SpecProblem> FindSpecProblems(const v1::RunSpec& spec) { return SpecCheck(spec).Run(); }

std::vector<SpecProblem> FindObjectiveProblems(const v1::RunSpec& spec) {
  return SpecCheck(spec).RunObjective();
}

}  // namespace temper::orchestrator
