// A worker process's whole life: requests in, one result for each item out.
//
// A request is a ScoreRequest whose rubric holds just the parts to judge; the results are
// ScoreResults in the order of the items, numbered in `sample`, with parts and without a combined
// score.
#pragma once

#include "reward/registry.h"

namespace temper::reward {

// A process that has grown too large ends itself between two requests with this code; whatever it
// was given meanwhile was not begun.
inline constexpr int kRetired = 7;

// The registry's MakeVerifier, but for tests.
using VerifierMaker = decltype(&MakeVerifier);

// The exit code. Forked by the verifier host; runs on one thread.
int RunVerifierWorker(int socket, VerifierMaker maker);

}  // namespace temper::reward
