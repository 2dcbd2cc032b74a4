// What a model is asked: turns with holes, filled from references.
//
// A prompt file is text. A line that is exactly <<system>>, <<user>>, <<assistant>> or <<any-role>>
// begins a turn of that role; the line <<$NAME>> puts in the conversation that NAME is bound to
// (messages as they are; a text becomes one turn of the user). Text before the first such line is a
// turn of the user. In a turn, {{NAME}} is the text that NAME is bound to; of a list, its texts
// with a blank line between them. {{#NAME}}...{{/NAME}} is repeated for each element of a list, in
// index order, with {{.}} its text and {{@}} its number from 1; of one value: once when it is
// present. Lines that hold nothing but a section's mark vanish. The newline at the end of a turn
// does too. "{{{{" is "{{" itself. Whatever is put in is never read again for marks. A turn's role
// is of a-z, 0-9, "_" and "-". Sections may stand in sections, two deep.
//
// In a graph: "$messages" (the value as it is), {"file": "edit.prompt", "NAME": "$ref", ...},
// {"text": "...{{NAME}}...", "NAME": "$ref"} or {"messages": [{"role", "content"}...], "NAME":
// "$ref"}. A graph's inputs are bound under their own names without being listed. A name that is
// bound and not used, or used and not bound, is an error. Pure; any thread.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/graph/reference.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

// What a reference is worth for a prompt.
struct PromptValue {
  // Absent (monostate); one text; a list of texts in index order; a conversation (an array of
  // messages).
  std::variant<std::monostate, std::string, std::vector<std::string>, nlohmann::ordered_json> value;
};

class PromptScope {
 public:
  virtual ~PromptScope() = default;
  virtual PromptValue Get(const Reference& reference) const = 0;
};

class Prompt {
 public:
  struct Binding {
    std::string name;
    Reference reference;
    bool list = false;      // read through a section
    bool messages = false;  // put in as a conversation
    bool text = false;      // put in as text
  };

  // [{"role": ..., "content": ...}, ...]. Absent values leave a section out and are empty text
  // elsewhere. INVALID_ARGUMENT: a conversation where a text must stand.
  absl::StatusOr<nlohmann::ordered_json> Render(const PromptScope& scope) const;

  std::vector<Binding>& bindings() { return bindings_; }
  const std::vector<Binding>& bindings() const { return bindings_; }
  // Bytes of the template's own text: for estimates.
  size_t text_bytes() const;
  // Of everything that decides what is asked but the values: part of a result's identity.
  const std::string& digest() const { return digest_; }

  struct Body;  // prompt_body.h
  // By prompt_file.h, which reads what the comment above says.
  Prompt(std::vector<Binding> bindings, std::shared_ptr<const Body> body, std::string digest);
  Prompt() = default;

 private:
  std::vector<Binding> bindings_;
  std::shared_ptr<const Body> body_;
  std::string digest_;
};

}  // namespace temper::agents
