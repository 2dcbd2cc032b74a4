// The file of pinned algorithms: strict to read, atomic to write.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "kernels/cuda/tuner.h"

namespace temper::kernels::cuda {

namespace {

constexpr absl::string_view kFirstLine = "temper cuda algorithms 2";
constexpr int64_t kSizeMax = int64_t{1} << 31;  // of a weight's side
constexpr size_t kFields = 11;

// FNV-1a over the line so far: a flipped digit of a record is no algorithm at all.
uint64_t Checksum(absl::string_view text) {
  uint64_t sum = 0xcbf29ce484222325u;
  for (const char c : text) {
    sum ^= static_cast<unsigned char>(c);
    sum *= 0x100000001b3u;
  }
  return sum;
}

std::string OneField(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return text;
}

absl::string_view NameOf(Direction direction) {
  return direction == Direction::kForward ? "forward" : "backward_input";
}

std::string FormatLine(const AlgorithmKey& key, const Algorithm& algorithm) {
  std::string line = absl::StrCat(OneField(key.device), "\t", key.major, "\t", key.minor, "\t",
                                  key.library_version, "\t", key.out, "\t", key.in, "\t",
                                  NameOf(key.direction), "\t", algorithm.from_rows, "\t");
  for (const uint64_t word : algorithm.record) absl::StrAppendFormat(&line, "%016x", word);
  absl::StrAppend(&line, "\t", OneField(algorithm.label), "\t");
  return absl::StrCat(line, absl::StrFormat("%016x", Checksum(line)), "\n");
}

absl::Status Damaged(absl::string_view why) { return absl::InvalidArgumentError(why); }

// Sixteen digits, as written.
bool ParseHex(absl::string_view text, uint64_t& value) {
  if (text.size() != 16) return false;
  value = 0;
  for (const char c : text) {
    if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) return false;
    value = value << 4 | static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return true;
}

// Digits alone, without a sign or spaces.
absl::StatusOr<int64_t> ParseNumber(absl::string_view name, absl::string_view text, int64_t min,
                                    int64_t max) {
  int64_t value = 0;
  if (text.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(text, &value) || value < min || value > max) {
    return Damaged(
        absl::StrCat("the ", name, " \"", text, "\" is not a number from ", min, " to ", max));
  }
  return value;
}

absl::StatusOr<std::pair<AlgorithmKey, Algorithm>> ParseLine(absl::string_view line) {
  const std::vector<absl::string_view> fields = absl::StrSplit(line, '\t');
  if (fields.size() != kFields) {
    return Damaged(absl::StrCat(fields.size(), " fields where there are ", kFields));
  }
  uint64_t sum = 0;
  const absl::string_view summed = line.substr(0, line.size() - fields.back().size());
  if (!ParseHex(fields.back(), sum) || sum != Checksum(summed)) {
    return Damaged("the checksum is not that of the line");
  }
  AlgorithmKey key;
  if (fields[0].empty()) return Damaged("the device has no name");
  key.device = std::string(fields[0]);
  const absl::StatusOr<int64_t> major = ParseNumber("compute capability", fields[1], 1, 99);
  const absl::StatusOr<int64_t> minor = ParseNumber("compute capability", fields[2], 0, 99);
  const absl::StatusOr<int64_t> version =
      ParseNumber("library's version", fields[3], 1, int64_t{1} << 40);
  const absl::StatusOr<int64_t> out = ParseNumber("out", fields[4], 1, kSizeMax);
  const absl::StatusOr<int64_t> in = ParseNumber("in", fields[5], 1, kSizeMax);
  for (const absl::StatusOr<int64_t>* number : {&major, &minor, &version, &out, &in}) {
    if (!number->ok()) return number->status();
  }
  key.major = static_cast<int>(*major);
  key.minor = static_cast<int>(*minor);
  key.library_version = *version;
  key.out = *out;
  key.in = *in;
  if (fields[6] != NameOf(Direction::kForward) && fields[6] != NameOf(Direction::kBackwardInput)) {
    return Damaged(absl::StrCat("there is no direction \"", fields[6], "\""));
  }
  key.direction =
      fields[6] == NameOf(Direction::kForward) ? Direction::kForward : Direction::kBackwardInput;
  Algorithm algorithm;
  const size_t words = algorithm.record.size();
  const absl::StatusOr<int64_t> from = ParseNumber("least rows", fields[7], 1, kSizeMax);
  if (!from.ok()) return from.status();
  algorithm.from_rows = *from;
  if (fields[8].size() != 16 * words) return Damaged("the algorithm is not of 128 digits");
  for (size_t i = 0; i < words; ++i) {
    if (!ParseHex(fields[8].substr(16 * i, 16), algorithm.record[i])) {
      return Damaged("the algorithm is not of hexadecimal digits");
    }
  }
  algorithm.label = std::string(fields[9]);
  return std::pair(std::move(key), std::move(algorithm));
}

absl::Status SystemError(absl::string_view doing, const std::string& path) {
  return absl::InternalError(absl::StrCat(doing, " ", path, ": ", std::strerror(errno)));
}

absl::Status WriteWhole(int file, absl::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError("writing", path);
    text.remove_prefix(static_cast<size_t>(written));
  }
  return ::fsync(file) == 0 ? absl::OkStatus() : SystemError("writing", path);
}

}  // namespace

std::string FormatTable(const AlgorithmTable& table) {
  std::string text = absl::StrCat(kFirstLine, "\n");
  for (const auto& [key, algorithm] : table) absl::StrAppend(&text, FormatLine(key, algorithm));
  return text;
}

absl::StatusOr<AlgorithmTable> ParseTable(std::string_view whole) {
  absl::string_view text(whole.data(), whole.size());
  AlgorithmTable table;
  if (text.empty() || text.back() != '\n') {
    return Damaged("the last line has no end: the file was cut off");
  }
  text.remove_suffix(1);
  int64_t number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (++number == 1) {
      if (line == kFirstLine) continue;
      return Damaged(absl::StrCat("line 1: not \"", kFirstLine, "\""));
    }
    absl::StatusOr<std::pair<AlgorithmKey, Algorithm>> entry = ParseLine(line);
    if (!entry.ok()) return Damaged(absl::StrCat("line ", number, ": ", entry.status().message()));
    if (!table.insert(*std::move(entry)).second) {
      return Damaged(absl::StrCat("line ", number, ": a second entry for the same product"));
    }
  }
  return table;
}

absl::StatusOr<AlgorithmTable> ReadTable(const std::string& path) {
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return AlgorithmTable();
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return SystemError("reading", path);
  absl::StatusOr<AlgorithmTable> table = ParseTable(text.str());
  if (table.ok()) return table;
  return Damaged(
      absl::StrCat(path, ": ", table.status().message(), "; remove the file and tune again"));
}

absl::Status WriteTable(const std::string& path, const AlgorithmTable& table) {
  const std::string beside = absl::StrCat(path, ".", ::getpid(), ".part");
  const int file = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return SystemError("writing", beside);
  absl::Status status = WriteWhole(file, FormatTable(table), beside);
  if (::close(file) != 0 && status.ok()) status = SystemError("writing", beside);
  if (status.ok() && std::rename(beside.c_str(), path.c_str()) != 0) {
    status = SystemError("renaming to", path);
  }
  if (!status.ok()) ::unlink(beside.c_str());
  return status;
}

}  // namespace temper::kernels::cuda
