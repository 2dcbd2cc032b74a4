// TensorBoard's event records, encoded by hand: four fields do not need their schema.
#include "orchestrator/controller/tensorboard.h"

#include <unistd.h>

#include <array>
#include <bit>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace temper::orchestrator {
namespace {

constexpr std::array<uint32_t, 256> MakeCrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0x82F63B78u : 0);
    table[i] = value;
  }
  return table;
}

uint32_t MaskedCrc(std::string_view bytes) {
  const uint32_t crc = Crc32c(bytes);
  return std::rotr(crc, 15) + 0xA282EAD8u;
}

template <class T>
std::string LittleEndian(T value) {  // x86 and ARM are little-endian already
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string Varint(uint64_t value) {
  std::string bytes;
  while (value >= 0x80) {
    bytes.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

// Protobuf wire types: 0 varint, 1 fixed64, 2 bytes, 5 fixed32.
std::string Tag(int field, int type) { return Varint(field << 3 | type); }
std::string Bytes(int field, std::string_view value) {
  return absl::StrCat(Tag(field, 2), Varint(value.size()), std::string(value));
}
std::string Double(int field, double value) {
  return absl::StrCat(Tag(field, 1), LittleEndian(value));
}

std::string EventHead(absl::Time now, int64_t step) {
  return absl::StrCat(Double(1, absl::ToDoubleSeconds(now - absl::UnixEpoch())), Tag(2, 0),
                      Varint(static_cast<uint64_t>(step)));
}

}  // namespace

uint32_t Crc32c(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = MakeCrcTable();
  uint32_t crc = ~0u;
  for (const char byte : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<uint8_t>(byte)) & 0xFF];
  return ~crc;
}

absl::StatusOr<EventFile> EventFile::Create(const std::string& folder, absl::Time now) {
  TEMPER_RETURN_IF_ERROR(MakeDirectories(folder));
  const std::string path = JoinPath(folder, absl::StrFormat("events.out.tfevents.%d.temper.%d",
                                                            absl::ToUnixMicros(now), getpid()));
  File file(fopen(path.c_str(), "wb"), fclose);
  if (file == nullptr) return ErrnoStatus(path, "cannot create");
  EventFile events(std::move(file), path);
  TEMPER_RETURN_IF_ERROR(events.Append(absl::StrCat(EventHead(now, 0), Bytes(3, "brain.Event:2"))));
  return events;
}

absl::Status EventFile::Write(int64_t step, absl::Time now,
                              std::span<const std::pair<std::string, double>> scalars) {
  std::string summary;
  for (const auto& [name, value] : scalars) {
    const std::string simple_value =
        absl::StrCat(Tag(2, 5), LittleEndian(static_cast<float>(value)));
    absl::StrAppend(&summary, Bytes(1, absl::StrCat(Bytes(1, name), simple_value)));
  }
  return Append(absl::StrCat(EventHead(now, step), Bytes(5, summary)));
}

absl::Status EventFile::Append(std::string_view event) {
  const std::string length = LittleEndian<uint64_t>(event.size());
  const std::string record = absl::StrCat(length, LittleEndian(MaskedCrc(length)),
                                          std::string(event), LittleEndian(MaskedCrc(event)));
  if (fwrite(record.data(), 1, record.size(), file_.get()) != record.size() ||
      fflush(file_.get()) != 0) {
    return ErrnoStatus(path_, "cannot write");
  }
  return absl::OkStatus();
}

}  // namespace temper::orchestrator
