// Small objects of numbers and words.
#include "agents/graph/role_reader.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agents/graph/node_reader.h"
#include "base/nearest_name.h"
#include "re2/re2.h"

namespace temper::agents {
namespace {

using Kind = PlacedJson::Kind;

constexpr int64_t kTokensMax = 10'000'000;  // of one answer

bool IsEndpoint(std::string_view text) {
  return !text.empty() && absl::ascii_islower(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '-';
         });
}

void ReadModel(ObjectReader& reader, Role& role) {
  const PlacedJson* value = reader.Need("model", "\"endpoint:model\": where it is called");
  const auto model = reader.Text("model");
  if (!model.has_value()) return;
  const size_t colon = model->find(':');
  if (colon == model->npos || !IsEndpoint(model->substr(0, colon)) || colon + 1 == model->size()) {
    return reader.WrongType(*value, "model",
                            "\"endpoint:model\", such as \"main:some-model\", with an endpoint of "
                            "the endpoints file");
  }
  role.endpoint = model->substr(0, colon);
  role.model = model->substr(colon + 1);
}

Role ReadRole(const PlacedJson::Member& member, Problems& problems) {
  Role role;
  role.name = member.key;
  role.place = {member.line, member.column};
  ObjectReader reader(member.value, absl::StrCat("the role \"", member.key, "\""), problems);
  if (!member.value.is(Kind::kObject)) return role;
  ReadModel(reader, role);
  if (const auto kind = reader.Word("kind", {"chat", "reward", "genrm"})) {
    role.kind = static_cast<RoleKind>(*kind);
  }
  role.temperature = reader.Number("temperature", 0, 10);
  role.top_p = reader.Number("top_p", 0.000001, 1);
  role.max_tokens = reader.Whole("max_tokens", 1, kTokensMax).value_or(role.max_tokens);
  role.stop = reader.Texts("stop");
  if (const auto seed = reader.Whole("seed", 0, int64_t{1} << 53)) role.seed = *seed;
  if (const PlacedJson* extra = reader.Take("extra")) {
    if (!extra->is(Kind::kObject)) {
      reader.WrongType(*extra, "extra", "an object: further keys of the request's body");
    }
    role.extra = extra->Json();
  }
  reader.Finish();
  return role;
}

// {"right": 1, "wrong": 0}: patterns, looked for in turn, and what they say.
void ReadLevels(const PlacedJson& levels, TrainRule& rule, Problems& problems) {
  if (!levels.is(Kind::kObject) || levels.members.empty()) {
    return problems.Add(PlaceOf(levels), absl::StrCat("\"levels\": found ", levels.Shown(),
                                                      "; expected {\"right\": 1, \"wrong\": 0}"));
  }
  for (const PlacedJson::Member& member : levels.members) {
    const RE2 pattern(member.key, RE2::Quiet);
    if (!pattern.ok()) {
      problems.Add({member.line, member.column}, absl::StrCat("\"levels\": found the pattern \"",
                                                              member.key, "\": ", pattern.error()));
    }
    const nlohmann::ordered_json value = member.value.Json();
    if (!value.is_number() || value.get<double>() < 0 || value.get<double>() > 1) {
      problems.Add(PlaceOf(member.value), absl::StrCat("\"levels\": found ", member.value.Shown(),
                                                       "; expected a number from 0 to 1"));
      continue;
    }
    rule.levels.emplace_back(member.key, value.get<double>());
  }
}

}  // namespace

