// The loop: requests become units, units become judgements, judgements become scores.
#include "reward/scorer.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <unordered_map>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "reward/callers.h"
#include "reward/request_check.h"
#include "reward/result_cache.h"
#include "reward/rubric.h"
#include "reward/score_statistics.h"

namespace temper::reward {
namespace {

using temper::v1::GetStatisticsResponse;
using temper::v1::RubricPart;
using temper::v1::ScoreItem;
using temper::v1::ScorePart;
using temper::v1::ScoreRequest;
using temper::v1::ScoreResult;

using PartMask = uint32_t;

struct Submission {
  std::shared_ptr<const ScoreRequest> request;
  std::shared_ptr<const Rubric> rubric;
  Scorer::Deliver deliver;
};

struct StatisticsWanted {
  std::function<void(const GetStatisticsResponse&)> deliver;
};

using Letter = std::variant<Submission, StatisticsWanted, Callers::Answer>;

absl::Duration DeadlineOf(const RubricPart& part, Lane lane) {
  if (part.has_timeout_seconds()) return absl::Seconds(part.timeout_seconds());
  return lane == Lane::kCompute ? absl::Seconds(5) : absl::Seconds(600);
}

// With lengths, so that no two items look the same.
std::string DigestOfItem(const ScoreItem& item) {
  std::string bytes;
  for (const std::string* text : {&item.response(), &item.answer(), &item.prompt(),
                                  &item.metadata_json(), &item.chat_json()}) {
    absl::StrAppend(&bytes, text->size(), ":", *text);
  }
  absl::StrAppend(&bytes, item.tokens(), ",", item.tokens_max(), ",",
                  static_cast<int>(item.finish_reason()), item.extracted() ? ",extracted" : "");
  return Xxh3Digest(bytes);
}

}  // namespace

// What other threads hand to the loop, and the descriptor that wakes it.
struct Scorer::Inbox {
  explicit Inbox(size_t letters_max)
      : letters(letters_max), wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    TEMPER_CHECK(static_cast<bool>(wake));
  }
  bool Put(Letter letter) {
    if (!letters.TryPush(std::move(letter))) return false;
    Wake();
    return true;
  }
  void Wake() const {
    const uint64_t one = 1;
    (void)!write(wake.get(), &one, sizeof one);
  }
  void Drain() const {
    uint64_t count;
    (void)!read(wake.get(), &count, sizeof count);
  }
  BoundedQueue<Letter> letters;
  const UniqueFd wake;
};

class Scorer::Loop {
 public:
  Loop(const Options& options, Inbox& inbox, std::atomic<int64_t>& inside,
       std::atomic<int64_t>& scored)
      : inbox_(inbox),
        inside_(inside),
        scored_(scored),
        cache_(options.cache_entries),
        quarantine_(options.quarantine_entries),
        pool_(options.pool, [this](Pool::Outcome outcome) { OnOutcome(std::move(outcome)); }),
        callers_(options.callers, [&inbox](Callers::Answer answer) {
          // The inbox has room: answers are no more than the items that were taken in.
          TEMPER_CHECK(inbox.Put(std::move(answer)) || inbox.letters.closed());
        }) {}

  void Run() {
    while (!inbox_.letters.closed()) {
      while (std::optional<Letter> letter = inbox_.letters.TryPop()) {
        std::visit([this](auto& each) { Take(each); }, *letter);
      }
      const absl::Status polled = pool_.Poll(inbox_.wake.get(), absl::Seconds(1));
      inbox_.Drain();
      if (!polled.ok()) FailAll(std::string(polled.message()));
    }
    FailAll("the reward service is stopping");
  }

