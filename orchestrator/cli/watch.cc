// `temper watch`: a live view on a terminal, lines elsewhere.
#include "orchestrator/cli/watch.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/stop.h"
#include "orchestrator/cli/event_text.h"
#include "orchestrator/cli/run_text.h"
#include "orchestrator/cli/screen_text.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/cli/watch_view.h"

namespace temper::cli {
namespace {

using orchestrator::ControllerClient;

constexpr int kInterrupted = 130;
constexpr absl::Duration kFrame = absl::Milliseconds(100);
constexpr absl::Duration kLook = absl::Seconds(1);  // between two looks at the run's state

// A block of lines at the bottom of the terminal that is drawn over itself.
class Screen {
 public:
  Screen() { std::fputs("\x1b[?25l", stdout); }
  ~Screen() {
    std::fputs("\x1b[?25h", stdout);
    std::fflush(stdout);
  }

  int width() const { return Size().ws_col > 0 ? Size().ws_col : 80; }
  int height() const { return Size().ws_row > 1 ? Size().ws_row - 1 : 24; }

  void Paint(const std::vector<std::string>& lines) {
    std::string frame;
    if (drawn_ > 0) absl::StrAppend(&frame, "\x1b[", drawn_, "A");
    for (const std::string& line : lines) absl::StrAppend(&frame, "\r\x1b[2K", line, "\n");
    absl::StrAppend(&frame, "\x1b[J");
    std::fputs(frame.c_str(), stdout);
    std::fflush(stdout);
    drawn_ = static_cast<int>(lines.size());
  }

 private:
  static winsize Size() {
    winsize size{};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    return size;
  }

  int drawn_ = 0;
};

// What is done with a run's events and state.
class Shown {
 public:
  virtual ~Shown() = default;
  virtual void On(const v1::RunEvent& event) = 0;
  virtual void OnTrouble(const std::string& trouble) = 0;  // "": over
  virtual void OnIdle(ControllerClient&) {}
};

class ShownAsLines final : public Shown {
 public:
  ShownAsLines(v1::RunSpec spec, bool json) : spec_(std::move(spec)), json_(json) {}
  void On(const v1::RunEvent& event) override {
    if (json_) {
      PrintJson(event);
    } else {
      std::printf("%s\n", EventLine(event, spec_).c_str());
    }
    std::fflush(stdout);
  }
  void OnTrouble(const std::string& trouble) override {
    std::fprintf(stderr, "temper: %s\n", trouble.empty() ? "connected again" : trouble.c_str());
  }

 private:
  const v1::RunSpec spec_;
  const bool json_;
};

class ShownLive final : public Shown {
 public:
  ShownLive(const v1::GetResponse& run, const std::string& address)
      : name_(run.name()), view_(address) {
    view_.On(run);
  }
  ~ShownLive() override { Paint(); }
  void On(const v1::RunEvent& event) override {
    view_.On(event);
    Draw();
  }
  void OnTrouble(const std::string& trouble) override { view_.set_trouble(trouble); }
  void OnIdle(ControllerClient& client) override {
    if (absl::Now() - looked_ >= kLook) Look(client);
    Draw();
  }
  void Look(ControllerClient& client) {
    const auto run = client.Get(name_);
    if (run.ok()) view_.On(*run);
    looked_ = absl::Now();
  }

 private:
  void Draw() {
    if (absl::Now() - drawn_ >= kFrame) Paint();
  }
  void Paint() {
    screen_.Paint(view_.Lines(screen_.width(), screen_.height()));
    drawn_ = absl::Now();
  }

