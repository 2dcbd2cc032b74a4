// One ScoreStream call: reads while it has room, writes results as they come.
#pragma once

#include "grpcpp/support/server_callback.h"
#include "reward/scorer.h"

namespace temper::reward {

// Deletes itself when the call is over and its last item has its outcome.
grpc::ServerBidiReactor<temper::v1::ScoreStreamRequest, temper::v1::ScoreStreamResponse>*
OpenScoreStream(Scorer& scorer);

}  // namespace temper::reward
