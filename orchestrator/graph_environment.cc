// Wants of executions as groups of a run.
#include "orchestrator/graph_environment.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/graph/axes.h"
#include "base/check.h"
#include "base/philox.h"
#include "nlohmann/json.hpp"

namespace temper::orchestrator {
namespace {

using agents::Node;
using agents::NodeKind;
using agents::Want;
using nlohmann::ordered_json;

std::string Dump(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// What verifiers and people see of a conversation: its last text of the user.
std::string LastUserText(const ordered_json& messages) {
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    if (message->value("role", "") != "user") continue;
    const auto content = message->find("content");
    if (content == message->end()) return "";
    return content->is_string() ? content->get<std::string>() : Dump(*content);
  }
  return "";
}

// A lone text of the user is a plain prompt, as in data files.
void SetPrompt(const ordered_json& messages, const Row& row, v1::Prompt& prompt) {
  prompt.set_text(LastUserText(messages));
  const bool lone = messages.size() == 1 && messages[0].value("role", "") == "user" &&
                    messages[0].contains("content") && messages[0]["content"].is_string();
  if (lone && row.chat_json.empty()) return;
  ordered_json chat = row.chat_json.empty() ? ordered_json::object()
                                            : ordered_json::parse(row.chat_json, nullptr, false);
  chat["messages"] = messages;
  prompt.set_chat_json(Dump(chat));
}

}  // namespace

GraphEnvironment::GraphEnvironment(std::shared_ptr<const agents::Graph> graph)
    : graph_(std::move(graph)) {
  for (const Node& node : graph_->nodes) {
    first_.push_back(instances_);
    if (node.kind != NodeKind::kGenerate) continue;
    const std::optional<int64_t> size = agents::SizeMax(*graph_, node.instance_axes);
    TEMPER_CHECK(size.has_value());
    instances_ += *size;
  }
}

void GraphEnvironment::Clear() { slots_.clear(); }

absl::Status GraphEnvironment::Begin(Row row) {
  ordered_json input = row.prompt;
  if (!row.chat_json.empty()) {
    input = ordered_json::parse(row.chat_json, nullptr, false)["messages"];
  }
  auto execution = agents::Execution::Create(
      graph_, {{graph_->inputs.front(), std::move(input)}},
      {.identity = [](const agents::Role& role) { return role.name; }, .whole = true});
  if (!execution.ok()) return execution.status();
  slots_.push_back({.row = std::move(row), .execution = *std::move(execution)});
  return absl::OkStatus();
}

int64_t GraphEnvironment::NumberOf(int node, const agents::Point& point) const {
  const Node& own = graph_->nodes[static_cast<size_t>(node)];
  TEMPER_CHECK(point.size() == own.instance_axes.size());
  int64_t number = 0;
  for (size_t i = 0; i < point.size(); ++i) {
    const auto size = graph_->axes[static_cast<size_t>(own.instance_axes[i])].size_max;
    TEMPER_CHECK(size.has_value() && point[i] < *size);
    number = number * *size + point[i];
  }
  return first_[static_cast<size_t>(node)] + number;
}

std::vector<GraphEnvironment::Wanted> GraphEnvironment::Take(int slot) {
  Slot& own = slots_[static_cast<size_t>(slot)];
  std::vector<Wanted> groups;
  std::vector<Want> wants = own.execution->TakeWants();
  for (size_t i = 0; i < wants.size(); ++i) {
    const Want& want = wants[i];
    if (want.sample > 0) {  // its siblings lie before it
      TEMPER_CHECK(!groups.empty() && want.question == wants[i - 1].question);
      groups.back().place.wants.push_back(want.id);
      continue;
    }
    Wanted& group = groups.emplace_back();
    group.place = {.slot = slot,
                   .node = static_cast<int>(want.question->node - graph_->nodes.data()),
                   .point = want.point,
                   .wants = {want.id}};
    group.number = NumberOf(group.place.node, want.point);
    v1::Prompt& prompt = *group.group.mutable_prompt();
    prompt.set_id(absl::StrCat(own.row.id, "/", want.question->path, "[", want.lineage, "]"));
    SetPrompt(want.question->messages, own.row, prompt);
    group.group.set_answer(own.row.answer);
    group.group.set_metadata_json(own.row.metadata_json);
  }
  return groups;
}

void GraphEnvironment::Deliver(const GraphPlace& place, int sample, agents::Result result) {
  Slot& own = slots_[static_cast<size_t>(place.slot)];
  const int64_t want = place.wants[static_cast<size_t>(sample)];
  for (const int64_t dropped : own.execution->TakeDropped()) own.dropped.insert(dropped);
  if (own.dropped.contains(want)) return;
  own.execution->Deliver(want, std::move(result));
}

const agents::Role& GraphEnvironment::RoleOf(int node) const {
  return graph_->roles[static_cast<size_t>(graph_->nodes[static_cast<size_t>(node)].role)];
}

int GraphEnvironment::MaxTokens(const v1::RunSpec& spec, int node) const {
  return static_cast<int>(std::min<int64_t>(RoleOf(node).max_tokens, spec.max_tokens()));
}

void GraphEnvironment::Adjust(const v1::RunSpec& spec, int node, bool evaluation,
                              v1::Sampling& sampling) const {
  const agents::Role& role = RoleOf(node);
  const int index = graph_->nodes[static_cast<size_t>(node)].role;
  const bool learns = std::any_of(graph_->train.begin(), graph_->train.end(),
                                  [&](const auto& rule) { return rule.role == index; });
  // An alteration of the spec's holds for all that learn.
  if (!learns && role.temperature.has_value()) sampling.set_temperature(*role.temperature);
  sampling.set_max_tokens(MaxTokens(spec, node));
  for (const std::string& stop : role.stop) sampling.add_stop(stop);
  if (!evaluation) return;
  // The same draws at every evaluation: what differs between two is the model.
  const auto drawn = Philox(spec.seed(), HashName("evaluation sampling"), 0);
  sampling.set_seed(uint64_t{drawn[0]} << 32 | drawn[1]);
}

}  // namespace temper::orchestrator