 private:
  struct ItemState {
    std::vector<std::optional<ScorePart>> parts;
    int units_out = 0;
    std::string failure;  // the first
    bool invalid = false;
    std::string digest;
  };
  struct Job {
    Submission submission;
    std::vector<std::string> part_digests;
    std::map<PartMask, std::shared_ptr<const PartSet>> part_sets;
    std::vector<ItemState> items;
    const ScoreItem& item(int index) const { return submission.request->items(index); }
    // Keeps the whole request: who judges an item may be at it when its outcome is long delivered.
    std::shared_ptr<const ScoreItem> KeepItem(int index) const {
      return {submission.request, &item(index)};
    }
    const Rubric& rubric() const { return *submission.rubric; }
  };
  struct UnitOut {
    std::shared_ptr<Job> job;
    int item;
    PartMask parts;
  };

  void Take(Submission& submission) {
    auto job = std::make_shared<Job>();
    job->submission = std::move(submission);
    const ScoreRequest& request = *job->submission.request;
    for (int i = 0; i < request.rubric().parts_size(); ++i) {
      job->part_digests.push_back(
          Xxh3Digest(absl::StrCat(job->rubric().parts()[static_cast<size_t>(i)].kind.version, ":",
                                  request.rubric().parts(i).SerializeAsString())));
    }
    job->items.resize(static_cast<size_t>(request.items_size()));
    for (int i = 0; i < request.items_size(); ++i) Begin(job, i);
  }

  void Take(const StatisticsWanted& wanted) {
    GetStatisticsResponse response;
    statistics_.Fill(response);
    response.set_workers(static_cast<int64_t>(pool_.processes()));
    response.set_workers_started(pool_.started());
    response.set_workers_lost(pool_.lost());
    response.set_items_inside(inside_.load());
    response.set_quarantined(static_cast<int64_t>(quarantine_.size()));
    wanted.deliver(response);
  }

