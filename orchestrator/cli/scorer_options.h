// How this program starts the processes that verifiers run in.
#pragma once

#include "reward/scorer.h"

namespace temper::cli {

// As many of each kind as there are cores; the host is this program's hidden verb.
reward::Scorer::Options ScorerOptions();

}  // namespace temper::cli
