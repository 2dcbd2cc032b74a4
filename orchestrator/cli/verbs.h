// The verbs of `temper`, one room each; main.cc lists them. (`replay` has a header of its own.)
//
// A verb adds its sub-command with complete help and, when chosen, stores what is to be done in
// `chosen`. Exit codes: 0 done; 1 the job failed; 2 the command or a file is wrong.
#pragma once

#include <functional>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"

namespace temper::cli {

using Chosen = std::function<int()>;

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrong = 2;

// Prints "temper: <message>" to stderr; 2 for INVALID_ARGUMENT, NOT_FOUND, OUT_OF_RANGE,
// ALREADY_EXISTS, FAILED_PRECONDITION, PERMISSION_DENIED and UNAUTHENTICATED, else 1.
int Report(const absl::Status& status);

void AddRun(CLI::App& program, Chosen& chosen);
void AddController(CLI::App& program, Chosen& chosen);
void AddRollout(CLI::App& program, Chosen& chosen);
void AddReward(CLI::App& program, Chosen& chosen);
void AddLearner(CLI::App& program, Chosen& chosen);
void AddList(CLI::App& program, Chosen& chosen);
void AddShow(CLI::App& program, Chosen& chosen);
void AddSubmit(CLI::App& program, Chosen& chosen);
void AddWatch(CLI::App& program, Chosen& chosen);
void AddSteering(CLI::App& program, Chosen& chosen);  // pause, resume, drain, stop
void AddSet(CLI::App& program, Chosen& chosen);
void AddCheckpoint(CLI::App& program, Chosen& chosen);
void AddSamples(CLI::App& program, Chosen& chosen);
void AddWaits(CLI::App& program, Chosen& chosen);
void AddWorkers(CLI::App& program, Chosen& chosen);  // workers, cordon, uncordon
void AddQuarantine(CLI::App& program, Chosen& chosen);
void AddTrace(CLI::App& program, Chosen& chosen);
void AddMetrics(CLI::App& program, Chosen& chosen);
void AddAudit(CLI::App& program, Chosen& chosen);
void AddReplayBundle(CLI::App& program, Chosen& chosen);  // not for people: it is not listed
void AddInit(CLI::App& program, Chosen& chosen);
void AddInspect(CLI::App& program, Chosen& chosen);
void AddExport(CLI::App& program, Chosen& chosen);
void AddGenerate(CLI::App& program, Chosen& chosen);
void AddScore(CLI::App& program, Chosen& chosen);
void AddServe(CLI::App& program, Chosen& chosen);
void AddTokenize(CLI::App& program, Chosen& chosen);
void AddVerify(CLI::App& program, Chosen& chosen);
void AddEval(CLI::App& program, Chosen& chosen);
void AddRecipe(CLI::App& program, Chosen& chosen);
void AddVerifierHost(CLI::App& program, Chosen& chosen);  // not for people: it is not listed
void AddCerts(CLI::App& program, Chosen& chosen);
void AddBench(CLI::App& program, Chosen& chosen);
void AddDoctor(CLI::App& program, Chosen& chosen);
void AddTune(CLI::App& program, Chosen& chosen);

}  // namespace temper::cli
