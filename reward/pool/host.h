// The verifier host: a process of one thread that forks worker processes when told to.
//
// The service starts it once by exec (the program's hidden verb `verifier-host`), because forking a
// process with gRPC's threads is not safe; forks of the host are, and take a fraction of a
// millisecond. They die together: the host when its socket closes, as it does when the service dies
// in any way, the workers with the host.
//
// Control socket (SOCK_SEQPACKET), one HostMessage a packet:
//   service -> host  {kFork}           carries the worker's end of a socket pair
//   host -> service  {kStarted, pid}   carries a pidfd; in the order of the kForks
//   host -> service  {kExited, pid, status of waitpid}
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "reward/pool/worker.h"

namespace temper::reward {

struct HostMessage {
  enum class Kind : int32_t { kFork, kStarted, kExited };
  Kind kind = Kind::kFork;
  int32_t pid = 0;
  int32_t status = 0;
};

// The descriptor that the host's process finds its control socket at.
inline constexpr int kHostDescriptor = 3;

// Sends a message with an optional descriptor (-1: none); false when the other end is gone.
bool SendHostMessage(int socket, const HostMessage& message, int descriptor);
// Blocking unless the socket is not; false at the end. *descriptor: -1 when none came. `empty` says
// that a non-blocking socket had nothing.
bool ReceiveHostMessage(int socket, HostMessage* message, int* descriptor, bool* empty);

struct HostOptions {
  // Address space of each worker beyond what it has at its start.
  size_t memory_bytes_max = size_t{512} << 20;
  VerifierMaker make_verifier = MakeVerifier;
};

// The host's whole life; the exit code.
int RunVerifierHost(const HostOptions& options);

}  // namespace temper::reward
