// The smallest piece of work: some parts of a rubric applied to one response.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "reward/registry.h"

namespace temper::v1 {
class Rubric;
class ScoreItem;
}  // namespace temper::v1

namespace temper::reward {

// The parts that are judged together, as a worker reads them. Shared by the units of a call.
struct PartSet {
  std::shared_ptr<const temper::v1::Rubric> rubric;  // just these parts
  Lane lane = Lane::kCompute;
  // Processor seconds in lane kCompute, seconds in the others, after which the process is killed.
  absl::Duration deadline;
};

struct Unit {
  int64_t id = 0;  // the owner's
  std::shared_ptr<const PartSet> parts;
  std::shared_ptr<const temper::v1::ScoreItem> item;
  int deaths = 0;  // processes that died over it
};

}  // namespace temper::reward
