// One prompt: what is bound, then what is asked.
#include "agents/graph/prompt_file.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agents/graph/object_reader.h"
#include "agents/graph/prompt_template.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/nearest_name.h"
#include "base/utf8.h"

namespace temper::agents {
namespace {

using Kind = PlacedJson::Kind;

constexpr size_t kPromptBytesMax = size_t{1} << 20;
constexpr const char* kExpected =
    "\"$messages\", {\"file\": \"x.prompt\", ...}, {\"text\": \"...\", ...} or {\"messages\": "
    "[...], ...}";

bool IsForm(std::string_view key) { return key == "file" || key == "text" || key == "messages"; }

class Reader {
 public:
  Reader(const PlacedJson& value, const PromptSource& source) : value_(value), source_(source) {}

  Prompt Read() {
    if (value_.is(Kind::kString)) {
      ReadWhole();
    } else if (value_.is(Kind::kObject)) {
      ReadForm();
    } else {
      source_.problems.Add(PlaceOf(value_),
                           absl::StrCat("found ", value_.Shown(), "; expected ", kExpected));
    }
    return Prompt(std::move(bindings_), std::move(body_), Sha256Hex(asked_));
  }

 private:
  void Wrong(const PlacedJson& at, std::string_view what) {
    source_.problems.Add(PlaceOf(at), what);
  }

  // "$messages"
  void ReadWhole() {
    const std::string text = value_.text();
    if (text.empty() || text[0] != '$') {
      return Wrong(value_, absl::StrCat("found ", value_.Shown(), "; expected ", kExpected));
    }
    if (!Bind("prompt", value_)) return;
    bindings_.back().messages = true;
    asked_ = "whole";
    body_->turns.push_back({.binding = 0});
  }

  bool Bind(const std::string& name, const PlacedJson& value) {
    if (!value.is(Kind::kString)) {
      Wrong(value,
            absl::StrCat("found ", value.Shown(), "; expected a reference such as \"$draft\""));
      return false;
    }
    auto reference = ParseReference(value.text(), InsideOf(value));
    if (!reference.ok()) {
      source_.problems.AddOther(
          PlaceOf(value),
          absl::StrCat(source_.problems.path(), ":", std::string(reference.status().message())));
      return false;
    }
    bindings_.push_back({.name = name, .reference = *std::move(reference)});
    return true;
  }

  void ReadForm() {
    const PlacedJson::Member* form = nullptr;
    for (const PlacedJson::Member& member : value_.members) {
      if (IsForm(member.key)) {
        if (form != nullptr) {
          source_.problems.Add({member.line, member.column},
                               absl::StrCat("found \"", member.key, "\" beside \"", form->key,
                                            "\"; expected one of them"));
        }
        form = &member;
      } else if (!IsName(member.key)) {
        source_.problems.Add({member.line, member.column},
                             absl::StrCat("found the name \"", member.key,
                                          "\"; expected a-z, 0-9 and _, a letter first"));
      } else if (!Bind(member.key, member.value)) {
        unread_.push_back(member.key);
      }
    }
    if (form == nullptr) {
      return Wrong(value_, absl::StrCat("found ", value_.Shown(), "; expected ", kExpected));
    }
    listed_ = bindings_.size();
    if (form->key == "messages") ReadMessages(form->value);
    if (form->key == "text") ReadText(form->value);
    if (form->key == "file") ReadFile(form->value);
    TellUnused();
  }

  // The number of the binding; a name that nothing is bound to is told by `wrong`.
  size_t Use(std::string_view name, NameUse use, Place place,
             absl::FunctionRef<void(Place, std::string)> wrong) {
    const auto same = [&](const Prompt::Binding& binding) { return binding.name == name; };
    auto found = std::find_if(bindings_.begin(), bindings_.end(), same);
    if (found == bindings_.end()) {
      const auto& inputs = source_.inputs;
      if (std::find(inputs.begin(), inputs.end(), name) == inputs.end()) {
        const auto& unread = unread_;
        if (std::find(unread.begin(), unread.end(), name) == unread.end())
          TellUnbound(name, place, wrong);
        return 0;
      }
      Reference reference{.text = absl::StrCat("$", std::string(name)), .place = PlaceOf(value_)};
      reference.choices.push_back({.name = std::string(name)});
      bindings_.push_back({.name = std::string(name), .reference = std::move(reference)});
      found = bindings_.end() - 1;
    }
    (use == NameUse::kSection ? found->list
     : use == NameUse::kText  ? found->text
                              : found->messages) = true;
    return found - bindings_.begin();
  }
  void TellUnbound(std::string_view name, Place place,
                   absl::FunctionRef<void(Place, std::string)> wrong) {
    std::vector<std::string> names = source_.inputs;
    for (const Prompt::Binding& binding : bindings_) names.push_back(binding.name);
    wrong(place, absl::StrCat("found \"", std::string(name),
                              "\", which the graph binds to nothing (", source_.problems.path(),
                              ":", value_.line, ":", value_.column, ")", Suggestion(name, names)));
  }
  void TellUnused() {
    for (size_t i = 0; i < listed_; ++i) {
      const Prompt::Binding& binding = bindings_[i];
      if (binding.list || binding.text || binding.messages) continue;
      source_.problems.Add(
          binding.reference.place,
          absl::StrCat("\"", binding.name, "\" is bound to ", binding.reference.text,
                       " but the prompt does not use it; write {{", binding.name,
                       "}} in it, or remove this"));
    }
  }

