// Exponential pauses with a spread; a bucket of retries that calls fill.
#include "agents/endpoint/retry_policy.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/philox.h"

namespace temper::agents {

void RetryPolicy::CallStarted() {
  saved_ = std::min(saved_ + options_.budget, options_.budget_saved_max);
}

RetryPolicy::Verdict RetryPolicy::AfterFailure(int attempts, std::optional<absl::Duration> told) {
  if (attempts >= options_.attempts_max) {
    return {.why_not = absl::StrCat(attempts, attempts == 1 ? " attempt" : " attempts")};
  }
  if (told.has_value() && *told > options_.told_pause_max) {
    return {.why_not = absl::StrCat("the server asks for a pause of ", absl::FormatDuration(*told),
                                    ", more than ", absl::FormatDuration(options_.told_pause_max))};
  }
  // A billionth: ten calls with a budget of a tenth make one retry, whatever the sum's last bits.
  if (saved_ < 1 - 1e-9 && retries_ >= options_.budget_floor) {
    return {.why_not = "the retry budget of the endpoint is spent"};
  }
  saved_ -= 1;
  ++retries_;
  const double spread = 1 - 0.25 * UniformAt(seed_, 0, static_cast<uint64_t>(retries_));
  const double doubled = std::ldexp(1.0, std::min(attempts - 1, 30));
  const absl::Duration own = std::min(options_.first_pause * doubled, options_.pause_max) * spread;
  return {.again = true, .pause = std::max(own, told.value_or(absl::ZeroDuration()))};
}

std::optional<absl::Duration> PauseOfHeaders(std::string_view retry_after_ms,
                                             std::string_view retry_after, absl::Time now) {
  const auto ahead = [](absl::Duration pause) -> std::optional<absl::Duration> {
    if (pause <= absl::ZeroDuration()) return std::nullopt;
    return pause;
  };
  double number = 0;
  if (absl::SimpleAtod(std::string(retry_after_ms), &number) && std::isfinite(number)) {
    return ahead(absl::Milliseconds(number));
  }
  if (absl::SimpleAtod(std::string(retry_after), &number) && std::isfinite(number)) {
    return ahead(absl::Seconds(number));
  }
  absl::Time date;
  std::string error;
  const std::string text(
      absl::StripAsciiWhitespace(absl::string_view(retry_after.data(), retry_after.size())));
  if (absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", text, absl::UTCTimeZone(), &date, &error)) {
    return ahead(date - now);
  }
  return std::nullopt;
}

std::optional<bool> ShouldRetry(std::string_view x_should_retry) {
  if (x_should_retry == "true") return true;
  if (x_should_retry == "false") return false;
  return std::nullopt;
}

bool StatusIsWorthARetry(int http_status) {
  return http_status == 408 || http_status == 409 || http_status == 425 || http_status == 429 ||
         http_status >= 500;
}

}  // namespace temper::agents
