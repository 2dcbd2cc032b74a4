// Opening, mapping, streaming and checking of weights.
#include "rollout/weight_follower.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/grpc_status.h"
#include "base/log.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "base/weights_fingerprint.h"
#include "policy/model/shared_values.h"
#include "temper/v1/learner.grpc.pb.h"

namespace temper::rollout {
namespace {

std::string Shape(const auto& shape) { return absl::StrCat("[", absl::StrJoin(shape, ", "), "]"); }

// The fingerprint of digests that were taken here; DATA_LOSS names the tensor that differs.
absl::StatusOr<std::string> Compare(const v1::WeightsManifest& manifest,
                                    const std::vector<std::string>& found) {
  std::string digests;
  for (int i = 0; i < manifest.tensors_size(); ++i) {
    const v1::TensorDigest& tensor = manifest.tensors(i);
    if (found[i] != tensor.digest()) {
      return absl::DataLossError(absl::StrCat("version ", manifest.version(), ": ", tensor.name(),
                                              " has digest ", Hex(found[i]), ", the manifest says ",
                                              Hex(tensor.digest())));
    }
    digests += found[i];
  }
  return WeightsFingerprint(digests, KindOf(manifest));
}

std::vector<std::string> BigEndian(std::span<const uint64_t> digests) {
  std::vector<std::string> bytes;
  for (const uint64_t digest : digests) bytes.push_back(temper::BigEndian(digest));
  return bytes;
}

// Where the manifest's tensors lie, which CheckLayout() has found to be inside.
std::vector<kernels::DigestPiece> Pieces(const v1::WeightsManifest& manifest,
                                         std::span<const float> values) {
  std::vector<kernels::DigestPiece> pieces;
  for (const v1::TensorDigest& tensor : manifest.tensors()) {
    pieces.push_back({std::as_bytes(values).data() + tensor.offset(), tensor.bytes()});
  }
  return pieces;
}

}  // namespace

std::vector<std::string> WeightFollower::DigestsOf(const v1::WeightsManifest& manifest,
                                                   std::span<const float> host_values) const {
  const std::vector<kernels::DigestPiece> pieces = Pieces(manifest, host_values);
  std::vector<std::string> digests;
  if (KindOf(manifest) == kXxh3Digests) {
    for (const kernels::DigestPiece& piece : pieces) {
      digests.push_back(Xxh3Digest(std::string_view(static_cast<const char*>(piece.data),
                                                    static_cast<size_t>(piece.bytes))));
    }
    return digests;
  }
  std::vector<uint64_t> words(pieces.size());
  if (device_.shares_host_memory()) {
    device_.Digest(pieces, words.data());
  } else {
    std::ranges::transform(pieces, words.begin(), [](const kernels::DigestPiece& piece) {
      return kernels::DigestOfHostBytes(piece.data, piece.bytes);
    });
  }
  return BigEndian(words);
}

absl::Status WeightFollower::CheckDigestKind(const v1::WeightsManifest& manifest) const {
  const v1::DigestKind kind = KindOf(manifest);
  const bool known = kind == kXxh3Digests || kind == v1::DIGEST_KIND_DEVICE_64;
  const bool one = std::ranges::all_of(
      manifest.tensors(), [kind](const v1::TensorDigest& tensor) { return tensor.kind() == kind; });
  if (known && one) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "version ", manifest.version(), " has digests of ",
      known ? "several kinds" : absl::StrCat("kind ", kind, ", which this worker does not know")));
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
  return CheckDigestKind(manifest);
}

// Values only grow older, and the mark is written before the first of them changes: see
// policy/model/shared_values.h.
absl::Status WeightFollower::CheckMark(const v1::WeightsManifest& manifest,
                                       const SharedWeights& shared) const {
  int64_t found = -1;
  device_.Copy(&found, shared.memory.as<char>() + model::SharedVersionAt(layout_), sizeof(found));
  device_.Finish();
  if (found == manifest.version()) return absl::OkStatus();
  if (found > manifest.version()) {
    return absl::NotFoundError(absl::StrCat("version ", manifest.version(),
                                            " has gone by: the learner's values are those of ",
                                            found, ", or are becoming it"));
  }
  return absl::DataLossError(absl::StrCat("version ", manifest.version(),
                                          ": the learner's memory says that it is ", found));
}

absl::StatusOr<std::optional<SharedWeights>> WeightFollower::Open(
    const v1::WeightsManifest& manifest) const {
  TEMPER_RETURN_IF_ERROR(CheckLayout(manifest));
  if (device_.shares_host_memory() || manifest.device_handle().empty() || !SameHost(manifest) ||
      KindOf(manifest) != v1::DIGEST_KIND_DEVICE_64) {
    return std::nullopt;
  }
  absl::StatusOr<kernels::Memory> memory =
      device_.OpenShared(manifest.device_handle(), model::SharedBytes(layout_));
  if (!memory.ok()) {
    log::Warning(
        "the learner's memory cannot be opened; the weights go through the host",
        {{"version", manifest.version()}, {"why", std::string(memory.status().message())}});
    return std::nullopt;
  }
  SharedWeights shared{.memory = *std::move(memory)};
  shared.values = {shared.memory.as<const float>(), static_cast<size_t>(layout_.size())};
  TEMPER_RETURN_IF_ERROR(CheckMark(manifest, shared));
  return shared;
}