  void ReadMessages(const PlacedJson& messages) {
    if (!messages.is(Kind::kArray) || messages.elements.empty()) {
      return Wrong(messages, absl::StrCat("found ", messages.Shown(),
                                          "; expected a list of {\"role\", \"content\"} (an input "
                                          "named messages is bound without being listed)"));
    }
    for (const PlacedJson& message : messages.elements) ReadMessage(message);
    asked_ = absl::StrCat(
        "messages",
        messages.Json().dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  }
  void ReadMessage(const PlacedJson& message) {
    const PlacedJson* role = message.Find("role");
    const PlacedJson* content = message.Find("content");
    if (role == nullptr || content == nullptr || !role->is(Kind::kString) ||
        !content->is(Kind::kString) || message.members.size() != 2 || role->text().empty()) {
      return Wrong(message, absl::StrCat("found ", message.Shown(),
                                         "; expected {\"role\": \"user\", \"content\": \"...\"}"));
    }
    const std::string text = content->text();
    PromptTurn turn{.role = role->text()};
    const auto wrong = InText(*content);
    const auto use = [&](std::string_view name, NameUse how, Place place) {
      return Use(name, how, place, wrong);
    };
    turn.pieces = PromptTemplate(text, use, wrong).Pieces();
    body_->turns.push_back(std::move(turn));
  }

  void ReadText(const PlacedJson& text) {
    if (!text.is(Kind::kString)) {
      return Wrong(text, absl::StrCat("found ", text.Shown(), "; expected the prompt's text"));
    }
    ReadTurns(text.text(), text, InText(text));
  }

  void ReadFile(const PlacedJson& name) {
    if (!name.is(Kind::kString) || name.text().empty()) {
      return Wrong(name, absl::StrCat("found ", name.Shown(), "; expected a file's path"));
    }
    const std::string path = JoinPath(source_.folder, name.text());
    auto text = source_.read(path);
    if (!text.ok()) {
      return Wrong(name, absl::StrCat("the prompt file cannot be read: ",
                                      std::string(text.status().message())));
    }
    if (text->size() > kPromptBytesMax) {
      return Wrong(name, absl::StrCat("found ", text->size(), " bytes in ", path,
                                      "; expected at most ", kPromptBytesMax));
    }
    if (ValidUtf8(*text) != *text || absl::StrContains(*text, '\0')) {
      return Wrong(name, absl::StrCat(path, " is not UTF-8 text"));
    }
    const auto wrong = [&](Place place, std::string what) {
      source_.problems.AddOther(PlaceOf(name),
                                absl::StrCat(path, ":", place.line, ":", place.column, ": ", what));
    };
    ReadTurns(*text, name, wrong);
  }

  void ReadTurns(const std::string& text, const PlacedJson& at,
                 absl::FunctionRef<void(Place, std::string)> wrong) {
    const auto use = [&](std::string_view name, NameUse how, Place place) {
      return Use(name, how, place, wrong);
    };
    body_->turns = PromptTemplate(text, use, wrong).Turns();
    if (body_->turns.empty()) Wrong(at, "the prompt asks nothing: it has no text");
    asked_ = absl::StrCat("text", text);
  }

  // Places in a JSON string are those of its decoded text: only the line is worth telling.
  std::function<void(Place, std::string)> InText(const PlacedJson& at) {
    return [this, &at](Place place, std::string what) {
      Wrong(at,
            place.line == 1 ? what : absl::StrCat(what, " (line ", place.line, " of the text)"));
    };
  }

  const PlacedJson& value_;
  const PromptSource& source_;
  std::vector<Prompt::Binding> bindings_;
  std::vector<std::string> unread_;  // names whose references were refused
  size_t listed_ = 0;                // bindings that the graph lists; the others are inputs
  std::shared_ptr<Prompt::Body> body_ = std::make_shared<Prompt::Body>();
  std::string asked_;
};

}  // namespace

Prompt ReadPrompt(const PlacedJson& value, const PromptSource& source) {
  return Reader(value, source).Read();
}

}  // namespace temper::agents
