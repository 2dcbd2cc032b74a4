// Runs, waits, workers and their changes as text for people.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "temper/v1/controller.pb.h"

namespace temper::cli {

// "running"; of a run that no controller has (live false): "interrupted" in its place.
std::string StateWord(v1::RunState state, bool live = true);
// "rollout", "reward", "learner".
std::string RoleWord(v1::Role role);
// "step 12 of 30", or, before it, "warm start 17 of 800".
std::string StepText(const v1::GetResponse& run);
// "learning_rate 0.0002 -> 0.0001, kl 0 -> 0.01".
std::string ChangesText(const v1::Altered& altered);

// What happened to a run that GetResponse does not say.
struct RunHistory {
  std::vector<v1::RunEvent> alterations;
  std::vector<v1::RunEvent> forks;

  // Keeps what belongs here.
  void On(const v1::RunEvent& event);
};

// A line per fact, then tables.
std::string RunText(const v1::GetResponse& run, const RunHistory& history, bool live);
// One row a run.
struct RunRow {
  v1::GetResponse run;
  bool live = false;
};
std::string RunsTable(std::span<const RunRow> rows);

// "" for none.
std::string WaitsTable(const google::protobuf::RepeatedPtrField<v1::Wait>& waits);
std::string WorkersTable(const google::protobuf::RepeatedPtrField<v1::Worker>& workers,
                         bool of_one_run);

}  // namespace temper::cli
