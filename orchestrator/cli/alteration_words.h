// "learning_rate=1e-4 clip=0.1 mixture.algebra=2": what `temper set` is told, as an Alteration.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "temper/v1/run.pb.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::cli {

struct ParsedAlteration {
  v1::Alteration alteration;
  // mixture.TASK=share: to be laid over the mixture in force. Share 0: not drawn any more.
  std::map<std::string, double> task_shares;
};

// INVALID_ARGUMENT names the word, what is wrong with it, the nearest right key, and for a field of
// RunSpec that cannot change in a live run the reason and the way round. Ranges are the
// controller's to judge.
absl::StatusOr<ParsedAlteration> ParseAlteration(const std::vector<std::string>& words);

// Makes `alteration.mixture` of the mixture in force and the shares that were given.
void LayOverMixture(const v1::RunSpec& in_force, ParsedAlteration& parsed);

// The keys that `temper set` takes, for its help.
std::vector<std::string> AlterableKeys();

}  // namespace temper::cli
