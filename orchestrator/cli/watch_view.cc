// Drawing a run with text.
#include "orchestrator/cli/watch_view.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "orchestrator/cli/event_text.h"
#include "orchestrator/cli/run_text.h"
#include "orchestrator/cli/screen_text.h"
#include "orchestrator/progress.h"

namespace temper::cli {
namespace {

constexpr size_t kStepsKept = 20;  // the time left is told from these
constexpr size_t kStepsShown = 6;
constexpr size_t kEventsKept = 12;
constexpr int kEventsShownAtLeast = 3;
constexpr int kWaitsShown = 3;
constexpr int kRoomForEntropy = 70;
constexpr size_t kRewardsMax = 1 << 14;

bool IsPolicy(const v1::StepMetrics& step) { return step.stage() != "warm_start"; }

// Every second value made room: the curve keeps its shape.
void Halve(std::vector<double>& values) {
  for (size_t i = 0; 2 * i + 1 < values.size(); ++i) {
    values[i] = (values[2 * i] + values[2 * i + 1]) / 2;
  }
  values.resize(values.size() / 2);
}

void AppendTable(std::vector<std::string>& lines, const std::string& table) {
  if (table.empty()) return;
  lines.push_back("");
  for (size_t at = 0; at < table.size();) {
    const size_t end = table.find('\n', at);
    lines.push_back(table.substr(at, end - at));
    at = end + 1;
  }
}

}  // namespace

void WatchView::On(const v1::RunEvent& event) {
  if (!event.has_step()) {
    events_.push_back(event);
    if (events_.size() > kEventsKept) events_.pop_front();
    return;
  }
  const v1::StepMetrics& step = event.step();
  if (IsPolicy(step)) {
    rewards_.push_back(step.reward_mean());
    if (rewards_.size() > kRewardsMax) Halve(rewards_);
  }
  if (!steps_.empty() && IsPolicy(step) != IsPolicy(steps_.back())) steps_.clear();
  steps_.push_back(step);
  if (steps_.size() > kStepsKept) steps_.pop_front();
  // The look at the run may be a second old.
  const int64_t made = step.step() + (IsPolicy(step) ? run_.warm_start_steps() : 0);
  run_.set_step(std::max(run_.step(), made));
}

double WatchView::SecondsLeft() const {
  if (steps_.empty() || run_.state() != v1::RUN_STATE_RUNNING) return -1;
  double sum = 0;
  for (const v1::StepMetrics& step : steps_) sum += step.seconds().total();
  const int64_t warm = run_.warm_start_steps();
  const int64_t end = run_.step() < warm ? warm : run_.steps();
  return sum / static_cast<double>(steps_.size()) *
         static_cast<double>(std::max<int64_t>(0, end - run_.step()));
}

std::string WatchView::Heading(int width) const {
  std::string left = absl::StrCat(Printable(run_.name()), "  ", StateWord(run_.state()));
  if (!run_.reason().empty()) absl::StrAppend(&left, ": ", Printable(run_.reason()));
  if (!run_.parent().empty()) {
    absl::StrAppend(&left, "  (from step ", run_.parent_step(), " of ", Printable(run_.parent()),
                    ")");
  }
  const int gap = width - Columns(left) - Columns(address_);
  return gap < 2 ? left : absl::StrCat(left, std::string(gap, ' '), address_);
}

std::string WatchView::Bar(int width) const {
  const int64_t warm = run_.warm_start_steps();
  const bool warming = run_.step() < warm;
  const int64_t done = warming ? run_.step() : run_.step() - warm;
  const int64_t total = warming ? warm : run_.steps() - warm;
  const double share =
      total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0) : 0;
  std::string words = StepText(run_);
  const double left = SecondsLeft();
  if (left >= 0) absl::StrAppend(&words, ", ", DurationText(left), " left");
  const int columns = std::clamp(width - Columns(words) - 10, 0, 60);
  const int filled = static_cast<int>(std::floor(share * columns));
  std::string bar;
  for (int i = 0; i < columns; ++i) bar += i < filled ? "█" : "░";
  return absl::StrFormat("%s %3.0f %%  %s", bar, 100 * share, words);
}

