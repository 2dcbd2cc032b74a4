// Filters, pages, and rows as v1::Sample.
#include "orchestrator/ledger_samples.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "orchestrator/ledger_rows.h"

namespace temper::orchestrator {
namespace {

constexpr int kLimitMax = 1024;
constexpr int kLimitDefault = 64;
constexpr size_t kPageBytesMax = 3 << 20;
// A page is read on the thread that also commits: this many small rows take some milliseconds.
constexpr int kLookedAtMax = 10000;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Where a page begins.
struct Place {
  int64_t step = 0;
  int64_t group = 0;
  int number = 0;
};

struct SampleFilter {
  bool evaluation = false;
  int64_t first_step = 0;  // where version s counts as policy step s - first_step
  std::optional<int64_t> version;
  std::string prompt_id;
  bool by_score = false;
  double score_min = -kInfinity, score_max = kInfinity;
  int limit = kLimitDefault;
  bool with_tokens = false;
  Place from;
  std::string digest;  // of the filters: page tokens carry it
};

// limit and with_tokens may change from page to page.
std::string DigestOf(v1::GetSamplesRequest request) {
  request.clear_page_token();
  request.clear_limit();
  request.clear_with_tokens();
  request.clear_run();
  return Hex(Xxh3Digest(request.SerializeAsString())).substr(0, 8);
}

std::string TokenOf(const Place& place, const std::string& digest) {
  return absl::StrCat(place.step, ".", place.group, ".", place.number, ".", digest);
}

absl::Status ReadToken(const std::string& token, SampleFilter& filter) {
  if (token.empty()) return absl::OkStatus();
  const std::vector<std::string> parts = absl::StrSplit(token, '.');
  if (parts.size() == 4 && parts[3] == filter.digest &&
      absl::SimpleAtoi(parts[0], &filter.from.step) &&
      absl::SimpleAtoi(parts[1], &filter.from.group) &&
      absl::SimpleAtoi(parts[2], &filter.from.number)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "page_token: \"", token, "\" is not of an answer to the same filters; leave it empty"));
}

absl::StatusOr<SampleFilter> FilterOf(const v1::GetSamplesRequest& request, int64_t warm_steps) {
  SampleFilter filter{.evaluation = request.evaluation(),
                      .first_step = warm_steps - (request.evaluation() ? 0 : 1),
                      .prompt_id = request.prompt_id(),
                      .by_score = request.has_score_min() || request.has_score_max(),
                      .with_tokens = request.with_tokens(),
                      .digest = DigestOf(request)};
  if (request.limit() < 0 || request.limit() > kLimitMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("limit: ", request.limit(), ", expected 0 to ", kLimitMax));
  }
  if (request.limit() > 0) filter.limit = request.limit();
  const int64_t least = request.evaluation() ? 0 : 1;
  if (request.has_step() && request.step() < least) {
    return absl::InvalidArgumentError(
        absl::StrCat("step: ", request.step(), ", expected at least ", least));
  }
  if (request.has_step()) filter.version = request.step() + filter.first_step;
  if (request.has_score_min()) filter.score_min = request.score_min();
  if (request.has_score_max()) filter.score_max = request.score_max();
  if (!(filter.score_min <= filter.score_max)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "score_min: ", filter.score_min, ", expected at most score_max ", filter.score_max));
  }
  TEMPER_RETURN_IF_ERROR(ReadToken(request.page_token(), filter));
  return filter;
}

class PageReader {
 public:
  PageReader(Database& database, const SampleFilter& filter, const TokenTexts& texts)
      : database_(database), filter_(filter), texts_(texts) {}

  absl::StatusOr<v1::GetSamplesResponse> Read() {
    TEMPER_ASSIGN_OR_RETURN(auto groups, QueryGroups());
    while (!full_) {
      TEMPER_ASSIGN_OR_RETURN(const bool more, groups.Next());
      if (!more) break;
      TEMPER_RETURN_IF_ERROR(ReadGroup(groups));
    }
    return std::move(page_);
  }

 private:
  // Each uses an index and comes in the order (step, id): ids grow with the steps.
  absl::StatusOr<Database::Rows> QueryGroups() {
    const int64_t evaluation = filter_.evaluation;
    if (filter_.version.has_value()) {
      return database_.Query(
          "SELECT id, step, prompt_id, prompt, answer, dropped_reason FROM groups WHERE "
          "evaluation = ? AND step = ? AND id >= ? ORDER BY id",
          {evaluation, *filter_.version, filter_.from.group});
    }
    if (!filter_.prompt_id.empty()) {
      return database_.Query(
          "SELECT id, step, prompt_id, prompt, answer, dropped_reason FROM groups WHERE "
          "prompt_id = ? AND id >= ? AND evaluation = ? ORDER BY id",
          {filter_.prompt_id, filter_.from.group, evaluation});
    }
    return database_.Query(
        "SELECT id, step, prompt_id, prompt, answer, dropped_reason FROM groups WHERE evaluation "
        "= ? AND (step, id) >= (?, ?) ORDER BY step, id",
        {evaluation, filter_.from.step, filter_.from.group});
  }

