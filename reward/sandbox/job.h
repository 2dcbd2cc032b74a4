// What is run in the sandbox, and what came of it: plain data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace temper::sandbox {

// A file that the job finds when it starts, read-only.
struct JobFile {
  std::string path;  // below the job's folder, e.g. "main.py" or "include/a.h"
  std::string content;
  bool executable = false;
};

struct Limits {
  double cpu_seconds = 10;             // of all the job's processes together
  double wall_seconds = 0;             // the backstop; 0: 3 * cpu_seconds + 5
  int64_t memory_bytes = 512LL << 20;  // of all processes together, /tmp included
  int64_t output_bytes = 16LL << 20;   // on stdout; on the channel; of a fetched file
  int64_t disk_bytes = 64LL << 20;     // in /tmp, which is all that can be written
  int disk_files = 10000;              // and how many files and folders there
  int processes = 64;                  // threads included
  int open_files = 256;                // of each process
};

struct Job {
  std::vector<std::string> argv;  // argv[0] is an absolute path as seen inside
  std::vector<JobFile> files;
  std::string standard_input;
  // Files that are read when the job has ended; see FetchedFile.
  std::vector<std::string> fetch;
  // Gives the job a socket as descriptor 3, to speak with whoever drives it.
  bool channel = false;
  Limits limits;
};

enum class Limit { kNone, kCpu, kWall, kMemory, kOutput };

// Only regular files below the job's folder are read, and none over Limits::output_bytes.
struct FetchedFile {
  std::string path;
  std::string content;
  std::string problem;  // empty: it was read
};

struct Outcome {
  int exit_code = -1;  // -1: ended by a signal
  int signal = 0;
  Limit limit = Limit::kNone;  // which limit ended it
  std::string exec_error;      // why argv[0] cannot be executed; empty: it was
  std::string violation;       // the forbidden system call that ended it; empty: none
  bool stopped = false;        // ended by Process::Stop
  std::string standard_output;
  std::string standard_error;  // its first 64 KiB
  std::vector<FetchedFile> fetched;
  double cpu_seconds = 0;
  double wall_seconds = 0;
  int64_t memory_peak_bytes = 0;

  bool Succeeded() const {
    return exit_code == 0 && limit == Limit::kNone && violation.empty() && exec_error.empty() &&
           !stopped;
  }
};

// "", "cpu", "wall", "memory", "output".
const char* LimitName(Limit limit);

// INVALID_ARGUMENT names the field: a path that is absolute, empty, over 255 bytes, has "..", "."
// or an empty part, a NUL byte, or stands twice; an argv that is empty or not absolute; a limit
// that is not positive.
absl::Status CheckJob(const Job& job);

}  // namespace temper::sandbox