std::string WatchView::RewardLine(int width) const {
  const std::string range =
      rewards_.empty() ? "" : absl::StrFormat("%.3f -> %.3f", rewards_.front(), rewards_.back());
  const std::string curve = Sparkline(rewards_, std::min(60, width - Columns(range) - 10));
  return curve.empty() ? "" : absl::StrCat("reward  ", curve, "  ", range);
}

void WatchView::AppendSteps(std::vector<std::string>& lines, int width) const {
  std::vector<std::vector<std::string>> rows;
  const size_t from = steps_.size() - std::min(steps_.size(), kStepsShown);
  for (size_t i = from; i < steps_.size(); ++i) {
    const v1::StepMetrics& step = steps_[i];
    const std::string speed = orchestrator::WithCommas(std::llround(step.tokens_per_second()));
    const std::string seconds = absl::StrFormat("%.2f", step.seconds().total());
    if (IsPolicy(step)) {
      rows.push_back({absl::StrCat(step.step()), absl::StrFormat("%.3f", step.reward_mean()),
                      absl::StrFormat("%.1f", step.length_mean()),
                      absl::StrFormat("%.4f", step.kl()), absl::StrCat(step.logprob_mismatch()),
                      speed, seconds, absl::StrFormat("%.3f", step.entropy())});
    } else {
      rows.push_back(
          {absl::StrCat(step.step()), absl::StrFormat("%.4f", step.loss()), speed, seconds});
    }
  }
  if (rows.empty()) return;
  std::vector<std::string> headings = {">warm start", ">loss", ">tokens/s", ">seconds"};
  if (IsPolicy(steps_.back())) {
    headings = {">step", ">reward", ">length", ">KL", ">mismatch", ">tokens/s", ">seconds"};
    if (width >= kRoomForEntropy) headings.push_back(">entropy");
  }
  AppendTable(lines, Table(headings, rows));
}

void WatchView::AppendWorkers(std::vector<std::string>& lines) const {
  std::vector<std::vector<std::string>> rows;
  for (const v1::Worker& worker : run_.workers()) {
    const char* state = worker.cordoned() ? "cordoned" : worker.connected() ? "connected" : "lost";
    rows.push_back({Printable(worker.name()), RoleWord(worker.role()), state,
                    worker.version() < 0 ? "-" : absl::StrCat(worker.version()),
                    absl::StrCat(worker.samples_out())});
  }
  if (!rows.empty()) {
    AppendTable(lines, Table({"worker", "role", "state", ">version", ">samples out"}, rows));
  }
}

void WatchView::AppendWaits(std::vector<std::string>& lines) const {
  std::vector<v1::Wait> oldest;
  for (const v1::Wait& wait : run_.waits()) {
    if (wait.policy() != v1::WAIT_POLICY_IDLE) oldest.push_back(wait);
  }
  std::stable_sort(oldest.begin(), oldest.end(), [](const v1::Wait& a, const v1::Wait& b) {
    return a.age_seconds() > b.age_seconds();
  });
  if (oldest.size() > kWaitsShown) oldest.resize(kWaitsShown);
  AppendTable(lines, WaitsTable({oldest.begin(), oldest.end()}));
}

void WatchView::AppendEvents(std::vector<std::string>& lines, int height) const {
  const int room = std::max(kEventsShownAtLeast, height - static_cast<int>(lines.size()) - 1);
  const size_t from = events_.size() - std::min<size_t>(events_.size(), room);
  if (!events_.empty()) lines.push_back("");
  for (size_t i = from; i < events_.size(); ++i) {
    lines.push_back(EventLine(events_[i], run_.spec()));
  }
}

std::vector<std::string> WatchView::Lines(int width, int height) const {
  std::vector<std::string> lines = {Heading(width), Bar(width)};
  if (!trouble_.empty()) lines.push_back(Printable(trouble_));
  const std::string reward = RewardLine(width);
  if (!reward.empty()) lines.push_back(reward);
  AppendSteps(lines, width);
  AppendWorkers(lines);
  AppendWaits(lines);
  AppendEvents(lines, height);
  if (static_cast<int>(lines.size()) > height) lines.resize(std::max(0, height));
  for (std::string& line : lines) line = Clip(line, width);
  return lines;
}

}  // namespace temper::cli
