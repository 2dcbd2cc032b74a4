// Writes versions beside, then renames: a reader sees a whole file or none.
#include "policy/learner/weight_store.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "base/weights_fingerprint.h"

namespace temper::learner {
namespace {

constexpr size_t kVersionsKept = 2;

std::string Canonical(const std::string& path) {
  std::error_code error;
  const auto canonical = std::filesystem::weakly_canonical(path, error);
  return error ? path : canonical.string();
}

// As much again stays free: others live in shared memory too.
bool HasRoom(const std::string& folder, int64_t bytes) {
  struct statvfs status {};
  if (statvfs(folder.c_str(), &status) != 0) return false;
  const auto free = static_cast<int64_t>(status.f_bavail) * static_cast<int64_t>(status.f_frsize);
  return free / 2 >= bytes;
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

absl::Status WriteBeside(const std::string& path, int64_t bytes, NextBytes next) {
  const std::string aside = absl::StrCat(path, ".tmp-", getpid());
  const int fd = open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return ErrnoStatus(aside, "cannot create");
  auto remove_aside = absl::MakeCleanup([&aside] { unlink(aside.c_str()); });
  auto close_fd = absl::MakeCleanup([fd] { close(fd); });
  for (int64_t offset = 0; offset < bytes;) {
    const std::span<const std::byte> part = next(offset, bytes - offset);
    TEMPER_RETURN_IF_ERROR(WriteAll(fd, aside, part));
    offset += static_cast<int64_t>(part.size());
  }
  if (rename(aside.c_str(), path.c_str()) != 0) return ErrnoStatus(path, "cannot rename to");
  std::move(remove_aside).Cancel();
  return absl::OkStatus();
}

// The tensor without its digest.
temper::v1::TensorDigest& Place(const model::ParameterSpec& spec,
                                temper::v1::TensorDigest& tensor) {
  tensor.set_name(spec.name);
  tensor.mutable_shape()->Assign(spec.shape.begin(), spec.shape.end());
  tensor.set_offset(spec.offset * static_cast<int64_t>(sizeof(float)));
  tensor.set_bytes(spec.size * static_cast<int64_t>(sizeof(float)));
  return tensor;
}

}  // namespace

google::protobuf::RepeatedPtrField<temper::v1::TensorDigest> DigestTensors(
    const model::ParameterLayout& layout, std::span<const float> values) {
  google::protobuf::RepeatedPtrField<temper::v1::TensorDigest> tensors;
  for (const model::ParameterSpec& spec : layout.specs()) {
    Place(spec, *tensors.Add())
        .set_digest(Xxh3Digest(std::as_bytes(values.subspan(spec.offset, spec.size))));
  }
  return tensors;
}

WeightStore::WeightStore(Options options)
    : options_(std::move(options)),
      fallback_dir_(JoinPath(Canonical(options_.run_dir), "weights")),
      prefix_(absl::StrCat("temper-", Hex(Xxh3Digest(Canonical(options_.run_dir))).substr(0, 16),
                           "-")) {}

absl::StatusOr<std::unique_ptr<WeightStore>> WeightStore::Open(Options options) {
  std::unique_ptr<WeightStore> store(new WeightStore(std::move(options)));
  TEMPER_RETURN_IF_ERROR(store->RemoveStale(store->options_.shared_dir));
  TEMPER_RETURN_IF_ERROR(store->RemoveStale(store->fallback_dir_));
  return store;
}

WeightStore::~WeightStore() {
  MutexLock lock(mutex_);
  for (const Version& version : published_) unlink(version.path.c_str());
}

absl::Status WeightStore::RemoveStale(const std::string& folder) const {
  std::error_code error;
  std::filesystem::directory_iterator entries(folder, error);
  if (error) return absl::OkStatus();  // no such folder: nothing stale in it
  for (const auto& entry : entries) {
    if (!absl::StartsWith(entry.path().filename().string(), prefix_)) continue;
    TEMPER_RETURN_IF_ERROR(RemoveAll(entry.path().string()));
  }
  return absl::OkStatus();
}

std::string WeightStore::FileName(int64_t version) const {
  return absl::StrFormat("%sv%06d.f32", prefix_, version);
}

absl::StatusOr<std::string> WeightStore::Write(int64_t version, int64_t bytes,
                                               NextBytes next) const {
  if (HasRoom(options_.shared_dir, bytes)) {
    const std::string path = JoinPath(options_.shared_dir, FileName(version));
    const absl::Status written = WriteBeside(path, bytes, next);
    if (written.ok()) return path;
    log::Warning("shared memory refused the weights; the run folder takes them",
                 {{"reason", std::string(written.message())}});
  }
  TEMPER_RETURN_IF_ERROR(MakeDirectories(fallback_dir_));
  const std::string path = JoinPath(fallback_dir_, FileName(version));
  TEMPER_RETURN_IF_ERROR(WriteBeside(path, bytes, next));
  return path;
}

std::shared_ptr<temper::v1::WeightsManifest> WeightStore::Describe(int64_t version,
                                                                   int64_t bytes) const {
  auto manifest = std::make_shared<temper::v1::WeightsManifest>();
  manifest->set_version(version);
  manifest->set_host_id(HostId());
  manifest->set_learner_address(options_.learner_address);
  manifest->set_run(options_.run);
  manifest->set_bytes(bytes);
  return manifest;
}

Manifest WeightStore::Add(Version version) {
  const Manifest manifest = version.manifest;
  MutexLock lock(mutex_);
  std::erase_if(published_,
                [&](const Version& old) { return old.manifest->version() == manifest->version(); });
  published_.push_back(std::move(version));
  while (published_.size() > kVersionsKept) {
    unlink(published_.front().path.c_str());
    published_.pop_front();
  }
  return manifest;
}

absl::StatusOr<Manifest> WeightStore::Publish(int64_t version, const model::ParameterLayout& layout,
                                              std::span<const float> values) {
  const std::span<const std::byte> bytes = std::as_bytes(values);
  const auto manifest = Describe(version, static_cast<int64_t>(bytes.size()));
  TEMPER_ASSIGN_OR_RETURN(*manifest->mutable_shared_path(),
                          Write(version, manifest->bytes(),
                                [&](int64_t offset, int64_t) { return bytes.subspan(offset); }));
  *manifest->mutable_tensors() = DigestTensors(layout, values);
  return Add({.manifest = manifest, .path = manifest->shared_path()});
}

Manifest WeightStore::PublishOnDevice(int64_t version, const model::ParameterLayout& layout,
                                      const ValuesOnDevice& values) {
  const auto manifest = Describe(version, layout.size() * static_cast<int64_t>(sizeof(float)));
  manifest->set_device_handle(values.handle);
  TEMPER_CHECK(values.digests.size() == layout.specs().size());
  for (size_t i = 0; i < values.digests.size(); ++i) {
    temper::v1::TensorDigest& tensor = Place(layout.specs()[i], *manifest->add_tensors());
    tensor.set_digest(BigEndian(values.digests[i]));
    tensor.set_kind(temper::v1::DIGEST_KIND_DEVICE_64);
  }
  return Add({.manifest = manifest});
}

absl::Status WeightStore::AddFile(int64_t version, NextBytes next) {
  int64_t bytes = 0;
  {
    MutexLock lock(mutex_);
    const Version* const published = Find(version);
    if (published == nullptr) return GoneBy(version);
    if (!published->path.empty()) return absl::OkStatus();
    bytes = published->manifest->bytes();
  }
  TEMPER_ASSIGN_OR_RETURN(std::string path, Write(version, bytes, next));
  MutexLock lock(mutex_);
  for (Version& published : published_) {
    if (published.manifest->version() == version) published.path = std::move(path);
  }
  return absl::OkStatus();
}

bool WeightStore::file_wanted() const {
  MutexLock lock(mutex_);
  return !published_.empty() && published_.back().asked;
}

Manifest WeightStore::newest() const {
  MutexLock lock(mutex_);
  return published_.empty() ? nullptr : published_.back().manifest;
}

const WeightStore::Version* WeightStore::Find(int64_t version) const {
  for (const Version& published : published_) {
    if (published.manifest->version() == version) return &published;
  }
  return nullptr;
}

absl::Status WeightStore::GoneBy(int64_t version) const {
  return absl::NotFoundError(
      absl::StrCat("weights of version ", version, ": gone by, or not made yet; the newest is ",
                   published_.empty() ? -1 : published_.back().manifest->version()));
}

absl::StatusOr<MappedFile> WeightStore::Map(int64_t version) const {
  MutexLock lock(mutex_);
  const Version* const published = Find(version);
  if (published == nullptr || published->path.empty()) return GoneBy(version);
  return MappedFile::Open(published->path);
}

absl::StatusOr<std::string> WeightStore::AskForFile(int64_t version) {
  MutexLock lock(mutex_);
  for (Version& published : published_) {
    if (published.manifest->version() != version) continue;
    published.asked = true;
    return published.path;
  }
  return GoneBy(version);
}

}  // namespace temper::learner
