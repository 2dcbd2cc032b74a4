// score: a number for each candidate, or a failure that is counted.
#include <optional>

#include "absl/strings/str_cat.h"
#include "agents/run/judge.h"
#include "agents/run/node_work.h"

namespace temper::agents {
namespace {

class Score : public NodeWork {
 public:
  using NodeWork::NodeWork;

  void Start() override {
    if (!TakeFrom()) return;
    absl::StatusOr<nlohmann::ordered_json> context = Context();
    if (!context.ok()) {
      Fail(std::string(context.status().message()));
      return;
    }
    judge_.emplace(execution_, index_, point_, *std::move(context));
    for (size_t i = 0; i < items_.size(); ++i) {
      const absl::StatusOr<Judge::Asked> asked = judge_->About(TextOf(items_[i], {}));
      if (!asked.ok()) {
        Fail(absl::StrCat("prompt: ", std::string(asked.status().message())));
        return;
      }
      ballots_.emplace_back(node_.n);
      for (size_t vote = 0; vote < asked->keys.size(); ++vote) {
        execution_.Ask(index_, point_, asked->question, asked->keys[vote],
                       static_cast<int64_t>(vote), static_cast<int64_t>(i));
      }
    }
  }

  void Deliver(int64_t place, const std::string&, Result result) override {
    const Item& item = items_[static_cast<size_t>(place)];
    const absl::StatusOr<double> vote = judge_->Score(result);
    if (!vote.ok()) failure_ = std::string(vote.status().message());
    Ballot& ballot = ballots_[static_cast<size_t>(place)];
    ballot.Add(vote);
    if (!ballot.complete()) return;
    const std::optional<double> score = ballot.mean();
    if (score.has_value()) {
      item.candidate->scores[{index_, point_}] = *score;
      Item scored = Kept(item, static_cast<int32_t>(place));
      scored.score = *score;
      Publish(static_cast<int32_t>(place), std::move(scored));
      ++scored_;
    } else {
      Publish(static_cast<int32_t>(place), {.state = Item::State::kFailed, .why = failure_});
    }
    if (++final_ < items_.size()) return;
    const int64_t need = node_.need.value_or(1);
    if (scored_ < need) {
      Fail(absl::StrCat(scored_, " of ", items_.size(), " candidates have a score, ", need,
                        " are needed; the last failure: ", failure_));
    } else {
      Close();
    }
  }

 private:
  std::optional<Judge> judge_;
  std::vector<Ballot> ballots_;
  size_t final_ = 0;
  int64_t scored_ = 0;
  std::string failure_;
};

}  // namespace

std::unique_ptr<NodeWork> MakeScore(Execution& execution, int node, const Point& point) {
  return std::make_unique<Score>(execution, node, point);
}

}  // namespace temper::agents
