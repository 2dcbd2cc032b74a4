// select: one candidate, or several in order, by recorded scores, by votes, or by asking a judge.
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "agents/run/judge.h"
#include "agents/run/node_work.h"
#include "agents/select/pairwise_contest.h"
#include "agents/select/score_choice.h"
#include "agents/select/vote.h"

namespace temper::agents {
namespace {

class Select : public NodeWork {
 public:
  using NodeWork::NodeWork;

  void Start() override {
    if (!TakeFrom()) return;
    switch (node_.by) {
      case By::kScore:
        if (node_.role < 0 && node_.command.empty()) {
          std::vector<std::optional<double>> scores;
          for (const Item& item : items_) scores.push_back(item.score);
          Decide(ChooseByScore(scores, Keep()));
        } else {
          AskScores();
        }
        return;
      case By::kVote: {
        std::optional<AnswerPattern> pattern;
        if (!node_.pattern.empty()) {
          absl::StatusOr<AnswerPattern> read = AnswerPattern::Create(node_.pattern);
          if (!read.ok()) {
            Fail(std::string(read.status().message()));
            return;
          }
          pattern.emplace(*std::move(read));
        }
        std::vector<std::optional<std::string>> answers;
        for (size_t i = 0; i < items_.size(); ++i) {
          std::string text = TextOf(items_[i], fields_[i]);
          answers.push_back(pattern.has_value() ? pattern->Read(text) : std::move(text));
        }
        Decide(ChooseByVote(answers, Keep()));
        return;
      }
      default:
        StartContest();
    }
  }

  void Deliver(int64_t purpose, const std::string&, Result result) override {
    if (!contest_.has_value()) {
      TakeScore(static_cast<size_t>(purpose), result);
      return;
    }
    const Pairing pairing{.first = static_cast<int>(purpose / kPlacesMax),
                          .second = static_cast<int>(purpose % kPlacesMax)};
    Ballot& ballot = ballots_.at(purpose);
    const absl::StatusOr<double> vote = judge_->Preference(result);
    if (!vote.ok()) failure_ = std::string(vote.status().message());
    ballot.Add(vote);
    if (!ballot.complete()) return;
    const absl::Status taken = contest_->Deliver(pairing, ballot.mean());
    if (!taken.ok()) {
      Fail(std::string(taken.message()));
      return;
    }
    AdvanceContest();
  }

 private:
  static constexpr int64_t kPlacesMax = 1 << 20;

  int Keep() const { return static_cast<int>(node_.keep.value_or(1)); }

  bool OpenJudge() {
    absl::StatusOr<nlohmann::ordered_json> context = Context();
    if (!context.ok()) {
      Fail(std::string(context.status().message()));
      return false;
    }
    judge_.emplace(execution_, index_, point_, *std::move(context));
    return true;
  }

  void AskScores() {
    if (!OpenJudge()) return;
    scores_.resize(items_.size());
    for (size_t i = 0; i < items_.size(); ++i) {
      if (!Ask(judge_->About(TextOf(items_[i], {})), static_cast<int64_t>(i))) return;
    }
  }

  bool Ask(const absl::StatusOr<Judge::Asked>& asked, int64_t purpose) {
    if (!asked.ok()) {
      Fail(absl::StrCat("prompt: ", std::string(asked.status().message())));
      return false;
    }
    ballots_.emplace(purpose, node_.n);
    for (size_t vote = 0; vote < asked->keys.size(); ++vote) {
      execution_.Ask(index_, point_, asked->question, asked->keys[vote], static_cast<int64_t>(vote),
                     purpose);
    }
    return true;
  }

  void TakeScore(size_t place, const Result& result) {
    const absl::StatusOr<double> vote = judge_->Score(result);
    if (!vote.ok()) failure_ = std::string(vote.status().message());
    Ballot& ballot = ballots_.at(static_cast<int64_t>(place));
    ballot.Add(vote);
    if (!ballot.complete()) return;
    if (ballot.mean().has_value()) {
      scores_[place] = ballot.mean();
      items_[place].candidate->scores[{index_, point_}] = *ballot.mean();
    }
    if (++final_ == items_.size()) Decide(ChooseByScore(scores_, Keep()));
  }

  void StartContest() {
    PairwiseContest::Options options{
        .keep = Keep(), .swap = node_.swap, .circular = node_.circular};
    options.method = node_.by == By::kKnockout ? PairwiseContest::Method::kKnockout
                     : node_.by == By::kLeague ? PairwiseContest::Method::kLeague
                                               : PairwiseContest::Method::kPairs;
    absl::StatusOr<PairwiseContest> contest =
        PairwiseContest::Create(static_cast<int>(items_.size()), options);
    if (!contest.ok()) {
      Fail(std::string(contest.status().message()));
      return;
    }
    contest_.emplace(*std::move(contest));
    if (OpenJudge()) AdvanceContest();
  }

  void AdvanceContest() {
    if (contest_->decided()) {
      Decide(contest_->decision());
      return;
    }
    for (const Pairing& pairing : contest_->Open()) {
      const int64_t purpose = pairing.first * kPlacesMax + pairing.second;
      if (ballots_.contains(purpose)) continue;
      const std::string first = TextOf(items_[static_cast<size_t>(pairing.first)], {});
      const std::string second = TextOf(items_[static_cast<size_t>(pairing.second)], {});
      if (!Ask(judge_->About(first, second), purpose)) return;
    }
  }

  void Decide(const absl::StatusOr<Decision>& decision) {
    if (!decision.ok()) {
      Fail(failure_.empty()
               ? std::string(decision.status().message())
               : absl::StrCat(std::string(decision.status().message()), "; the last: ", failure_));
      return;
    }
    nlohmann::ordered_json fields = {{"candidates", items_.size()},
                                     {"out", decision->out.size()},
                                     {"tie", decision->by_lineage}};
    if (contest_.has_value()) {
      const Decision::Pairwise& pairs = decision->pairwise;
      fields.update({{"games", pairs.games},
                     {"invalid", pairs.invalid},
                     {"flips", pairs.flips},
                     {"pairs_both_ways", pairs.pairs_both_ways}});
    }
    instance().fields = std::move(fields);
    if (contest_.has_value()) {  // strengths, for preferences and credit
      for (size_t i = 0; i < items_.size(); ++i) {
        const std::optional<double>& strength = decision->scores[i];
        if (strength.has_value()) items_[i].candidate->scores[{index_, point_}] = *strength;
      }
    }
    int32_t place = 0;
    for (const int kept : decision->kept) {
      Item item = Kept(items_[static_cast<size_t>(kept)], kept);
      item.score = decision->scores[static_cast<size_t>(kept)];
      Publish(place++, std::move(item));
    }
    Close();
  }

  std::optional<Judge> judge_;
  std::map<int64_t, Ballot> ballots_;  // by purpose
  // By score.
  std::vector<std::optional<double>> scores_;
  size_t final_ = 0;
  // Pairwise.
  std::optional<PairwiseContest> contest_;
  std::string failure_;
};

}  // namespace

std::unique_ptr<NodeWork> MakeSelect(Execution& execution, int node, const Point& point) {
  return std::make_unique<Select>(execution, node, point);
}

}  // namespace temper::agents
