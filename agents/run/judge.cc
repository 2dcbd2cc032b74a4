// Questions by the node's `by` and its role; readers are agents/select's.
#include "agents/run/judge.h"

#include "absl/strings/str_cat.h"
#include "agents/select/judgement/genrm.h"
#include "agents/select/judgement/rubric_rule.h"
#include "agents/select/judgement/verdict.h"
#include "agents/select/judgement/yes_no.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kTopLogprobs = 20;  // the most that OpenAI's API gives

Json Turn(std::string_view role, const std::string& text) {
  return {{"role", std::string(role)}, {"content", text}};
}

absl::StatusOr<double> ReadNumber(const ParseRule& parse, const std::string& reply) {
  switch (parse.kind) {
    case ParseRule::Kind::kPattern: {
      TEMPER_ASSIGN_OR_RETURN(const RubricRule rule, RubricRule::Pattern(parse.pattern));
      return rule.Read(reply);
    }
    case ParseRule::Kind::kPointer: {
      TEMPER_ASSIGN_OR_RETURN(const RubricRule rule, RubricRule::Pointer(parse.pattern));
      return rule.Read(reply);
    }
    default:
      return ReadRating(reply);
  }
}

}  // namespace

Judge::Judge(const Execution& execution, int node, Point point, Json context)
    : execution_(execution),
      index_(node),
      point_(std::move(point)),
      node_(execution.graph().nodes[static_cast<size_t>(node)]),
      context_(std::move(context)) {}

std::shared_ptr<Question> Judge::NewQuestion() const {
  auto question = std::make_shared<Question>();
  question->node = &node_;
  question->path = PathOf(execution_.graph(), index_);
  question->attribute = node_.attribute;
  if (node_.role >= 0) {
    question->role = &execution_.graph().roles[static_cast<size_t>(node_.role)];
    question->kind =
        question->role->kind == RoleKind::kReward ? Question::Kind::kScore : Question::Kind::kChat;
  } else {
    question->kind = Question::Kind::kTool;
  }
  if (node_.by == By::kYesNo) question->top_logprobs = kTopLogprobs;
  return question;
}

absl::StatusOr<Json> Judge::FromPrompt(std::vector<std::string> texts) const {
  PromptReader reader(execution_, index_, point_);
  reader.SetCandidates(std::move(texts));
  return node_.prompt->Render(reader);
}

