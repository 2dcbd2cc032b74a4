// Asks about one candidate or about two, and reads the answer; a failure is never a number.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "agents/run/node_work.h"

namespace temper::agents {

// The mean of a judge's valid votes on one matter; a failure is no vote.
class Ballot {
 public:
  explicit Ballot(int64_t votes) : open_(votes) {}
  void Add(const absl::StatusOr<double>& vote) {
    --open_;
    if (!vote.ok()) return;
    sum_ += *vote;
    ++valid_;
  }
  bool complete() const { return open_ == 0; }
  std::optional<double> mean() const {
    return valid_ == 0 ? std::nullopt : std::optional<double>(sum_ / static_cast<double>(valid_));
  }

 private:
  int64_t open_;
  int64_t valid_ = 0;
  double sum_ = 0;
};

class Judge {
 public:
  // Of a score or select node with a role, or of one that asks a tool. `context`: what candidates
  // answer.
  Judge(const Execution& execution, int node, Point point, nlohmann::ordered_json context);

  struct Asked {
    std::shared_ptr<const Question> question;
    // Of each vote, by content alone: candidates keep their scores when the graph around changes.
    std::vector<std::string> keys;
  };
  absl::StatusOr<Asked> About(const std::string& candidate) const;
  absl::StatusOr<Asked> About(const std::string& first, const std::string& second) const;

  // INVALID_ARGUMENT with the reply's head: it is no judgement.
  absl::StatusOr<double> Score(const Result& result) const;
  // In favour of the first, in [0, 1].
  absl::StatusOr<double> Preference(const Result& result) const;

 private:
  absl::StatusOr<nlohmann::ordered_json> FromPrompt(std::vector<std::string> texts) const;
  Asked Finish(std::shared_ptr<Question> question) const;
  std::shared_ptr<Question> NewQuestion() const;

  const Execution& execution_;
  const int index_;
  const Point point_;
  const Node& node_;
  const nlohmann::ordered_json context_;
};

}  // namespace temper::agents