  absl::Status ReadGroup(const Database::Rows& group) {
    ++looked_at_;
    if (!filter_.prompt_id.empty() && group.Bytes(2) != filter_.prompt_id) return absl::OkStatus();
    const int64_t id = group.Int(0);
    const int64_t first = id == filter_.from.group ? filter_.from.number : 0;
    TEMPER_ASSIGN_OR_RETURN(
        auto samples,
        database_.Query("SELECT number, state, worker, episode, score, score_reason, score_parts, "
                        "score IS NOT NULL FROM samples WHERE group_id = ? AND number >= ? ORDER "
                        "BY number",
                        {id, first}));
    for (;;) {
      TEMPER_ASSIGN_OR_RETURN(const bool more, samples.Next());
      if (!more) return absl::OkStatus();
      const Place place{group.Int(1), id, static_cast<int>(samples.Int(0))};
      if (page_.samples_size() == filter_.limit || ++looked_at_ > kLookedAtMax) {
        EndBefore(place);
        return absl::OkStatus();
      }
      if (!Wanted(samples)) continue;
      TEMPER_ASSIGN_OR_RETURN(v1::Sample sample, MakeSample(group, samples));
      bytes_ += sample.ByteSizeLong();
      if (bytes_ > kPageBytesMax && page_.samples_size() > 0) {
        EndBefore(place);
        return absl::OkStatus();
      }
      *page_.add_samples() = std::move(sample);
    }
  }

  void EndBefore(const Place& place) {
    full_ = true;
    page_.set_next_page_token(TokenOf(place, filter_.digest));
  }

  bool Wanted(const Database::Rows& sample) const {
    if (!filter_.by_score) return true;
    return sample.Int(7) != 0 && sample.Real(4) >= filter_.score_min &&
           sample.Real(4) <= filter_.score_max;
  }

  absl::StatusOr<v1::Sample> MakeSample(const Database::Rows& group, const Database::Rows& row) {
    v1::Sample sample;
    sample.set_group_id(group.Int(0));
    sample.set_step(group.Int(1) - filter_.first_step);
    sample.set_evaluation(filter_.evaluation);
    sample.set_prompt_id(group.Bytes(2));
    sample.set_prompt(group.Bytes(3));
    sample.set_answer(group.Bytes(4));
    sample.set_number(static_cast<int32_t>(row.Int(0)));
    sample.set_state(std::string(SampleStateName(static_cast<SampleState>(row.Int(1)))));
    sample.set_worker(row.Bytes(2));
    if (static_cast<SampleState>(row.Int(1)) == SampleState::kDropped) {
      sample.set_dropped_reason(group.Bytes(5));
    }
    if (row.Int(7) != 0) {
      v1::Score& score = *sample.mutable_score();
      if (!score.ParseFromString(row.Bytes(6))) {
        return absl::DataLossError(absl::StrCat("ledger: the score of group ", sample.group_id(),
                                                " sample ", sample.number(), " does not parse"));
      }
      score.set_value(row.Real(4));
      score.set_reason(row.Bytes(5));
    }
    if (row.Int(3) != 0) TEMPER_RETURN_IF_ERROR(AddEpisode(row.Int(3), sample));
    TEMPER_RETURN_IF_ERROR(AddAdvantage(sample));
    return sample;
  }

  absl::Status AddEpisode(int64_t id, v1::Sample& sample) {
    TEMPER_ASSIGN_OR_RETURN(
        auto rows, database_.Query("SELECT prompt_tokens, tokens, logprobs, versions, forced, "
                                   "text, checksum, finish FROM episodes WHERE id = ?",
                                   {id}));
    TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
    v1::Episode episode;
    episode.set_group_id(sample.group_id());
    episode.set_sample(sample.number());
    if (!any) {
      return absl::DataLossError(absl::StrCat("ledger: episode ", id, " of group ",
                                              sample.group_id(), " sample ", sample.number(),
                                              " is missing"));
    }
    TEMPER_RETURN_IF_ERROR(UnpackEpisode(rows, episode));
    sample.set_finish_reason(static_cast<v1::FinishReason>(rows.Int(7)));
    sample.set_token_count(episode.tokens_size());
    const std::set<int64_t> versions(episode.versions().begin(), episode.versions().end());
    sample.mutable_versions()->Assign(versions.begin(), versions.end());
    if (filter_.with_tokens) AddTokens(episode, sample);
    sample.set_response(std::move(*episode.mutable_text()));
    return absl::OkStatus();
  }

  void AddTokens(const v1::Episode& episode, v1::Sample& sample) const {
    std::vector<std::string> texts;
    if (texts_) texts = texts_({episode.tokens().begin(), episode.tokens().end()});
    for (int i = 0; i < episode.tokens_size(); ++i) {
      v1::SampleToken& token = *sample.add_tokens();
      token.set_id(episode.tokens(i));
      if (i < episode.logprobs_size()) token.set_logprob(episode.logprobs(i));
      if (static_cast<size_t>(i) < texts.size()) {
        token.set_text(std::move(texts[static_cast<size_t>(i)]));
      }
    }
    for (const int32_t put_in : episode.forced()) {
      if (put_in >= 0 && put_in < sample.tokens_size()) {
        sample.mutable_tokens(put_in)->set_forced(true);
      }
    }
  }

  absl::Status AddAdvantage(v1::Sample& sample) {
    TEMPER_ASSIGN_OR_RETURN(
        auto rows,
        database_.Query("SELECT advantage FROM batch_entries WHERE group_id = ? AND number = ?",
                        {sample.group_id(), int64_t{sample.number()}}));
    TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
    if (any) sample.set_advantage(rows.Real(0));
    return absl::OkStatus();
  }

  Database& database_;
  const SampleFilter& filter_;
  const TokenTexts& texts_;
  v1::GetSamplesResponse page_;
  size_t bytes_ = 0;
  int looked_at_ = 0;
  bool full_ = false;
};

}  // namespace

absl::StatusOr<v1::GetSamplesResponse> ReadSamples(Ledger& ledger,
                                                   const v1::GetSamplesRequest& request,
                                                   int64_t warm_start_steps,
                                                   const TokenTexts& texts) {
  TEMPER_ASSIGN_OR_RETURN(const SampleFilter filter, FilterOf(request, warm_start_steps));
  return PageReader(ledger.database(), filter, texts).Read();
}

}  // namespace temper::orchestrator
