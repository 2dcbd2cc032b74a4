// Walks over the members of the outermost object.
#include "policy/model/folder/config_text.h"

#include <algorithm>
#include <optional>

namespace temper::model {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

struct Member {
  size_t begin = 0, value = 0, end = 0;  // of the key's quote, the value, and behind the value
};

size_t SkipSpace(std::string_view json, size_t at) {
  return std::min(json.find_first_not_of(kSpace, at), json.size());
}

// Behind the text whose quote stands at `at`.
size_t SkipText(std::string_view json, size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return std::min(at + 1, json.size());
}

size_t SkipValue(std::string_view json, size_t at) {
  int depth = 0;
  while (at < json.size()) {
    const char c = json[at];
    if (depth == 0 && (c == ',' || c == '}' || kSpace.find(c) != std::string_view::npos)) break;
    if (c == '"') {
      at = SkipText(json, at);
    } else {
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at;
    }
    if (depth == 0 && (c == '"' || c == '}' || c == ']')) break;
  }
  return at;
}

std::optional<Member> Find(std::string_view json, std::string_view key) {
  size_t at = SkipSpace(json, std::min(json.find('{'), json.size() - 1) + 1);
  while (at < json.size() && json[at] == '"') {
    Member member{.begin = at};
    const size_t key_end = SkipText(json, at);
    member.value = SkipSpace(json, SkipSpace(json, key_end) + 1);  // behind the colon
    member.end = SkipValue(json, member.value);
    if (json.substr(at + 1, key_end - at - 2) == key) return member;
    at = SkipSpace(json, member.end);
    if (at < json.size() && json[at] == ',') at = SkipSpace(json, at + 1);
  }
  return std::nullopt;
}

}  // namespace

bool HasMember(std::string_view json, std::string_view key) { return Find(json, key).has_value(); }

std::string WithoutMember(std::string_view json, std::string_view key) {
  const auto member = Find(json, key);
  std::string text(json);
  if (!member.has_value()) return text;
  size_t begin = member->begin, end = member->end;
  const size_t next = SkipSpace(json, end);
  if (next < json.size() && json[next] == ',') {
    end = SkipSpace(json, next + 1);  // up to the next key
  } else {
    const size_t before = json.find_last_not_of(kSpace, begin - 1);
    begin = json[before] == ',' ? before : before + 1;  // the last member: with the comma before
  }
  return text.erase(begin, end - begin);
}

std::string WithMemberSet(std::string_view json, std::string_view key, std::string_view value) {
  const auto member = Find(json, key);
  std::string text(json);
  if (member.has_value()) text.replace(member->value, member->end - member->value, value);
  return text;
}

std::string WithMember(std::string_view json, std::string_view key, std::string_view value) {
  if (HasMember(json, key)) return WithMemberSet(json, key, value);
  const size_t inside = json.find('{') + 1;
  const size_t next = SkipSpace(json, inside);
  const std::string_view space = json.substr(inside, next - inside);
  const bool alone = next < json.size() && json[next] == '}';
  std::string text(json.substr(0, inside));
  text.append(space).append("\"").append(key).append("\": ").append(value);
  if (!alone) text.append(",").append(space.empty() ? " " : space);
  return text.append(json.substr(alone ? inside : next));
}

}  // namespace temper::model
