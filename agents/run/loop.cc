// loop: rounds of a body, each from what the last one carries over.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agents/run/node_work.h"
#include "base/check.h"

namespace temper::agents {
namespace {

class LoopRounds : public NodeWork {
 public:
  LoopRounds(Execution& execution, int node, const Point& point)
      : NodeWork(execution, node, point), loop_(*node_.loop_body) {}

  void Start() override {
    std::vector<std::vector<Item>> carries;
    for (const Loop::Carry& carry : loop_.carries) {
      const Reading reading = Read(carry.initial);
      std::vector<Item>& items = carries.emplace_back();
      for (const Item* item : reading.items) items.push_back(*item);
    }
    started_ = true;
    execution_.StartRound(index_, Round(0), std::move(carries));
    Advance();
  }

  void Advance() override {
    // Starting a round may settle much at once, and comes back here.
    if (!started_ || instance().state == Instance::State::kClosed) return;
    while (RoundIsOver()) {
      if (!FinishRound()) return;
    }
  }

 private:
  Point Round(int32_t round) const {
    Point point = point_;
    point.push_back(round);
    return point;
  }

  bool RoundIsOver() const {
    const Point round = Round(round_);
    for (const int node : loop_.body) {
      const Reference whole{.choices = {{.target = {.kind = Target::Kind::kNode, .index = node}}}};
      std::vector<int> axes = node_.instance_axes;
      axes.push_back(loop_.round_axis);
      if (execution_.ReadAs(whole, axes, round).state == Reading::State::kNotYet) return false;
    }
    return true;
  }

  // False when the loop is over.
  bool FinishRound() {
    const Point round = Round(round_);
    std::vector<int> axes = node_.instance_axes;
    axes.push_back(loop_.round_axis);
    std::vector<std::vector<Item>> carries;
    std::string failure;
    for (size_t i = 0; i < loop_.carries.size(); ++i) {
      const std::vector<Item>& before = *execution_.Carried(index_, static_cast<int>(i), round);
      const Reference set{
          .choices = {{.target = {.kind = Target::Kind::kNode, .index = loop_.carries[i].node}}}};
      const Reading reading = execution_.ReadAs(set, axes, round);
      std::vector<Item>& items = carries.emplace_back();
      for (const Item* item : reading.items) items.push_back(*item);
      // What a round could not make stays as it was.
      if (items.empty()) items = before;
      if (reading.state == Reading::State::kFailed) failure = reading.why;
    }
    const std::vector<Item> before = *execution_.Carried(index_, 0, round);
    ExpressionReader scope(execution_, axes, round);
    scope.SetBuiltin("round", {.value = static_cast<double>(round_ + 1)});
    if (before.size() == 1 && carries[0].size() == 1) Compare(before[0], carries[0][0], scope);
    ++round_;
    std::string stopped;
    if (!failure.empty()) {
      stopped = absl::StrCat("failed: ", failure);
    } else if (loop_.stop_when.has_value()) {
      const absl::StatusOr<bool> stop = loop_.stop_when->Holds(scope);
      if (!stop.ok()) {
        Fail(absl::StrCat("stop: ", std::string(stop.status().message())));
        return false;
      }
      held_ = *stop ? held_ + 1 : 0;
      if (held_ >= loop_.patience) stopped = "when";
    }
    if (stopped.empty() && round_ >= loop_.rounds_max) stopped = "max_rounds";
    if (stopped.empty()) {
      execution_.StartRound(index_, Round(round_), std::move(carries));
      return true;
    }
    instance().fields = {{"rounds", round_}, {"stopped", stopped}};
    execution_.KeepCarries(index_, Round(round_), carries);
    const std::vector<Item>& value = carries.front();
    for (size_t i = 0; i < value.size(); ++i) {
      if (node_.own_axis < 0 && i > 0) break;
      Publish(static_cast<int32_t>(i), value[i]);
    }
    Close();
    return false;
  }

  // `gain`: how much the score of what is carried rose; by the same judge where it judged both.
  static void Compare(const Item& before, const Item& after, ExpressionReader& scope) {
    if (!before.present() || !after.present()) return;
    const bool unchanged =
        before.candidate == after.candidate || TextOf(before, {}) == TextOf(after, {});
    scope.SetBuiltin("unchanged", {.value = unchanged});
    std::optional<double> earlier = before.score;
    if (!after.candidate->scores.empty()) {
      // The newest judgement of the winner: the last in (node, point) order is of the last round.
      const auto& [place, score] = *after.candidate->scores.rbegin();
      const auto same = before.candidate->scores.find(place);
      if (same != before.candidate->scores.end()) earlier = same->second;
    }
    if (earlier.has_value() && after.score.has_value()) {
      scope.SetBuiltin("gain", {.value = *after.score - *earlier});
    }
  }

  const Loop& loop_;
  bool started_ = false;
  int32_t round_ = 0;
  int held_ = 0;
};

}  // namespace

std::unique_ptr<NodeWork> MakeLoop(Execution& execution, int node, const Point& point) {
  return std::make_unique<LoopRounds>(execution, node, point);
}

}  // namespace temper::agents
