// What is published, and where its files are.
#include "policy/learner/weight_store.h"

#include <unistd.h>

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "base/weights_fingerprint.h"

namespace temper::learner {
namespace {

constexpr size_t kVersionsKept = 2;

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
      fallback_dir_(JoinPath(CanonicalPath(options_.run_dir), "weights")),
      prefix_(VersionFilePrefix(options_.run_dir)) {}

absl::StatusOr<std::unique_ptr<WeightStore>> WeightStore::Open(Options options) {
  std::unique_ptr<WeightStore> store(new WeightStore(std::move(options)));
  TEMPER_RETURN_IF_ERROR(RemoveVersionFiles(store->options_.shared_dir, store->prefix_));
  TEMPER_RETURN_IF_ERROR(RemoveVersionFiles(store->fallback_dir_, store->prefix_));
  RemoveAbandonedVersionFiles(store->options_.shared_dir);
  return store;
}

absl::StatusOr<VersionFile> WeightStore::Write(int64_t version, int64_t bytes,
                                               NextBytes next) const {
  const std::string name = VersionFileName(prefix_, version);
  if (HasRoom(options_.shared_dir, bytes)) {
    absl::StatusOr<VersionFile> written =
        WriteVersionFile(JoinPath(options_.shared_dir, name), bytes, next);
    if (written.ok()) return written;
    log::Warning("shared memory refused the weights; the run folder takes them",
                 {{"reason", std::string(written.status().message())}});
  }
  TEMPER_RETURN_IF_ERROR(MakeDirectories(fallback_dir_));
  return WriteVersionFile(JoinPath(fallback_dir_, name), bytes, next);
}

WeightStore::~WeightStore() {
  MutexLock lock(mutex_);
  for (const Version& version : published_) unlink(version.file.path.c_str());
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
    unlink(published_.front().file.path.c_str());
    published_.pop_front();
  }
  return manifest;
}

absl::StatusOr<Manifest> WeightStore::Publish(int64_t version, const model::ParameterLayout& layout,
                                              std::span<const float> values) {
  const std::span<const std::byte> bytes = std::as_bytes(values);
  const auto manifest = Describe(version, static_cast<int64_t>(bytes.size()));
  TEMPER_ASSIGN_OR_RETURN(VersionFile file,
                          Write(version, manifest->bytes(),
                                [&](int64_t offset, int64_t) { return bytes.subspan(offset); }));
  manifest->set_shared_path(file.path);
  *manifest->mutable_tensors() = DigestTensors(layout, values);
  return Add({.manifest = manifest, .file = std::move(file)});
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
    if (!published->file.path.empty()) return absl::OkStatus();
    bytes = published->manifest->bytes();
  }
  TEMPER_ASSIGN_OR_RETURN(VersionFile file, Write(version, bytes, next));
  MutexLock lock(mutex_);
  for (Version& published : published_) {
    if (published.manifest->version() != version) continue;
    published.file = std::move(file);
    return absl::OkStatus();
  }
  unlink(file.path.c_str());
  return GoneBy(version);
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
  if (published == nullptr || published->file.path.empty()) return GoneBy(version);
  return MappedFile::Open(published->file.path);
}

absl::StatusOr<std::string> WeightStore::AskForFile(int64_t version) {
  MutexLock lock(mutex_);
  for (Version& published : published_) {
    if (published.manifest->version() != version) continue;
    published.asked = true;
    return published.file.path;
  }
  return GoneBy(version);
}

}  // namespace temper::learner