  // Makes the units of one item: each lane's parts that are not remembered.
  void Begin(const std::shared_ptr<Job>& job, int index) {
    const ScoreItem& item = job->item(index);
    ItemState& state = job->items[static_cast<size_t>(index)];
    const auto parts = job->rubric().parts();
    state.parts.resize(parts.size());
    state.digest = DigestOfItem(item);
    PartMask compute = 0;
    std::vector<PartMask> units;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!job->rubric().Applies(i, item.task())) continue;
      if (const ScorePart* known = cache_.Find(job->part_digests[i] + state.digest)) {
        state.parts[i] = *known;
        statistics_.Cached(parts[i].name);
      } else if (parts[i].kind.lane == Lane::kCompute) {
        compute |= PartMask{1} << i;
      } else {
        units.push_back(PartMask{1} << i);
      }
    }
    if (compute != 0) units.insert(units.begin(), compute);
    state.units_out = static_cast<int>(units.size());
    if (units.empty()) return End(*job, index);
    for (const PartMask unit : units) Send(job, index, unit);
  }

  void Send(const std::shared_ptr<Job>& job, int index, PartMask mask) {
    const ItemState& state = job->items[static_cast<size_t>(index)];
    if (const std::string* why = quarantine_.Find(QuarantineKey(*job, state, mask))) {
      return Failed({job, index, mask}, absl::StrCat("quarantined: ", *why), false);
    }
    const int64_t id = ++last_id_;
    out_[id] = {job, index, mask};
    const size_t first = static_cast<size_t>(__builtin_ctz(mask));
    if (job->rubric().parts()[first].kind.lane == Lane::kRemote) {
      callers_.Ask({id, job->submission.rubric, first, job->KeepItem(index)});
    } else {
      pool_.Add({.id = id, .parts = PartSetOf(*job, mask), .item = job->KeepItem(index)});
    }
  }

  static std::string QuarantineKey(const Job& job, const ItemState& state, PartMask mask) {
    std::string key = state.digest;
    for (size_t i = 0; i < job.part_digests.size(); ++i) {
      if (mask >> i & 1) key += job.part_digests[i];
    }
    return key;
  }

  static std::shared_ptr<const PartSet> PartSetOf(Job& job, PartMask mask) {
    std::shared_ptr<const PartSet>& known = job.part_sets[mask];
    if (known != nullptr) return known;
    auto rubric = std::make_shared<temper::v1::Rubric>();
    auto made = std::make_shared<PartSet>();
    made->deadline = absl::ZeroDuration();
    for (size_t i = 0; i < job.rubric().parts().size(); ++i) {
      if (!(mask >> i & 1)) continue;
      RubricPart& part = *rubric->add_parts();
      part = job.submission.request->rubric().parts(static_cast<int>(i));
      part.set_name(job.rubric().parts()[i].name);
      made->lane = job.rubric().parts()[i].kind.lane;
      made->deadline += DeadlineOf(part, made->lane);
    }
    made->rubric = std::move(rubric);
    return known = std::move(made);
  }

  std::optional<UnitOut> Recall(int64_t id) {
    const auto found = out_.find(id);
    if (found == out_.end()) return std::nullopt;
    UnitOut unit = std::move(found->second);
    out_.erase(found);
    return unit;
  }

  void OnOutcome(Pool::Outcome outcome) {
    const std::optional<UnitOut> unit = Recall(outcome.unit.id);
    if (!unit.has_value()) return;
    const ItemState& state = unit->job->items[static_cast<size_t>(unit->item)];
    if (outcome.result == nullptr) {
      quarantine_.Put(QuarantineKey(*unit->job, state, unit->parts), outcome.death);
      log::Warning("an input killed its verifier and is in quarantine",
                   {{"verifiers", NamesOf(*unit)}, {"death", outcome.death}});
      return Failed(*unit, outcome.death, false);
    }
    if (!outcome.result->has_score()) {
      const bool invalid = outcome.result->outcome_case() == ScoreResult::kInvalid;
      return Failed(*unit, invalid ? outcome.result->invalid() : outcome.result->internal_error(),
                    invalid);
    }
    int next = 0;
    const int parts_out = __builtin_popcount(unit->parts);
    if (outcome.result->score().parts_size() != parts_out) {
      return Failed(*unit, "the verifiers' process sent another number of parts", false);
    }
    for (size_t i = 0; i < unit->job->rubric().parts().size(); ++i) {
      if (!(unit->parts >> i & 1)) continue;
      Judged(*unit, i, outcome.result->score().parts(next++), outcome.elapsed / parts_out);
    }
    UnitEnded(*unit);
  }

  void Take(Callers::Answer& answer) {
    const std::optional<UnitOut> unit = Recall(answer.id);
    if (!unit.has_value()) return;
    const size_t part = static_cast<size_t>(__builtin_ctz(unit->parts));
    if (!answer.judgement.ok()) {
      const bool invalid = answer.judgement.status().code() == absl::StatusCode::kInvalidArgument;
      return Failed(*unit,
                    absl::StrCat(unit->job->rubric().parts()[part].name, ": ",
                                 std::string(answer.judgement.status().message())),
                    invalid);
    }
    Judged(*unit, part, ToScorePart(unit->job->rubric().parts()[part].name, *answer.judgement),
           answer.elapsed);
    UnitEnded(*unit);
  }

  void Judged(const UnitOut& unit, size_t part, ScorePart judged, absl::Duration elapsed) {
    if (!(judged.value() >= 0 && judged.value() <= 1)) {
      return NoteFailure(unit,
                         absl::StrCat(judged.verifier(), ": found the value ", judged.value(),
                                      ", expected 0 to 1"),
                         false);
    }
    ItemState& state = unit.job->items[static_cast<size_t>(unit.item)];
    statistics_.Judged(judged, elapsed);
    cache_.Put(unit.job->part_digests[part] + state.digest, judged);
    state.parts[part] = std::move(judged);
  }

  std::string NamesOf(const UnitOut& unit) const {
    std::string names;
    for (size_t i = 0; i < unit.job->rubric().parts().size(); ++i) {
      if (!(unit.parts >> i & 1)) continue;
      absl::StrAppend(&names, names.empty() ? "" : ", ", unit.job->rubric().parts()[i].name);
    }
    return names;
  }

  void NoteFailure(const UnitOut& unit, const std::string& why, bool invalid) {
    statistics_.Failed(NamesOf(unit), invalid);
    ItemState& state = unit.job->items[static_cast<size_t>(unit.item)];
    if (!state.failure.empty()) return;
    state.failure = why;
    state.invalid = invalid;
  }

  void Failed(const UnitOut& unit, const std::string& why, bool invalid) {
    NoteFailure(unit, why, invalid);
    UnitEnded(unit);
  }

  void UnitEnded(const UnitOut& unit) {
    if (--unit.job->items[static_cast<size_t>(unit.item)].units_out == 0) {
      End(*unit.job, unit.item);
    }
  }

  void End(const Job& job, int index) {
    const ItemState& state = job.items[static_cast<size_t>(index)];
    ScoreResult result;
    result.set_group_id(job.item(index).group_id());
    result.set_sample(job.item(index).sample());
    if (!state.failure.empty()) {
      (state.invalid ? *result.mutable_invalid() : *result.mutable_internal_error()) =
          state.failure;
    } else {
      std::vector<const ScorePart*> judged;
      for (const auto& part : state.parts) judged.push_back(part.has_value() ? &*part : nullptr);
      auto score = job.rubric().Combine(judged);
      if (score.ok()) {
        *result.mutable_score() = *std::move(score);
      } else {
        result.set_invalid(std::string(score.status().message()));
      }
    }
    scored_.fetch_add(1, std::memory_order_relaxed);
    inside_.fetch_sub(1);
    job.submission.deliver(index, std::move(result));
  }

  void FailAll(const std::string& why) {
    while (std::optional<Letter> letter = inbox_.letters.TryPop()) {
      if (auto* submission = std::get_if<Submission>(&*letter)) Take(*submission);
    }
    while (!out_.empty()) Failed(*Recall(out_.begin()->first), why, false);
  }

  Inbox& inbox_;
  std::atomic<int64_t>& inside_;
  std::atomic<int64_t>& scored_;
  ScoreStatistics statistics_;
  ResultCache<ScorePart> cache_;
  ResultCache<std::string> quarantine_;
  std::unordered_map<int64_t, UnitOut> out_;
  int64_t last_id_ = 0;
  Pool pool_;
  Callers callers_;
};

