// What the launcher and the starter (pid 1 inside the sandbox) say to each other.
//
// Plain structs, for the starter links nothing but libc.
#pragma once

#include <cstdint>

namespace temper::sandbox {

// Descriptors of the starter when it begins. Those of the job: 0, 1, 2 and, with a channel, 3.
inline constexpr int kControlFd = 3;  // SOCK_SEQPACKET; carries Reports, up only
inline constexpr int kSetupFd = 4;    // a file: Setup, then its strings
inline constexpr int kChannelFd = 5;  // the job's end of the channel; /dev/null without one
inline constexpr int kStarterFd = 6;  // the program itself

// Followed by: the filter (filter_bytes), argv and environment (NUL-terminated strings), files
// (each: path NUL, uint32 mode, uint64 size, bytes) and the paths to fetch (NUL-terminated).
struct Setup {
  uint64_t bytes;  // of everything
  uint64_t filter_bytes;
  uint64_t arguments, variables, files, fetches;  // how many
  uint64_t disk_bytes, disk_files, memory_bytes;
  uint64_t address_space_bytes, open_files, processes, cpu_seconds, message_queue_bytes;
  uint64_t channel;        // 1: the job has one
  uint64_t shared_memory;  // 1: no cgroup counts it, so the starter does
};

enum class Event : uint32_t {
  kAlive,         // carries a pidfd of the starter
  kListening,     // carries the listener of the filter
  kSetupFailed,   // `step` failed with `error`: our fault
  kExecFailed,    // the job's program cannot be executed: `error`
  kSharedMemory,  // SysV segments of the job hold more than its memory limit
  kEnded,         // the job and all its children are gone: `status` as of waitpid
  kFetched,       // file `status` of the list: carries its descriptor, or has `error`
};

struct Report {
  Event event;
  int32_t status;
  int32_t error;
  int32_t unused;
  uint64_t cpu_microseconds;
  uint64_t resident_peak_bytes;  // of the largest process
  char step[32];
};

}  // namespace temper::sandbox
