// Keys that several kinds of nodes have.
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/graph/node_limits.h"
#include "agents/graph/node_reader.h"
#include "base/file.h"
#include "base/nearest_name.h"
#include "re2/re2.h"

namespace temper::agents {

using Kind = PlacedJson::Kind;

void NodeReader::ReadRole(ObjectReader& reader, Node& node, bool needed) {
  const PlacedJson* value =
      needed ? reader.Need("role", "the name of the role that is called") : reader.Take("role");
  if (value == nullptr) return;
  if (!value->is(Kind::kString)) return reader.WrongType(*value, "role", "the name of a role");
  std::vector<std::string> names;
  for (const Role& role : graph_.roles) {
    if (role.name == value->text()) node.role = static_cast<int>(names.size());
    names.push_back(role.name);
  }
  if (node.role < 0) {
    reader.Wrong(*value, absl::StrCat("found the unknown role \"", value->text(), "\"",
                                      Suggestion(value->text(), names)));
  }
}

void NodeReader::ReadSamples(ObjectReader& reader, Node& node) {
  node.n = reader.Whole("n", 1, kSamplesMax).value_or(1);
  const PlacedJson* need = reader.Take("need");
  node.need = reader.Whole("need", 1, kSamplesMax);
  if (node.need.value_or(1) > node.n) {
    reader.Wrong(*need, absl::StrCat("\"need\": found ", *node.need,
                                     "; expected at most n, which is ", node.n));
  }
  node.enough = reader.AnExpression("enough", node.loop >= 0 ? InLoopBuiltins() : SpentBuiltins());
}

void NodeReader::ReadJudging(ObjectReader& reader, Node& node) {
  node.context = reader.AReference("context");
  node.n = reader.Whole("n", 1, kSamplesMax).value_or(1);
  node.principle = reader.Text("principle").value_or("");
  ReadParse(reader, node);
  ReadPromptOf(reader, node, /*needed=*/false);
}

void NodeReader::ReadPromptOf(ObjectReader& reader, Node& node, bool needed) {
  const PlacedJson* value = needed ? reader.Need("prompt", "what is asked, such as \"$messages\"")
                                   : reader.Take("prompt");
  if (value == nullptr) return;
  const FileReader read = [this](const std::string& path) -> absl::StatusOr<std::string> {
    auto text = files_.read(path);
    if (text.ok()) files_.texts[path] = *text;
    return text;
  };
  node.prompt = ReadPrompt(*value, {.read = read,
                                    .folder = Dirname(files_.open.back()),
                                    .inputs = graph_.inputs,
                                    .problems = problems_});
}

void NodeReader::ReadParse(ObjectReader& reader, Node& node) {
  const PlacedJson* value = reader.Take("parse");
  if (value == nullptr) {
    if (node.role >= 0 && graph_.roles[node.role].kind == RoleKind::kGenRm) {
      node.parse.kind = ParseRule::Kind::kGenRm;
    }
    return;
  }
  if (value->is(Kind::kString)) {
    const auto rule = reader.Word("parse", {"genrm", "genrm_json", "verdict", "rating"});
    if (rule.has_value()) {
      node.parse.kind =
          static_cast<ParseRule::Kind>(static_cast<size_t>(ParseRule::Kind::kGenRm) + *rule);
    }
    return;
  }
  ObjectReader rule(*value, "a rule for parsing", problems_);
  if (const auto pointer = rule.Text("pointer")) {
    node.parse = {.kind = ParseRule::Kind::kPointer, .pattern = *pointer};
    if ((*pointer)[0] != '/') {
      rule.WrongType(*rule.Take("pointer"), "pointer", "a JSON pointer such as \"/score\"");
    }
  }
  Node holder;
  ReadPattern(rule, holder, /*group=*/true);
  if (!holder.pattern.empty()) {
    node.parse = {.kind = ParseRule::Kind::kPattern, .pattern = holder.pattern};
  }
  if (value->is(Kind::kObject) && value->members.size() != 1) {
    rule.Wrong(*value, absl::StrCat("\"parse\": found ", value->Shown(),
                                    "; expected {\"pattern\": ...} or {\"pointer\": ...}"));
  }
  rule.Finish();
}

void NodeReader::ReadPattern(ObjectReader& reader, Node& node, bool group) {
  const PlacedJson* value = reader.Take("pattern");
  const auto pattern = reader.Text("pattern");
  if (!pattern.has_value()) return;
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(1 << 20);
  const RE2 re(*pattern, options);
  if (!re.ok()) {
    return reader.Wrong(*value,
                        absl::StrCat("\"pattern\": not a regular expression (RE2): ", re.error()));
  }
  if (group && re.NumberOfCapturingGroups() != 1) {
    return reader.Wrong(*value, absl::StrCat("\"pattern\": found ", re.NumberOfCapturingGroups(),
                                             " groups; expected one, around what is read"));
  }
  node.pattern = *pattern;
}

void NodeReader::ReadCall(ObjectReader& reader, Node& node) {
  node.command = reader.Texts("command");
  node.url = reader.Text("url").value_or("");
  ReadArguments(reader, node);
  if (const auto effect = reader.Word("effect", {"none", "repeatable", "once"})) {
    node.effect = static_cast<Node::Effect>(*effect);
  }
  node.timeout_seconds = reader.Number("timeout", 0.001, kTimeoutMax).value_or(60);
}

void NodeReader::ReadArguments(ObjectReader& reader, Node& node) {
  const PlacedJson* with = reader.Take("with");
  if (with == nullptr) return;
  if (!with->is(Kind::kObject)) {
    return reader.WrongType(*with, "with", "names and references: {\"messages\": \"$messages\"}");
  }
  ObjectReader arguments(*with, "\"with\"", problems_);
  for (const PlacedJson::Member& member : with->members) {
    if (!IsName(member.key)) {
      problems_.Add({member.line, member.column},
                    absl::StrCat("found the name \"", member.key,
                                 "\"; expected a-z, 0-9 and _, a letter first"));
    }
    if (auto reference = arguments.AReference(member.key)) {
      node.arguments[member.key] = *std::move(reference);
    }
  }
}

}  // namespace temper::agents