  const std::string name_;
  Screen screen_;
  WatchView view_;
  absl::Time looked_ = absl::InfinitePast();
  absl::Time drawn_ = absl::InfinitePast();
};

absl::StatusOr<v1::GetResponse> FirstLook(ClientOptions client, const std::string& run) {
  client.wait_seconds = std::min(client.wait_seconds, 10.0);
  auto connection = Connect(client, run);
  if (!connection.ok()) return connection.status();
  return connection->client->Get(connection->run);
}

absl::Status Follow(ControllerClient& client, const v1::GetResponse& run, int64_t from,
                    double wait_seconds, Shown& shown) {
  ControllerClient::WatchOptions options;
  options.reconnect_budget = absl::Seconds(wait_seconds);
  options.on_lost = [&](const absl::Status& why) {
    shown.OnTrouble(absl::StrCat(std::string(why.message()), "; trying again for ",
                                 DurationText(wait_seconds)));
  };
  options.on_back = [&](int64_t) { shown.OnTrouble(""); };
  options.on_idle = [&] { shown.OnIdle(client); };
  return client.Watch(
      run.name(), from, StopOnSignals(), [&](const v1::RunEvent& event) { shown.On(event); },
      options);
}

// Says how it ended; the exit code.
int ReportEnd(ControllerClient& client, const v1::GetResponse& before, const absl::Status& status) {
  const std::string name = Printable(before.name());
  if (absl::IsCancelled(status) && StopOnSignals().stopped()) {
    std::fprintf(stderr, "temper: left; %s goes on (`temper stop %s` ends it)\n", name.c_str(),
                 name.c_str());
    return kInterrupted;
  }
  if (!status.ok()) return Report(status);
  const auto run = client.Get(before.name());
  if (!run.ok()) return Report(run.status());
  std::fprintf(stderr, "temper: %s is %s%s%s\n", name.c_str(), StateWord(run->state()).c_str(),
               run->reason().empty() ? "" : ": ", Printable(run->reason()).c_str());
  return run->state() == v1::RUN_STATE_DONE ? kDone : kFailed;
}

}  // namespace

int FollowRun(const ClientOptions& client, const std::string& run, const WatchSettings& settings) {
  const auto first = FirstLook(client, run);
  if (!first.ok()) return Report(first.status());
  ClientOptions impatient = client;  // Watch itself comes back; looks in between need not
  impatient.wait_seconds = 0;
  auto connection = Connect(impatient, run);
  if (!connection.ok()) return Report(connection.status());
  const int64_t from = settings.from_sequence >= 0
                           ? settings.from_sequence
                           : std::max<int64_t>(1, first->sequence() + 1 + settings.from_sequence);
  StopOnSignals();
  std::unique_ptr<Shown> shown;
  ShownLive* live = nullptr;
  if (!settings.json && isatty(STDOUT_FILENO)) {
    auto made = std::make_unique<ShownLive>(*first, connection->client->address());
    live = made.get();
    shown = std::move(made);
  } else {
    shown = std::make_unique<ShownAsLines>(first->spec(), settings.json);
  }
  const absl::Status status =
      Follow(*connection->client, *first, from, client.wait_seconds, *shown);
  if (live != nullptr && status.ok()) live->Look(*connection->client);
  shown.reset();  // the last frame stays
  return ReportEnd(*connection->client, *first, status);
}

void AddWatch(CLI::App& program, Chosen& chosen) {
  struct WatchOptions {
    ClientOptions client{.wait_seconds = kFollowWaitSeconds};
    std::string run;
    WatchSettings settings;
  };
  auto options = std::make_shared<WatchOptions>();
  CLI::App* verb = program.add_subcommand(
      "watch",
      "Follows a run until it ends: a live view on a terminal, one line an event elsewhere\n"
      "Comes back by itself when the controller was away. Ctrl-C leaves the run alone.\n"
      "Example: temper watch arithmetic --from -20 --json");
  verb->add_option("run", options->run, "Name or folder of the run")->required();
  verb->add_option("--from", options->settings.from_sequence,
                   "The first event's sequence number; 0: all; -N: the newest N")
      ->capture_default_str();
  AddClientOptions(*verb, options->client);
  verb->add_flag("--json", options->settings.json, "Events as JSON lines on stdout");
  verb->callback([options, &chosen] {
    chosen = [options] { return FollowRun(options->client, options->run, options->settings); };
  });
}

}  // namespace temper::cli
