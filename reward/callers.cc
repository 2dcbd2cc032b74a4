// Blocking calls on a fixed number of threads.
#include "reward/callers.h"

#include <limits>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "reward/response.h"

namespace temper::reward {

Callers::Callers(int threads, Deliver deliver)
    : deliver_(std::move(deliver)), questions_(std::numeric_limits<size_t>::max()) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back("verifier caller", [this] { Work(); });
}

Callers::~Callers() {
  closing_ = true;
  questions_.Close();
  for (Thread& thread : threads_) thread.Join(kLoopEnd, WaitPolicy::kRetry);
}

void Callers::Ask(Question question) { TEMPER_CHECK(questions_.TryPush(std::move(question))); }

void Callers::Work() {
  const SystemClock clock;
  while (true) {
    const std::optional<Question> question =
        questions_.Pop(Wait::ForWork("a question", absl::Seconds(1)));
    if (closing_) return;
    if (!question.has_value()) continue;
    const absl::Duration began = clock.Uptime();
    auto judgement =
        question->rubric->parts()[question->part].verifier->Judge(ToResponse(*question->item));
    deliver_({question->id, std::move(judgement), clock.Uptime() - began});
  }
}

}  // namespace temper::reward
