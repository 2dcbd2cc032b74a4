// Fingerprints of bytes: XXH3-128 where speed matters and nobody attacks, SHA-256 where people
// compare files.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace temper {

// 16 bytes, canonical (big-endian) form.
std::string Xxh3Digest(std::span<const std::byte> bytes);
std::string Xxh3Digest(std::string_view bytes);

// Lower-case hexadecimal.
std::string Sha256Hex(std::string_view bytes);
absl::StatusOr<std::string> Sha256HexOfFile(const std::string& path);

std::string Hex(std::string_view bytes);

}  // namespace temper
