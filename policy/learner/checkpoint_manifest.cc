// JSON for people to read; the body's digest stands beside it, so decoding trusts what it parses.
#include "policy/learner/checkpoint_manifest.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "nlohmann/json.hpp"

namespace temper::learner {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;

Json Body(const CheckpointManifest& manifest) {
  const CheckpointRecord& record = manifest.record;
  Json body = {{"format", kFormat},
               {"version", record.version},
               {"updates", record.updates},
               {"request_digest", Hex(record.request_digest)},
               {"metrics", Hex(record.metrics)},
               {"sha256", record.sha256},
               {"tensors", Json::array()},
               {"files", Json::array()}};
  if (!record.published.empty()) body["published"] = Hex(record.published);
  for (const CheckpointManifest::Tensor& tensor : manifest.tensors) {
    body["tensors"].push_back(
        {{"name", tensor.name}, {"shape", tensor.shape}, {"xxh3", Hex(tensor.digest)}});
  }
  for (const CheckpointManifest::File& file : manifest.files) {
    body["files"].push_back(
        {{"name", file.name}, {"bytes", file.bytes}, {"xxh3", Hex(file.digest)}});
  }
  return body;
}

// Called with text whose digest was right: the keys are there and have their types.
CheckpointManifest FromBody(const Json& body) {
  CheckpointManifest manifest;
  CheckpointRecord& record = manifest.record;
  record.version = body["version"].get<int64_t>();
  record.updates = body["updates"].get<int64_t>();
  record.request_digest = absl::HexStringToBytes(body["request_digest"].get<std::string>());
  record.metrics = absl::HexStringToBytes(body["metrics"].get<std::string>());
  record.sha256 = body["sha256"].get<std::string>();
  if (body.contains("published")) {
    record.published = absl::HexStringToBytes(body["published"].get<std::string>());
  }
  for (const Json& tensor : body["tensors"]) {
    manifest.tensors.push_back(
        {.name = tensor["name"].get<std::string>(),
         .shape = tensor["shape"].get<std::vector<int64_t>>(),
         .digest = absl::HexStringToBytes(tensor["xxh3"].get<std::string>())});
  }
  for (const Json& file : body["files"]) {
    manifest.files.push_back({.name = file["name"].get<std::string>(),
                              .bytes = file["bytes"].get<int64_t>(),
                              .digest = absl::HexStringToBytes(file["xxh3"].get<std::string>())});
  }
  return manifest;
}

}  // namespace

std::string EncodeManifest(const CheckpointManifest& manifest) {
  const Json body = Body(manifest);
  const Json whole = {{"checkpoint", body}, {"xxh3", Hex(Xxh3Digest(body.dump()))}};
  return whole.dump(2) + "\n";
}

absl::StatusOr<CheckpointManifest> DecodeManifest(std::string_view text, std::string_view place) {
  const Json whole = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!whole.is_object() || !whole.contains("checkpoint") || !whole.contains("xxh3") ||
      !whole["checkpoint"].is_object() || !whole["xxh3"].is_string()) {
    return absl::DataLossError(
        absl::StrCat(std::string(place), ": not the manifest of a checkpoint"));
  }
  const Json& body = whole["checkpoint"];
  // A flipped bit can leave text that parses but is not UTF-8 inside; dumping must not throw.
  const std::string canonical = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (Hex(Xxh3Digest(canonical)) != whole["xxh3"].get<std::string>()) {
    return absl::DataLossError(absl::StrCat(std::string(place), ": its digest does not match"));
  }
  if (!body.contains("format") || body["format"] != kFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat(std::string(place), ": an unknown format, expected ", kFormat));
  }
  return FromBody(body);
}

}  // namespace temper::learner
