// graph: another graph's execution, whose wants go through ours.
#include "absl/strings/str_cat.h"
#include "agents/run/node_work.h"

namespace temper::agents {
namespace {

class SubGraph : public NodeWork {
 public:
  using NodeWork::NodeWork;

  void Start() override {
    nlohmann::ordered_json inputs = nlohmann::ordered_json::object();
    for (const auto& [name, reference] : node_.arguments) {
      const Reading reading = Read(reference);
      if (reading.state != Reading::State::kPresent || reading.list) {
        Fail(absl::StrCat(name, ": ", reference.text, " is not one value here"));
        return;
      }
      const Item& item = *reading.items.front();
      if (item.candidate->conversation.is_null() || !reading.choice->fields.empty()) {
        inputs[name] = TextOf(item, reading.choice->fields);
      } else {
        inputs[name] = item.candidate->conversation;
      }
    }
    Execution::Options options = execution_.options();
    absl::StrAppend(&options.salt, "/", Path(), "@", Lineage());
    absl::StatusOr<std::unique_ptr<Execution>> child =
        Execution::Create(node_.graph, inputs, std::move(options));
    if (!child.ok()) {
      Fail(std::string(child.status().message()));
      return;
    }
    child_ = &execution_.AddChild(index_, point_, *std::move(child));
    execution_.AdvanceChild(index_, point_);
  }

  void Advance() override {
    if (child_ == nullptr || !child_->done() || instance().state == Instance::State::kClosed) {
      return;
    }
    const Execution::Output& output = child_->output();
    if (output.failed) {
      Fail(output.why);
      return;
    }
    for (size_t i = 0; i < output.items.size(); ++i) {
      if (node_.own_axis < 0 && i > 0) break;
      Publish(static_cast<int32_t>(i), output.items[i]);
    }
    Close();
  }

 private:
  Execution* child_ = nullptr;
};

}  // namespace

std::unique_ptr<NodeWork> MakeSubGraph(Execution& execution, int node, const Point& point) {
  return std::make_unique<SubGraph>(execution, node, point);
}

}  // namespace temper::agents
