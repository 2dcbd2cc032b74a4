// The four jobs of the recipe as specs: what follows what, and how many steps an epoch has.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "temper/v1/run_spec.pb.h"

namespace temper::recipe {

// Names of the datasets beside the specs.
inline constexpr char kFeedbackLines[] = "feedback-sft.jsonl";
inline constexpr char kEditLines[] = "edit-sft.jsonl";
inline constexpr char kEditPairs[] = "edit-pairs.jsonl";
inline constexpr char kHeldOutPairs[] = "edit-pairs-held-out.jsonl";
inline constexpr char kEditPrompts[] = "edit-prompts.jsonl";

struct Job {
  std::string file;  // "1-feedback-sft.json"
  v1::RunSpec spec;
};

struct JobChoice {
  std::string model;         // folder of the model that is trained
  std::string reward_model;  // where the trained one is served: an address
  uint64_t seed = 0;
  int batch = 64;
  // Lines of the datasets.
  int64_t feedback = 0, edits = 0, pairs = 0, held_out = 0, prompts = 0;
};

// 1 feedback SFT, 2 edit SFT, 3 edit reward model, 4 edit RLOO from the last checkpoint of 2 with
// the values of 3. File names are relative to the folder of the specs, where the runs are to start.
std::vector<Job> Helpsteer3Jobs(const JobChoice& choice);

// Where the run of a job leaves its model: "runs/NAME/checkpoints/step-000120".
std::string ModelOf(const v1::RunSpec& spec);

}  // namespace temper::recipe
