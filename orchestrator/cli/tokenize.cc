// `temper tokenize`: text to token ids and back, line by line.
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "orchestrator/cli/verbs.h"
#include "policy/model/chat/chat_prompt.h"
#include "policy/model/tokenizer/tokenizer.h"

namespace temper::cli {
namespace {

using nlohmann::json;

struct Choice {
  std::string folder;
  bool decode = false;
  bool as_text = false;
  bool bare = false;
  bool skip_special = false;
  bool chat = false;
  bool content_as_text = false;
  bool json = false;  // changes nothing
};

absl::StatusOr<json> Encoded(const model::Tokenizer& tokenizer, const Choice& choice,
                             const json& line, const std::string& place) {
  const auto text = line.find("text");
  if (text == line.end() || !text->is_string()) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": text: expected {\"text\": \"...\"}"));
  }
  using Special = model::Tokenizer::Special;
  return json{{"tokens", tokenizer.Encode(text->get_ref<const std::string&>(),
                                          choice.as_text ? Special::kAsText : Special::kParse,
                                          /*add_special_tokens=*/!choice.bare)}};
}

absl::StatusOr<json> Decoded(const model::Tokenizer& tokenizer, const Choice& choice,
                             const json& line, const std::string& place) {
  const auto list = line.find("tokens");
  if (list == line.end() || !list->is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat(place, ": tokens: expected {\"tokens\": [1, 2, ...]}"));
  }
  std::vector<int32_t> tokens;
  for (const json& token : *list) {
    const bool known = token.is_number_unsigned() &&
                       token.get<uint64_t>() < static_cast<uint64_t>(tokenizer.vocab_size());
    if (!known) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": tokens[", tokens.size(), "]: found ",
                       token.dump(-1, ' ', false, json::error_handler_t::replace),
                       ", expected an id below ", tokenizer.vocab_size()));
    }
    tokens.push_back(token.get<int32_t>());
  }
  return json{{"text", tokenizer.Decode(tokens, choice.skip_special)}};
}

// What renders conversations, with the tokens that they may not spell.
struct Chat {
  model::ChatTemplate chat;
  std::vector<std::string> guarded;
};

absl::StatusOr<Chat> OpenChat(const Choice& choice) {
  TEMPER_ASSIGN_OR_RETURN(model::ChatTemplate chat, model::ChatTemplate::Read(choice.folder));
  std::vector<std::string> guarded;
  if (choice.content_as_text) {
    TEMPER_ASSIGN_OR_RETURN(guarded, model::ReadAddedTokens(choice.folder));
  }
  return Chat{std::move(chat), std::move(guarded)};
}

absl::StatusOr<json> Chatted(const model::Tokenizer& tokenizer, const Chat& chat,
                             const std::string& text, const std::string& place) {
  TEMPER_ASSIGN_OR_RETURN(model::ChatRequest request, model::ParseChatRequest(text, place));
  request.input.now = SystemClock().Now();
  const absl::StatusOr<model::RenderedChat> made = chat.chat.Render(request.input);
  if (!made.ok()) {
    return absl::Status(made.status().code(),
                        absl::StrCat(place, ": ", std::string(made.status().message())));
  }
  return json{{"text", made->text}, {"tokens", model::EncodeChat(tokenizer, *made, chat.guarded)}};
}

absl::StatusOr<json> Converted(const model::Tokenizer& tokenizer, const Choice& choice,
                               const std::optional<Chat>& chat, const std::string& text,
                               const std::string& place) {
  if (chat.has_value()) return Chatted(tokenizer, *chat, text, place);
  TEMPER_ASSIGN_OR_RETURN(const json line, ParseJson(text, place));
  if (!line.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(place, ": expected an object {...}"));
  }
  return choice.decode ? Decoded(tokenizer, choice, line, place)
                       : Encoded(tokenizer, choice, line, place);
}

absl::Status Convert(const Choice& choice) {
  std::error_code error;
  const std::string path = std::filesystem::is_directory(choice.folder, error)
                               ? JoinPath(choice.folder, "tokenizer.json")
                               : choice.folder;
  std::optional<Chat> chat;
  if (choice.chat) {
    TEMPER_ASSIGN_OR_RETURN(chat, OpenChat(choice));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<model::Tokenizer> tokenizer,
                          model::Tokenizer::Read(path));
  std::string text;
  for (int64_t number = 1; std::getline(std::cin, text); ++number) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    TEMPER_ASSIGN_OR_RETURN(const json result, Converted(*tokenizer, choice, chat, text,
                                                         absl::StrCat("line ", number)));
    // A token may end inside a character: JSON shows U+FFFD there.
    std::printf("%s\n", result.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
    std::fflush(stdout);
  }
  return absl::OkStatus();
}

}  // namespace

void AddTokenize(CLI::App& program, Chosen& chosen) {
  auto choice = std::make_shared<Choice>();
  CLI::App* verb = program.add_subcommand("tokenize",
                                          "Reads JSON lines {\"text\": ...} from stdin, prints "
                                          "{\"tokens\": [...]}; --decode goes back");
  verb->add_option("folder", choice->folder, "A model folder, or a tokenizer.json")->required();
  CLI::Option* decode =
      verb->add_flag("--decode", choice->decode, "Read {\"tokens\": [...]}, print {\"text\": ...}");
  verb->add_flag("--as-text", choice->as_text,
                 "Text that spells a special token stays text, as in prompts of users");
  verb->add_flag("--no-special", choice->bare,
                 "Leave out what the tokenizer puts around a text, such as <s>");
  verb->add_flag("--skip-special", choice->skip_special, "With --decode: leave out special tokens");
  CLI::Option* chat =
      verb->add_flag(
              "--chat", choice->chat,
              "Read {\"messages\": [...], \"tools\": [...], \"add_generation_prompt\": true, "
              "\"enable_thinking\": ...}, print {\"text\": ..., \"tokens\": [...]}")
          ->excludes(decode);
  verb->add_flag("--content-as-text", choice->content_as_text,
                 "With --chat: messages and tools cannot spell special tokens")
      ->needs(chat);
  verb->add_flag("--json", choice->json, "Accepted for likeness: the output is always JSON lines");
  verb->callback([choice, &chosen] { chosen = [choice] { return Report(Convert(*choice)); }; });
}

}  // namespace temper::cli