Judge::Asked Judge::Finish(std::shared_ptr<Question> question) const {
  const auto dumped = [](const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  std::string key;
  if (question->kind == Question::Kind::kTool) {
    key = execution_.Key({"judged by tool", node_.definition, dumped(question->inputs)});
  } else {
    key = execution_.Key({"judge", execution_.Identity(*question->role), dumped(question->messages),
                          question->attribute, absl::StrCat(question->top_logprobs)});
  }
  question->key = key;
  std::vector<std::string> keys;
  for (int64_t vote = 0; vote < node_.n; ++vote) {
    keys.push_back(execution_.Key({key, absl::StrCat(vote)}));
  }
  return {.question = std::move(question), .keys = std::move(keys)};
}

absl::StatusOr<Judge::Asked> Judge::About(const std::string& candidate) const {
  std::shared_ptr<Question> question = NewQuestion();
  if (question->kind == Question::Kind::kTool) {
    question->inputs = {{"messages", context_}, {"candidate", candidate}};
    return Finish(std::move(question));
  }
  if (node_.prompt.has_value()) {
    TEMPER_ASSIGN_OR_RETURN(question->messages, FromPrompt({candidate}));
    return Finish(std::move(question));
  }
  question->messages = context_;
  const bool genrm = question->role->kind == RoleKind::kGenRm;
  question->messages.push_back(Turn(genrm ? "response_1" : "assistant", candidate));
  if (!node_.principle.empty()) question->messages.push_back(Turn("principle", node_.principle));
  return Finish(std::move(question));
}

absl::StatusOr<Judge::Asked> Judge::About(const std::string& first,
                                          const std::string& second) const {
  std::shared_ptr<Question> question = NewQuestion();
  if (question->kind == Question::Kind::kTool) {
    question->inputs = {{"messages", context_}, {"first", first}, {"second", second}};
  } else if (node_.prompt.has_value()) {
    TEMPER_ASSIGN_OR_RETURN(question->messages, FromPrompt({first, second}));
  } else {
    question->messages = context_;
    question->messages.push_back(Turn("response_1", first));
    question->messages.push_back(Turn("response_2", second));
    if (!node_.principle.empty()) question->messages.push_back(Turn("principle", node_.principle));
  }
  return Finish(std::move(question));
}

absl::StatusOr<double> Judge::Score(const Result& result) const {
  TEMPER_RETURN_IF_ERROR(result.status);
  if (node_.role < 0) {
    if (result.value.is_number()) return result.value.get<double>();
    if (result.value.is_object() && result.value.contains("score") &&
        result.value["score"].is_number()) {
      return result.value["score"].get<double>();
    }
    return absl::InvalidArgumentError(
        "the tool answered neither a number nor an object with a \"score\"");
  }
  if (result.score.has_value()) return *result.score;
  if (node_.by == By::kYesNo) {
    TEMPER_ASSIGN_OR_RETURN(const YesNo answer, ReadYesNo(result.first_token));
    return answer.value;
  }
  switch (node_.parse.kind) {
    case ParseRule::Kind::kGenRmJson: {
      TEMPER_ASSIGN_OR_RETURN(const GenRmJudgement judged, ReadGenRmJson(result.text, 1));
      return judged.scores.front();
    }
    case ParseRule::Kind::kNone:
    case ParseRule::Kind::kGenRm:
      if (execution_.graph().roles[static_cast<size_t>(node_.role)].kind == RoleKind::kGenRm) {
        TEMPER_ASSIGN_OR_RETURN(const GenRmJudgement judged, ReadGenRmText(result.text, 1));
        return judged.scores.front();
      }
      return ReadRating(result.text);
    default:
      return ReadNumber(node_.parse, result.text);
  }
}

absl::StatusOr<double> Judge::Preference(const Result& result) const {
  TEMPER_RETURN_IF_ERROR(result.status);
  if (node_.role < 0) {
    TEMPER_ASSIGN_OR_RETURN(const double preference, Score(result));
    if (preference >= 0 && preference <= 1) return preference;
    return absl::InvalidArgumentError(
        absl::StrCat("the tool's preference ", preference, " is not in [0, 1]"));
  }
  switch (node_.parse.kind) {
    case ParseRule::Kind::kVerdict: {
      TEMPER_ASSIGN_OR_RETURN(const Verdict verdict, ReadVerdict(result.text));
      return agents::Preference(verdict);
    }
    case ParseRule::Kind::kGenRmJson: {
      TEMPER_ASSIGN_OR_RETURN(const GenRmJudgement judged, ReadGenRmJson(result.text, 2));
      return judged.Preference();
    }
    case ParseRule::Kind::kPattern:
    case ParseRule::Kind::kPointer: {
      TEMPER_ASSIGN_OR_RETURN(const double preference, ReadNumber(node_.parse, result.text));
      if (preference >= 0 && preference <= 1) return preference;
      return absl::InvalidArgumentError(
          absl::StrCat("the preference ", preference, " is not in [0, 1]"));
    }
    case ParseRule::Kind::kRating:
    case ParseRule::Kind::kNone:
      if (execution_.graph().roles[static_cast<size_t>(node_.role)].kind != RoleKind::kGenRm) {
        TEMPER_ASSIGN_OR_RETURN(const Verdict verdict, ReadVerdict(result.text));
        return agents::Preference(verdict);
      }
      [[fallthrough]];
    case ParseRule::Kind::kGenRm: {
      TEMPER_ASSIGN_OR_RETURN(const GenRmJudgement judged, ReadGenRmText(result.text, 2));
      return judged.Preference();
    }
  }
  return absl::InternalError("unknown parse rule");
}

}  // namespace temper::agents
