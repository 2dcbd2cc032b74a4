// tool and ask: values from programs and people.
#include "absl/strings/str_cat.h"
#include "agents/run/node_work.h"

namespace temper::agents {
namespace {

class Outside : public NodeWork {
 public:
  using NodeWork::NodeWork;

  void Start() override {
    auto question = std::make_shared<Question>();
    const bool tool = node_.kind == NodeKind::kTool;
    question->kind = tool ? Question::Kind::kTool : Question::Kind::kAsk;
    question->node = &node_;
    question->path = Path();
    question->inputs = nlohmann::ordered_json::object();
    for (const auto& [name, reference] : node_.arguments) {
      question->inputs[name] = Value(Read(reference));
    }
    if (!tool && node_.prompt.has_value()) {
      absl::StatusOr<nlohmann::ordered_json> asked =
          node_.prompt->Render(PromptReader(execution_, index_, point_));
      if (!asked.ok()) {
        Fail(absl::StrCat("prompt: ", std::string(asked.status().message())));
        return;
      }
      question->inputs["messages"] = *std::move(asked);
    }
    const std::string inputs =
        question->inputs.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    question->key = execution_.Key(
        {tool ? "tool" : "ask", question->path, node_.definition, inputs, Lineage()});
    execution_.Ask(index_, point_, question, question->key, 0, 0);
  }

  void Deliver(int64_t, const std::string& key, Result result) override {
    if (!result.status.ok()) {
      Fail(std::string(result.status.message()));
      return;
    }
    auto candidate = std::make_shared<Candidate>();
    candidate->node = index_;
    candidate->point = point_;
    candidate->key = key;
    candidate->result = std::move(result);
    Publish(0, {.state = Item::State::kPresent, .candidate = std::move(candidate)});
    Close();
  }

 private:
  static nlohmann::ordered_json Of(const Item& item, const std::vector<std::string>& fields) {
    if (fields.empty() && !item.candidate->conversation.is_null()) {
      return item.candidate->conversation;
    }
    if (fields.empty() && !item.candidate->result.value.is_null()) {
      return item.candidate->result.value;
    }
    return TextOf(item, fields);
  }
  static nlohmann::ordered_json Value(const Reading& reading) {
    if (reading.state != Reading::State::kPresent) {
      return reading.list ? nlohmann::ordered_json::array() : nlohmann::ordered_json();
    }
    if (!reading.list) return Of(*reading.items.front(), reading.choice->fields);
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Item* item : reading.items) list.push_back(Of(*item, reading.choice->fields));
    return list;
  }
};

}  // namespace

std::unique_ptr<NodeWork> MakeOutside(Execution& execution, int node, const Point& point) {
  return std::make_unique<Outside>(execution, node, point);
}

}  // namespace temper::agents
