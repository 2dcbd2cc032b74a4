// Is the response one JSON document that a schema accepts?
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "reward/json/json_value.h"
#include "reward/verifier.h"

namespace temper::v1 {
class JsonSchemaOptions;
}

namespace temper::reward {

// Verifier "json_schema": 1 when the response, without its thought, is exactly one JSON document
// (in a ```json fence where the policy allows it) and fits the schema of the problem ("schema" or
// "json_schema" in its metadata: an object, or one as text) or of the settings; else 0.
class JsonSchemaVerifier : public Verifier {
 public:
  static absl::StatusOr<std::unique_ptr<const Verifier>> Create(
      const temper::v1::JsonSchemaOptions& options);

  // INVALID_ARGUMENT for a schema that is missing or wrong.
  absl::StatusOr<Judgement> Judge(const Response& response) const override;

 private:
  enum class Fence { kAllow, kRequire, kRefuse };
  JsonSchemaVerifier() = default;

  std::string schema_;
  Fence fence_ = Fence::kAllow;
  JsonLimits limits_;
  bool formats_ = true;
};

// The text in a ``` or ```json fence that is the whole of `text`; nothing but blanks may stand
// around it. Null data when there is no such fence.
std::string_view FencedText(std::string_view text);

}  // namespace temper::reward
