// Submits in pieces, so that the scorer is never full; holds results until their turn.
#include "reward/scoring_client.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/bounded_queue.h"
#include "base/status_macros.h"
#include "reward/request_check.h"

namespace temper::reward {
namespace {

constexpr int kPieceItems = 256;
constexpr int kInsideMax = 8192;

struct Scored {
  int index;
  temper::v1::ScoreResult result;
};

}  // namespace

absl::Status ScoreAll(
    Scorer& scorer, const temper::v1::ScoreRequest& request,
    const std::function<void(int index, const temper::v1::ScoreResult& result)>& result) {
  TEMPER_RETURN_IF_ERROR(CheckRequest(request).status());
  auto scored = std::make_shared<BoundedQueue<Scored>>(kInsideMax + kPieceItems);
  std::vector<std::optional<temper::v1::ScoreResult>> waiting(
      static_cast<size_t>(request.items_size()));
  int submitted = 0;
  int inside = 0;
  for (int next = 0; next < request.items_size();) {
    while (submitted < request.items_size() && inside < kInsideMax) {
      auto piece = std::make_shared<temper::v1::ScoreRequest>();
      *piece->mutable_rubric() = request.rubric();
      const int first = submitted;
      const int end = std::min(request.items_size(), first + kPieceItems);
      for (int i = first; i < end; ++i) *piece->add_items() = request.items(i);
      TEMPER_RETURN_IF_ERROR(scorer.Submit(piece, [scored, first](int index, auto each) {
        (void)scored->TryPush({first + index, std::move(each)});  // there is room for all inside
      }));
      submitted = end;
      inside += end - first;
    }
    // Every item has a deadline of its own in the scorer.
    std::optional<Scored> one = scored->Pop(Wait::OrRetry("a score", absl::Minutes(1)));
    if (!one.has_value()) continue;
    --inside;
    waiting[static_cast<size_t>(one->index)] = std::move(one->result);
    while (next < request.items_size() && waiting[static_cast<size_t>(next)].has_value()) {
      result(next, *waiting[static_cast<size_t>(next)]);
      waiting[static_cast<size_t>(next++)]->Clear();
    }
  }
  return absl::OkStatus();
}

}  // namespace temper::reward