void ReadInputs(const PlacedJson& inputs, Graph& graph, Problems& problems) {
  if (!inputs.is(Kind::kArray) || inputs.elements.empty()) {
    return problems.Add(PlaceOf(inputs),
                        absl::StrCat("\"input\": found ", inputs.Shown(),
                                     "; expected a list of names: [\"messages\"]"));
  }
  for (const PlacedJson& input : inputs.elements) {
    if (!input.is(Kind::kString) || !IsName(input.text())) {
      problems.Add(PlaceOf(input), absl::StrCat("\"input\": found ", input.Shown(),
                                                "; expected a name of a-z, 0-9 and _, a letter "
                                                "first"));
    } else if (std::find(graph.inputs.begin(), graph.inputs.end(), input.text()) !=
               graph.inputs.end()) {
      problems.Add(PlaceOf(input), absl::StrCat("the input \"", input.text(), "\" stands twice"));
    } else {
      graph.inputs.push_back(input.text());
      graph.input_places.push_back(PlaceOf(input));
    }
  }
}

void ReadRoles(const PlacedJson& roles, Graph& graph, Problems& problems) {
  if (!roles.is(Kind::kObject)) {
    return problems.Add(PlaceOf(roles), absl::StrCat("\"roles\": found ", roles.Shown(),
                                                     "; expected {\"drafter\": {\"model\": ...}}"));
  }
  for (const PlacedJson::Member& member : roles.members) {
    if (!IsName(member.key)) {
      problems.Add({member.line, member.column},
                   absl::StrCat("found the role name \"", member.key,
                                "\"; expected a-z, 0-9 and _, a letter first"));
    }
    graph.roles.push_back(ReadRole(member, problems));
  }
}

void ReadBudget(const PlacedJson& budget, Graph& graph, Problems& problems) {
  ObjectReader reader(budget, "\"budget\"", problems);
  if (!budget.is(Kind::kObject)) return;
  graph.budget.tokens = reader.Whole("tokens", 1, 1'000'000'000'000'000);
  graph.budget.calls = reader.Whole("calls", 1, 1'000'000'000'000);
  graph.budget.usd = reader.Number("usd", 0.000001, 1e9);
  graph.budget.seconds = reader.Number("seconds", 0.001, 1e9);
  if (const auto then = reader.Word("then", {"best", "fail", "ask"})) {
    graph.budget.then = static_cast<BudgetLimits::Then>(*then);
  }
  reader.Finish();
}

void ReadTrain(const PlacedJson& train, Graph& graph, Problems& problems) {
  static const auto* const advantages =
      new std::vector<std::string>{"grpo", "rloo", "dr_grpo", "none"};
  static const auto* const groups = new std::vector<std::string>{"lineage"};
  if (!train.is(Kind::kObject) || train.members.empty()) {
    return problems.Add(PlaceOf(train), absl::StrCat("\"train\": found ", train.Shown(),
                                                     "; expected roles and how they learn"));
  }
  std::vector<std::string> names;
  for (const Role& role : graph.roles) names.push_back(role.name);
  for (const PlacedJson::Member& member : train.members) {
    TrainRule rule{.place = {member.line, member.column}, .advantage = "grpo"};
    const auto role = std::find(names.begin(), names.end(), member.key);
    if (role == names.end()) {
      problems.Add(rule.place, absl::StrCat("\"train\": found the unknown role \"", member.key,
                                            "\"", Suggestion(member.key, names)));
    } else {
      rule.role = static_cast<int>(role - names.begin());
      if (graph.roles[rule.role].kind != RoleKind::kChat) {
        problems.Add(rule.place, absl::StrCat("\"train\": the role \"", member.key,
                                              "\" judges; expected a chat role that generates"));
      }
    }
    ObjectReader reader(member.value, absl::StrCat("the training of \"", member.key, "\""),
                        problems);
    if (!member.value.is(Kind::kObject)) continue;
    rule.reward = reader.AnExpression("reward", RewardBuiltins());
    if (const auto word = reader.Word("advantage", *advantages))
      rule.advantage = (*advantages)[*word];
    if (const auto word = reader.Word("group", *groups)) rule.group = (*groups)[*word];
    if (const PlacedJson* levels = reader.Take("levels")) ReadLevels(*levels, rule, problems);
    reader.Finish();
    graph.train.push_back(std::move(rule));
  }
}

}  // namespace temper::agents
