// One header, then the tensors end to end. The header follows from the layout, so reading compares.
#include "policy/learner/moments_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace temper::learner {
namespace {

using Json = nlohmann::ordered_json;

// The 8-byte length and the JSON after it, padded to whole 8 bytes.
std::string Header(const model::ParameterLayout& layout) {
  Json header = Json::object();
  header["__metadata__"] = {{"format", "pt"}};
  int64_t offset = 0;
  for (const char* moment : {".exp_avg", ".exp_avg_sq"}) {
    for (const model::ParameterSpec& spec : layout.specs()) {
      const int64_t end = offset + spec.size * static_cast<int64_t>(sizeof(float));
      header[spec.name + moment] = {
          {"dtype", "F32"}, {"shape", spec.shape}, {"data_offsets", {offset, end}}};
      offset = end;
    }
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  std::string bytes(8, '\0');
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  return bytes + text;
}

absl::Status WriteAll(int fd, const std::string& path, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return ErrnoStatus(path, "cannot write");
    bytes = bytes.subspan(put);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteMoments(const std::string& path, const model::ParameterLayout& layout,
                          std::span<const float> first, std::span<const float> second) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(path, "cannot create");
  auto remove_file = absl::MakeCleanup([&path] { unlink(path.c_str()); });
  auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  const std::string header = Header(layout);
  TEMPER_RETURN_IF_ERROR(WriteAll(fd, path, std::as_bytes(std::span(header))));
  for (const std::span<const float> moment : {first, second}) {
    for (const model::ParameterSpec& spec : layout.specs()) {
      TEMPER_RETURN_IF_ERROR(
          WriteAll(fd, path, std::as_bytes(moment.subspan(spec.offset, spec.size))));
    }
  }
  if (fsync(fd) != 0) return ErrnoStatus(path, "cannot sync");
  std::move(remove_file).Cancel();
  return absl::OkStatus();
}

absl::Status ReadMoments(const std::string& path, const model::ParameterLayout& layout,
                         std::span<float> first, std::span<float> second) {
  TEMPER_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const std::string header = Header(layout);
  const size_t expected =
      header.size() + 2 * static_cast<size_t>(layout.parameters()) * sizeof(float);
  if (file.bytes().size() != expected) {
    return absl::DataLossError(absl::StrCat(path, ": ", file.bytes().size(), " bytes, expected ",
                                            expected, " for this model"));
  }
  if (std::memcmp(file.bytes().data(), header.data(), header.size()) != 0) {
    return absl::DataLossError(
        absl::StrCat(path, ": the header does not list this model's moments in order"));
  }
  const std::byte* data = file.bytes().data() + header.size();
  for (const std::span<float> moment : {first, second}) {
    for (const model::ParameterSpec& spec : layout.specs()) {
      std::memcpy(moment.data() + spec.offset, data, spec.size * sizeof(float));
      data += spec.size * sizeof(float);
    }
  }
  return absl::OkStatus();
}

}  // namespace temper::learner
