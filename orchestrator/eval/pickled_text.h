// Reads the one thing that LiveCodeBench pickles: a single string. Nothing is ever unpickled.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace temper::eval {

// Python's pickle of one str, protocols 2 to 5: exactly
//   PROTO [FRAME] (SHORT_BINUNICODE | BINUNICODE | BINUNICODE8) [MEMOIZE | BINPUT] STOP
// with valid UTF-8 inside and nothing after it. INVALID_ARGUMENT for any other byte: opcodes that
// call, import or build something are among those.
absl::StatusOr<std::string> ReadPickledText(std::string_view pickle);

}  // namespace temper::eval
