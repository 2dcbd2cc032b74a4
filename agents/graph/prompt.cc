// Fills in; the template was checked when it was read.
#include "agents/graph/prompt.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/graph/prompt_body.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using nlohmann::ordered_json;
using Kind = PromptPiece::Kind;

// Nested sections multiply.
constexpr size_t kTurnBytesMax = size_t{64} << 20;

size_t TextBytes(const std::vector<PromptPiece>& pieces) {
  size_t bytes = 0;
  for (const PromptPiece& piece : pieces) bytes += piece.text.size() + TextBytes(piece.inside);
  return bytes;
}

// The element of the innermost section.
struct Element {
  const std::string* text = nullptr;
  size_t number = 0;
};

class Rendering {
 public:
  Rendering(const std::vector<Prompt::Binding>& bindings, const PromptScope& scope)
      : bindings_(bindings) {
    for (const Prompt::Binding& binding : bindings) values_.push_back(scope.Get(binding.reference));
  }

  absl::Status Add(const PromptTurn& turn, ordered_json& messages) {
    if (turn.role.empty()) return AddConversation(turn.binding, messages);
    std::string content;
    TEMPER_RETURN_IF_ERROR(Append(turn.pieces, Element(), content));
    messages.push_back({{"role", turn.role}, {"content", std::move(content)}});
    return absl::OkStatus();
  }

 private:
  absl::Status AddConversation(size_t binding, ordered_json& messages) {
    const auto& value = values_[binding].value;
    if (const auto* text = std::get_if<std::string>(&value)) {
      messages.push_back({{"role", "user"}, {"content", *text}});
    } else if (const auto* conversation = std::get_if<ordered_json>(&value)) {
      if (!conversation->is_array()) return NotAsked(binding, "a conversation");
      for (const ordered_json& message : *conversation) messages.push_back(message);
    } else if (std::holds_alternative<std::vector<std::string>>(value)) {
      return NotAsked(binding, "one conversation or one text");
    }
    return absl::OkStatus();
  }

  absl::Status Append(const std::vector<PromptPiece>& pieces, Element element, std::string& to) {
    for (const PromptPiece& piece : pieces) {
      if (piece.kind == Kind::kText) to += piece.text;
      if (piece.kind == Kind::kElement) to += *element.text;
      if (piece.kind == Kind::kNumber) absl::StrAppend(&to, element.number);
      if (piece.kind == Kind::kValue) TEMPER_RETURN_IF_ERROR(AppendValue(piece.binding, to));
      if (piece.kind == Kind::kSection) TEMPER_RETURN_IF_ERROR(AppendSection(piece, to));
      if (to.size() > kTurnBytesMax) {
        return absl::InvalidArgumentError(absl::StrCat(
            "a turn of the prompt has over ", kTurnBytesMax, " bytes; shorten what ", "is put in"));
      }
    }
    return absl::OkStatus();
  }
  absl::Status AppendValue(size_t binding, std::string& to) {
    const auto& value = values_[binding].value;
    if (const auto* text = std::get_if<std::string>(&value)) to += *text;
    if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
      for (size_t i = 0; i < list->size(); ++i)
        absl::StrAppend(&to, i > 0 ? "\n\n" : "", (*list)[i]);
    }
    if (std::holds_alternative<ordered_json>(value)) return NotAsked(binding, "a text");
    return absl::OkStatus();
  }
  absl::Status AppendSection(const PromptPiece& section, std::string& to) {
    const auto& value = values_[section.binding].value;
    if (const auto* text = std::get_if<std::string>(&value)) {
      return Append(section.inside, {text, 1}, to);
    }
    if (std::holds_alternative<ordered_json>(value)) return NotAsked(section.binding, "texts");
    if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
      for (size_t i = 0; i < list->size(); ++i) {
        TEMPER_RETURN_IF_ERROR(Append(section.inside, {&(*list)[i], i + 1}, to));
      }
    }
    return absl::OkStatus();
  }

  absl::Status NotAsked(size_t binding, const char* expected) const {
    const auto& value = values_[binding].value;
    const char* found = std::holds_alternative<ordered_json>(value) ? "a conversation" : "a list";
    return absl::InvalidArgumentError(absl::StrCat("the prompt's \"", bindings_[binding].name,
                                                   "\" (", bindings_[binding].reference.text,
                                                   ") is ", found, "; expected ", expected));
  }

  const std::vector<Prompt::Binding>& bindings_;
  std::vector<PromptValue> values_;
};

}  // namespace

Prompt::Prompt(std::vector<Binding> bindings, std::shared_ptr<const Body> body, std::string digest)
    : bindings_(std::move(bindings)), body_(std::move(body)), digest_(std::move(digest)) {}

size_t Prompt::text_bytes() const {
  size_t bytes = 0;
  if (body_ == nullptr) return bytes;
  for (const PromptTurn& turn : body_->turns) bytes += TextBytes(turn.pieces);
  return bytes;
}

absl::StatusOr<ordered_json> Prompt::Render(const PromptScope& scope) const {
  TEMPER_CHECK(body_ != nullptr);
  Rendering rendering(bindings_, scope);
  ordered_json messages = ordered_json::array();
  for (const PromptTurn& turn : body_->turns) {
    TEMPER_RETURN_IF_ERROR(rendering.Add(turn, messages));
  }
  return messages;
}

}  // namespace temper::agents