Scorer::Scorer(const Options& options)
    : options_(options),
      inbox_(std::make_unique<Inbox>(2 * options.items_max + 1024)),
      loop_(std::make_unique<Loop>(options, *inbox_, inside_, scored_)),
      thread_("scorer", [this] {
        loop_->Run();
        loop_.reset();  // what it started belongs to this thread
      }) {}

Scorer::~Scorer() {
  inbox_->letters.Close();
  inbox_->Wake();
  thread_.Join(kLoopEnd, WaitPolicy::kRetry);  // a call may take longer
}

absl::Status Scorer::Submit(std::shared_ptr<const ScoreRequest> request, Deliver deliver) {
  auto rubric = CheckRequest(*request);
  if (!rubric.ok()) return rubric.status();
  const int64_t items = request->items_size();
  if (items == 0) return absl::OkStatus();
  if (items > static_cast<int64_t>(options_.items_max)) {
    return absl::InvalidArgumentError(absl::StrCat("items: found ", items, ", expected at most ",
                                                   options_.items_max, " in one request"));
  }
  if (inside_.fetch_add(items) + items > static_cast<int64_t>(options_.items_max) ||
      !inbox_->Put(Submission{std::move(request), *std::move(rubric), std::move(deliver)})) {
    inside_.fetch_sub(items);
    return absl::ResourceExhaustedError(
        absl::StrCat("the reward service has as many items inside as it takes (",
                     options_.items_max, "); try again"));
  }
  return absl::OkStatus();
}

void Scorer::AskStatistics(std::function<void(const GetStatisticsResponse&)> deliver) {
  (void)inbox_->Put(StatisticsWanted{std::move(deliver)});
}

}  // namespace temper::reward
