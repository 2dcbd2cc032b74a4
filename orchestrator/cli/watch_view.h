// The live view of `temper watch`: text made of what is known of a run. Knows no terminal.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "temper/v1/controller.pb.h"

namespace temper::cli {

class WatchView {
 public:
  explicit WatchView(std::string address) : address_(std::move(address)) {}

  void On(const v1::GetResponse& run) { run_ = run; }
  void On(const v1::RunEvent& event);
  // What is wrong with the connection; "": nothing.
  void set_trouble(std::string trouble) { trouble_ = std::move(trouble); }

  // At most `height` lines of at most `width` columns, no control characters in them.
  std::vector<std::string> Lines(int width, int height) const;

 private:
  std::string Heading(int width) const;
  std::string Bar(int width) const;
  std::string RewardLine(int width) const;
  // Of the stage that is being made; negative: not known.
  double SecondsLeft() const;
  void AppendSteps(std::vector<std::string>& lines, int width) const;
  void AppendWorkers(std::vector<std::string>& lines) const;
  void AppendWaits(std::vector<std::string>& lines) const;
  void AppendEvents(std::vector<std::string>& lines, int height) const;

  const std::string address_;
  std::string trouble_;
  v1::GetResponse run_;
  std::vector<double> rewards_;  // of policy steps
  std::deque<v1::StepMetrics> steps_;
  std::deque<v1::RunEvent> events_;  // but steps
};

}  // namespace temper::cli
