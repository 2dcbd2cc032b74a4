// Words to a tree.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "policy/model/chat/jinja/ast.h"

namespace temper::model::jinja {

// `source` as NormalizeNewlines() left it, valid UTF-8. Errors begin with "LINE:COLUMN: ".
absl::StatusOr<Body> ParseTemplate(std::string_view source);

}  // namespace temper::model::jinja
