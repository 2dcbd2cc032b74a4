// Reads values of an execution as a reward sees them.
#include "agents/train/reward_reader.h"

#include <utility>

#include "agents/run/reading.h"

namespace temper::agents {
namespace {

Operand AsOperand(const Item& item, const std::vector<std::string>& fields) {
  Operand operand = OperandOf(item, fields);
  if (fields.empty()) operand.score = ScoreOf(item);
  if (fields.size() == 1 && fields.front() == "score") {
    const std::optional<double> score = ScoreOf(item);
    return score.has_value() ? Operand{.value = *score} : Operand{};
  }
  return operand;
}

}  // namespace

Operand RewardReader::Get(const Reference& reference) const {
  const Node& node = execution_.graph().nodes[static_cast<size_t>(sample_.node)];
  Point point = sample_.point;
  if (node.own_axis >= 0) point.push_back(sample_.number);
  const Reading reading = execution_.ReadAs(reference, node.axes, point);
  if (reading.items.empty() && !reading.list) return {};
  const std::vector<std::string>& fields = reading.choice->fields;
  if (!reading.list) return AsOperand(*reading.items.front(), fields);
  Operand::List list;
  for (const Item* item : reading.items) list.push_back(AsOperand(*item, fields));
  return {.value = std::move(list)};
}

Operand RewardReader::Builtin(std::string_view name) const {
  if (name == "unchanged") return {.value = builtins_.unchanged};
  const std::optional<double>& number =
      name == "calibrated" ? builtins_.calibrated : builtins_.gain;
  if (!number.has_value()) return {};
  return {.value = *number};
}

}  // namespace temper::agents
