// What works of all kinds share.
#include "agents/run/node_work.h"

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::agents {

std::unique_ptr<NodeWork> MakeWork(Execution& execution, int node, const Point& point) {
  switch (execution.graph().nodes[static_cast<size_t>(node)].kind) {
    case NodeKind::kGenerate:
      return MakeGenerate(execution, node, point);
    case NodeKind::kScore:
      return MakeScore(execution, node, point);
    case NodeKind::kSelect:
      return MakeSelect(execution, node, point);
    case NodeKind::kFilter:
      return MakeFilter(execution, node, point);
    case NodeKind::kTool:
    case NodeKind::kAsk:
      return MakeOutside(execution, node, point);
    case NodeKind::kLoop:
      return MakeLoop(execution, node, point);
    case NodeKind::kGraph:
      return MakeSubGraph(execution, node, point);
  }
  TEMPER_CHECK(false);
}

nlohmann::ordered_json AsConversation(const Item& item) {
  if (!item.candidate->conversation.is_null()) return item.candidate->conversation;
  return nlohmann::ordered_json::array({{{"role", "user"}, {"content", TextOf(item, {})}}});
}

Item Kept(const Item& item, int32_t source) {
  Item kept = item;
  kept.source = source;
  return kept;
}

absl::StatusOr<nlohmann::ordered_json> NodeWork::Context() const {
  if (!node_.context.has_value()) return AsConversation(execution_.input(0));
  const Reading reading = Read(*node_.context);
  if (reading.state != Reading::State::kPresent || reading.list) {
    return absl::FailedPreconditionError(
        absl::StrCat(node_.context->text, " is no conversation here"));
  }
  return AsConversation(*reading.items.front());
}

bool NodeWork::TakeFrom() {
  std::string failure;
  for (const Reference& reference : node_.from) {
    const Reading reading = Read(reference);
    for (const Item* item : reading.items) {
      items_.push_back(*item);
      fields_.push_back(reading.choice->fields);
    }
    if (reading.state == Reading::State::kFailed) failure = reading.why;
  }
  if (!items_.empty()) return true;
  failure.empty() ? Close() : Fail(failure);
  return false;
}

}  // namespace temper::agents
