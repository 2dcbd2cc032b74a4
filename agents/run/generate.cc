// generate: one question, n samples, each final by itself.
#include "absl/strings/str_cat.h"
#include "agents/run/node_work.h"

namespace temper::agents {
namespace {

class Generate : public NodeWork {
 public:
  using NodeWork::NodeWork;

  void Start() override {
    const Role& role = execution_.graph().roles[static_cast<size_t>(node_.role)];
    absl::StatusOr<nlohmann::ordered_json> messages =
        node_.prompt->Render(PromptReader(execution_, index_, point_));
    if (!messages.ok()) {
      Fail(absl::StrCat("prompt: ", std::string(messages.status().message())));
      return;
    }
    auto question = std::make_shared<Question>();
    question->kind = Question::Kind::kChat;
    question->role = &role;
    question->node = &node_;
    question->path = Path();
    question->messages = *std::move(messages);
    const std::string asked =
        question->messages.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
    question->key =
        execution_.Key({"generate", question->path, execution_.Identity(role), asked, Lineage()});
    for (int64_t sample = 0; sample < node_.n; ++sample) {
      execution_.Ask(index_, point_, question,
                     execution_.Key({question->key, absl::StrCat(sample)}), sample, sample);
    }
  }

  void Deliver(int64_t sample, const std::string& key, Result result) override {
    const auto place = static_cast<int32_t>(sample);
    if (result.status.ok()) {
      auto candidate = std::make_shared<Candidate>();
      candidate->node = index_;
      candidate->point = point_;
      if (node_.own_axis >= 0) candidate->point.push_back(place);
      candidate->key = key;
      candidate->result = std::move(result);
      // Where it is trained: what the verifiers gave.
      const std::optional<double> score = candidate->result.score;
      Publish(place,
              {.state = Item::State::kPresent, .candidate = std::move(candidate), .score = score});
    } else if (absl::IsCancelled(result.status)) {
      Publish(place, {.state = Item::State::kAbsent, .why = "not needed any more"});
    } else {
      failure_ = std::string(result.status.message());
      Publish(place, {.state = Item::State::kFailed, .why = failure_});
      ++failed_;
    }
    ++final_;
    CloseWhenDone();
  }

  void ConsiderEnough() override {
    const absl::StatusOr<bool> enough =
        node_.enough->Holds(ExpressionReader(execution_, node_.instance_axes, point_));
    if (!enough.ok()) {
      Fail(absl::StrCat("enough: ", std::string(enough.status().message())));
      return;
    }
    if (!*enough) return;
    execution_.DropWants(index_, point_);
    for (int32_t place = 0; place < node_.n; ++place) {
      if (instance().items.contains(place)) continue;
      Publish(place, {.state = Item::State::kAbsent, .why = "enough were there"});
      ++final_;
    }
    CloseWhenDone();
  }

 private:
  void CloseWhenDone() {
    const int64_t need = node_.need.value_or(node_.n);
    if (failed_ > 0 && failed_ > node_.n - need) {
      Fail(absl::StrCat(failed_, " of ", node_.n, " samples failed, ", need,
                        " are needed; the last: ", failure_));
    } else if (final_ == node_.n) {
      Close();
    }
  }

  int64_t final_ = 0, failed_ = 0;
  std::string failure_;
};

}  // namespace

std::unique_ptr<NodeWork> MakeGenerate(Execution& execution, int node, const Point& point) {
  return std::make_unique<Generate>(execution, node, point);
}

}  // namespace temper::agents