// The mark is read after the packing and the digests. Where it is still this version's, nothing had
// begun to change a value: what was packed, and what was digested, is the version and nothing else.
// (The digests alone would leave a gap: values that change and change back.) The digests then say
// that these are the bits the learner published.
absl::StatusOr<std::string> WeightFollower::Confirm(const v1::WeightsManifest& manifest,
                                                    const SharedWeights& shared) const {
  const std::vector<kernels::DigestPiece> pieces = Pieces(manifest, shared.values);
  std::vector<uint64_t> digests(pieces.size());
  device_.Digest(pieces, digests.data());
  TEMPER_RETURN_IF_ERROR(CheckMark(manifest, shared));
  return Compare(manifest, BigEndian(digests));
}

absl::StatusOr<WeightValues> WeightFollower::Map(const v1::WeightsManifest& manifest,
                                                 const std::string& path) const {
  TEMPER_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  if (static_cast<int64_t>(file.bytes().size()) != manifest.bytes()) {
    return absl::DataLossError(absl::StrCat(path, ": ", file.bytes().size(),
                                            " bytes, the manifest of version ", manifest.version(),
                                            " says ", manifest.bytes()));
  }
  return WeightValues(std::move(file));
}

absl::StatusOr<LoadedWeights> WeightFollower::Fetch(const v1::WeightsManifest& manifest,
                                                    absl::Time deadline,
                                                    absl::FunctionRef<bool()> cancelled) const {
  const std::string place =
      absl::StrCat("weights of version ", manifest.version(), " from ", manifest.learner_address());
  if (manifest.learner_address().empty()) {
    return absl::InvalidArgumentError(absl::StrCat("version ", manifest.version(), " lies on host ",
                                                   manifest.host_id(), ", this is ", host_id_,
                                                   ", and learner_address is empty"));
  }
  std::optional<WeightValues> values;
  std::string path;
  const auto stub = v1::LearnerService::NewStub(Dial(manifest.learner_address()));
  const BlockingCall context(Wait::OrFail(place, deadline - absl::Now()));
  v1::FetchWeightsRequest request;
  request.set_version(manifest.version());
  request.set_run(manifest.run());
  if (SameHost(manifest)) request.set_host_id(host_id_);
  const auto reader = stub->FetchWeights(context.get(), request);
  v1::FetchWeightsResponse part;
  int64_t received = 0;
  absl::Status wrong;
  while (wrong.ok() && path.empty() && reader->Read(&part)) {
    if (received == 0 && !request.host_id().empty()) path = part.shared_path();
    if (!path.empty()) break;
    if (!values.has_value()) values = WeightValues::Allocate(layout_.size());
    const int64_t size = static_cast<int64_t>(part.data().size());
    if (cancelled()) {
      wrong = absl::CancelledError(absl::StrCat(place, ": the caller went away"));
    } else if (part.offset() != received || size > manifest.bytes() - received) {
      wrong = absl::DataLossError(absl::StrCat(place, ": ", size, " bytes at offset ",
                                               part.offset(), ", expected offset ", received,
                                               " of ", manifest.bytes()));
    } else {
      std::memcpy(reinterpret_cast<std::byte*>(values->writable().data()) + received,
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
  if (!path.empty()) {
    TEMPER_ASSIGN_OR_RETURN(WeightValues mapped, Map(manifest, path));
    return LoadedWeights{.values = std::make_shared<const WeightValues>(std::move(mapped)),
                         .way = v1::WEIGHTS_WAY_FILE};
  }
  if (received != manifest.bytes()) {
    return absl::DataLossError(absl::StrCat(place, ": the stream ended after ", received,
                                            " bytes, expected ", manifest.bytes()));
  }
  return LoadedWeights{.values = std::make_shared<const WeightValues>(*std::move(values)),
                       .way = v1::WEIGHTS_WAY_STREAM};
}

absl::StatusOr<LoadedWeights> WeightFollower::Load(const v1::WeightsManifest& manifest,
                                                   absl::Time deadline,
                                                   absl::FunctionRef<bool()> cancelled) const {
  TEMPER_RETURN_IF_ERROR(CheckLayout(manifest));
  LoadedWeights loaded;
  if (SameHost(manifest) && !manifest.shared_path().empty()) {
    TEMPER_ASSIGN_OR_RETURN(WeightValues mapped, Map(manifest, manifest.shared_path()));
    loaded = {.values = std::make_shared<const WeightValues>(std::move(mapped)),
              .way = v1::WEIGHTS_WAY_FILE};
  } else {
    TEMPER_ASSIGN_OR_RETURN(loaded, Fetch(manifest, deadline, cancelled));
  }
  TEMPER_ASSIGN_OR_RETURN(loaded.digest,
                          Compare(manifest, DigestsOf(manifest, loaded.values->floats())));
  return loaded;
}

}  // namespace temper::rollout
