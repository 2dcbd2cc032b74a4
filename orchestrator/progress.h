// Shows a run to the person who waits for it: one line that is rewritten on a terminal, plain lines
// elsewhere.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "temper/v1/controller.pb.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::orchestrator {

class Progress {
 public:
  enum class Style { kTerminal, kLines, kJson };

  // Writes to `out`. spec: resolved.
  Progress(const v1::RunSpec& spec, Style style, FILE* out);

  void Show(const v1::RunEvent& event);
  // A line of ours, e.g. that a child was started again.
  void Note(const std::string& text);
  // Leaves the cursor on a fresh line.
  void Finish();

  // What was seen, for the report at the end.
  const std::vector<v1::StepMetrics>& policy_steps() const { return policy_steps_; }
  const std::vector<v1::EvaluationResult>& evaluations() const { return evaluations_; }

  // "step 12/60  reward 0.531 ..."; for tests.
  std::string StepLine(const v1::StepMetrics& step) const;

 private:
  void Line(const std::string& text);       // stays
  void Transient(const std::string& text);  // the next one replaces it (terminal only)
  double SecondsLeft() const;

  const Style style_;
  FILE* const out_;
  const int64_t warm_start_steps_;
  const bool reward_model_;
  const int64_t policy_steps_total_;
  bool transient_ = false;
  std::vector<double> recent_seconds_;
  std::vector<v1::StepMetrics> policy_steps_;
  std::vector<v1::EvaluationResult> evaluations_;
};

// 12345678 -> "12,345,678".
std::string WithCommas(int64_t number);

}  // namespace temper::orchestrator
