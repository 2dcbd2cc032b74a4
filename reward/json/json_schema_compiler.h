// Turns the JSON of a schema into nodes.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "reward/json/json_schema.h"
#include "reward/json/json_value.h"

namespace temper::reward {

// Used once.
class JsonSchemaCompiler {
 public:
  // `root` outlives the nodes.
  JsonSchemaCompiler(const JsonValue& root, bool formats) : root_(root), formats_(formats) {}

  absl::StatusOr<std::vector<SchemaNode>> Compile();

 private:
  using Names = std::vector<std::string>;

  absl::Status ReadDialect();
  // The place of that schema among the nodes; it is read later.
  absl::StatusOr<int> Child(const JsonValue& schema, std::string path);
  absl::Status ReadNode(int place, const JsonValue& schema);
  absl::Status ReadKeyword(SchemaNode& node, const std::string& keyword, const JsonValue& value,
                           const std::string& path);
  absl::Status ReadAssertion(SchemaNode& node, const std::string& keyword, const JsonValue& value,
                             const std::string& path, bool& known);
  absl::Status ReadArrayKeyword(SchemaNode& node, const std::string& keyword,
                                const JsonValue& value, const std::string& path, bool& known);
  absl::Status ReadObjectKeyword(SchemaNode& node, const std::string& keyword,
                                 const JsonValue& value, const std::string& path, bool& known);
  absl::Status ReadApplicator(SchemaNode& node, const std::string& keyword, const JsonValue& value,
                              const std::string& path);
  absl::Status ReadReference(SchemaNode& node, const JsonValue& value, const std::string& path);
  absl::Status ReadChildren(const JsonValue& list, const std::string& path,
                            std::vector<int>& children);
  absl::Status CheckForLoops() const;

  const JsonValue& root_;
  const bool formats_;
  bool draft07_ = false;
  std::vector<SchemaNode> nodes_;
  std::vector<const JsonValue*> sources_;  // of the nodes
  std::unordered_map<const JsonValue*, int> places_;
};

}  // namespace temper::reward
