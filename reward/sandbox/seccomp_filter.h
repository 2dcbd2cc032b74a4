// The list of system calls that a job may make.
//
// Whatever is not on it fails with ENOSYS, as on a kernel that lacks it, or EPERM. A few calls that
// no honest program makes (ptrace, mount, an internet socket, ...) are reported to the launcher
// instead, by whichever process of the job they are made: they end the job as a violation.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace temper::sandbox {

// The program for seccomp(2), an array of sock_filter.
absl::StatusOr<std::string> BuildSeccompFilter();

// "ptrace"; "system call 101" for one that has no name.
std::string SystemCallName(int number);

}  // namespace temper::sandbox
