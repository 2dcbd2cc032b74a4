// A run that never was: its curves, samples, spans and waits are formulas of its name and its
// steps.
//
// For tests of what shows runs. The caller keeps other threads out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "temper/v1/controller.pb.h"

namespace temper::fakes {

class MadeRun {
 public:
  // steps_before: of a fork, those that its parent made.
  MadeRun(const std::string& name, int64_t steps_total, int64_t created_ms,
          int64_t steps_before = 0);

  // Makes the next step's events; the last ends the run as DONE.
  void Advance();
  v1::RunEvent& AddEvent(const std::string& who);
  void SetState(v1::RunState state, const std::string& reason, const std::string& who);
  v1::CheckpointKept KeepCheckpoint(const std::string& who);

  bool live() const;  // not stopped, failed or done
  int64_t step() const { return step_; }
  v1::GetResponse& view() { return view_; }
  const std::vector<v1::RunEvent>& events() const { return events_; }
  // What GetSamples, GetTimeline and ListWaits answer.
  std::vector<v1::Sample> Samples(const v1::GetSamplesRequest& request) const;
  v1::GetTimelineResponse Timeline(int64_t step) const;
  // In [0, 1): a function of the run's name and the numbers.
  double Chance(int64_t a, int64_t b = 0, int64_t c = 0) const;
  int64_t now_ms() const { return view_.created_ms() + 2000 * (2 + step_); }

 private:
  v1::StepMetrics Metrics(int64_t step) const;
  v1::Sample SampleOf(int64_t step, int64_t group, int number, bool evaluation) const;

  v1::GetResponse view_;
  std::vector<v1::RunEvent> events_;
  int64_t step_ = 0;
};

// The workers that serve all made runs.
std::vector<v1::Worker> MadeWorkers();

}  // namespace temper::fakes
