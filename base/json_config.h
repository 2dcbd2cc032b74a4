// Reads a protobuf message from JSON that a person wrote, and says exactly what is wrong with it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"

namespace temper {

// Fills `message` from JSON. Unknown keys, wrong types and syntax errors are refused with
// "<place>:<line>:<column>: <field path>: found ..., expected ...; did you mean ...". Duplicate
// keys are refused.
absl::Status ParseJsonConfig(std::string_view json, std::string_view place,
                             google::protobuf::Message& message);

// Applies "a.b=value" (value: JSON, or a bare word taken as a string). Place in messages: "--set
// a.b=value".
absl::Status ApplySetting(std::string_view assignment, google::protobuf::Message& message);

// kFile: two spaces, unset fields left out: the canonical form of a spec. kLine: one line, plain
// fields always there: for programs that read `--json`. Field names are the schema's, numbers are
// numbers.
enum class JsonStyle { kFile, kLine };
std::string ToJson(const google::protobuf::Message& message, JsonStyle style = JsonStyle::kFile);

}  // namespace temper
