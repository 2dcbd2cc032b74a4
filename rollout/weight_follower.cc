// Mapping, streaming and checking of weights.
#include "rollout/weight_follower.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/grpc_status.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "temper/v1/learner.grpc.pb.h"

namespace temper::rollout {
namespace {

std::string Shape(const auto& shape) { return absl::StrCat("[", absl::StrJoin(shape, ", "), "]"); }

// The digest of every tensor as it stands in `values`, combined.
absl::StatusOr<std::string> CheckDigests(const v1::WeightsManifest& manifest,
                                         const WeightValues& values) {
  const std::span<const std::byte> bytes = std::as_bytes(values.floats());
  std::string digests;
  for (const v1::TensorDigest& tensor : manifest.tensors()) {
    const std::string found = Xxh3Digest(bytes.subspan(tensor.offset(), tensor.bytes()));
    if (found != tensor.digest()) {
      return absl::DataLossError(absl::StrCat(
          "version ", manifest.version(), ": ", tensor.name(), " has digest ", Hex(found),
          ", the manifest says ", Hex(tensor.digest()), "; the version before stays current"));
    }
    digests += found;
  }
  return Xxh3Digest(digests);
}

}  // namespace

std::string CombinedDigest(const v1::WeightsManifest& manifest) {
  std::string digests;
  for (const v1::TensorDigest& tensor : manifest.tensors()) digests += tensor.digest();
  return Xxh3Digest(digests);
}

absl::Status WeightFollower::CheckLayout(const v1::WeightsManifest& manifest) const {
  const auto another = [&](const std::string& what) {
    return absl::FailedPreconditionError(
        absl::StrCat("version ", manifest.version(), " is of another model: ", what));
  };
  const std::span<const model::ParameterSpec> specs = layout_.specs();
  if (manifest.tensors_size() != static_cast<int>(specs.size())) {
    return another(
        absl::StrCat(manifest.tensors_size(), " tensors, this model has ", specs.size()));
  }
  for (int i = 0; i < manifest.tensors_size(); ++i) {
    const v1::TensorDigest& tensor = manifest.tensors(i);
    const model::ParameterSpec& spec = specs[i];
    if (tensor.name() != spec.name) {
      return another(absl::StrCat("tensor ", i, " is ", tensor.name(), ", here ", spec.name));
    }
    if (!std::equal(tensor.shape().begin(), tensor.shape().end(), spec.shape.begin(),
                    spec.shape.end())) {
      return another(absl::StrCat(tensor.name(), " has shape ", Shape(tensor.shape()), ", here ",
                                  Shape(spec.shape)));
    }
    const int64_t width = sizeof(float);
    if (tensor.offset() != spec.offset * width || tensor.bytes() != spec.size * width) {
      return another(absl::StrCat(tensor.name(), " stands at byte ", tensor.offset(), " with ",
                                  tensor.bytes(), " bytes, here at ", spec.offset * width, " with ",
                                  spec.size * width));
    }
  }
  if (manifest.bytes() != layout_.size() * static_cast<int64_t>(sizeof(float))) {
    return another(
        absl::StrCat(manifest.bytes(), " bytes, this model has ", layout_.size() * sizeof(float)));
  }
  return absl::OkStatus();
}

absl::StatusOr<WeightValues> WeightFollower::Map(const v1::WeightsManifest& manifest) const {
  TEMPER_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(manifest.shared_path()));
  if (static_cast<int64_t>(file.bytes().size()) != manifest.bytes()) {
    return absl::DataLossError(absl::StrCat(manifest.shared_path(), ": ", file.bytes().size(),
                                            " bytes, the manifest of version ", manifest.version(),
                                            " says ", manifest.bytes()));
  }
  return WeightValues(std::move(file));
}

absl::StatusOr<WeightValues> WeightFollower::Fetch(const v1::WeightsManifest& manifest,
                                                   absl::Time deadline,
                                                   absl::FunctionRef<bool()> cancelled) const {
  const std::string place =
      absl::StrCat("weights of version ", manifest.version(), " from ", manifest.learner_address());
  if (manifest.learner_address().empty()) {
    return absl::InvalidArgumentError(absl::StrCat("version ", manifest.version(), " lies on host ",
                                                   manifest.host_id(), ", this is ", host_id_,
                                                   ", and learner_address is empty"));
  }
  WeightValues values = WeightValues::Allocate(layout_.size());
  const auto stub = v1::LearnerService::NewStub(Dial(manifest.learner_address()));
  const BlockingCall context(Wait::OrFail(place, deadline - absl::Now()));
  v1::FetchWeightsRequest request;
  request.set_version(manifest.version());
  request.set_run(manifest.run());
  const auto reader = stub->FetchWeights(context.get(), request);
  v1::FetchWeightsResponse part;
  int64_t received = 0;
  absl::Status wrong;
  while (wrong.ok() && reader->Read(&part)) {
    const int64_t size = static_cast<int64_t>(part.data().size());
    if (cancelled()) {
      wrong = absl::CancelledError(absl::StrCat(place, ": the caller went away"));
    } else if (part.offset() != received || size > manifest.bytes() - received) {
      wrong = absl::DataLossError(absl::StrCat(place, ": ", size, " bytes at offset ",
                                               part.offset(), ", expected offset ", received,
                                               " of ", manifest.bytes()));
    } else {
      std::memcpy(reinterpret_cast<std::byte*>(values.writable().data()) + received,
                  part.data().data(), size);
      received += size;
    }
  }
  if (!wrong.ok()) context->TryCancel();
  const absl::Status ended = FromGrpc(reader->Finish());
  TEMPER_RETURN_IF_ERROR(wrong);
  if (!ended.ok()) {
    return absl::Status(ended.code(), absl::StrCat(place, ": ", std::string(ended.message())));
  }
  if (received != manifest.bytes()) {
    return absl::DataLossError(absl::StrCat(place, ": the stream ended after ", received,
                                            " bytes, expected ", manifest.bytes()));
  }
  return values;
}

absl::StatusOr<LoadedWeights> WeightFollower::Load(const v1::WeightsManifest& manifest,
                                                   absl::Time deadline,
                                                   absl::FunctionRef<bool()> cancelled) const {
  TEMPER_RETURN_IF_ERROR(CheckLayout(manifest));
  const bool here = manifest.host_id() == host_id_ && !manifest.shared_path().empty();
  TEMPER_ASSIGN_OR_RETURN(WeightValues values,
                          here ? Map(manifest) : Fetch(manifest, deadline, cancelled));
  TEMPER_ASSIGN_OR_RETURN(std::string digest, CheckDigests(manifest, values));
  return LoadedWeights{std::make_shared<const WeightValues>(std::move(values)), std::move(digest)};
}

}  // namespace temper::rollout
