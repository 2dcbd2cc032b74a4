// Line by line; marks may stand anywhere in a line.
#include "agents/graph/prompt_template.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/trim.h"
#include "base/utf8.h"

namespace temper::agents {
namespace {

using Kind = PromptPiece::Kind;

constexpr size_t kSectionsMax = 2;

bool IsRole(std::string_view text) {
  if (text.empty() || !absl::ascii_islower(text[0])) return false;
  for (const char c : text) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '_' && c != '-') return false;
  }
  return true;
}

// What stands between "<<" and ">>" of a line that is nothing else; "" otherwise.
std::string_view TurnMark(std::string_view line) {
  while (!line.empty() && absl::ascii_isspace(line.back())) line.remove_suffix(1);
  if (line.size() < 5 || line.substr(0, 2) != "<<" || line.substr(line.size() - 2) != ">>") {
    return "";
  }
  const std::string_view inside = line.substr(2, line.size() - 4);
  if (IsRole(inside) || (inside[0] == '$' && IsName(inside.substr(1)))) return inside;
  return "";
}

void CutLastNewline(std::vector<PromptPiece>& pieces) {
  if (pieces.empty() || pieces.back().kind != Kind::kText) return;
  std::string& text = pieces.back().text;
  if (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.empty()) pieces.pop_back();
}

}  // namespace

void PromptTemplate::Add(PromptPiece piece) {
  (open_.empty() ? pieces_ : open_.back().piece.inside).push_back(std::move(piece));
}

void PromptTemplate::AddText(std::string_view text) {
  if (text.empty()) return;
  std::vector<PromptPiece>& to = open_.empty() ? pieces_ : open_.back().piece.inside;
  if (to.empty() || to.back().kind != Kind::kText) to.push_back({});
  to.back().text += text;
}

void PromptTemplate::Open(std::string_view name, Place place) {
  if (open_.size() == kSectionsMax) {
    wrong_(place, absl::StrCat("found a section ", kSectionsMax + 1, " deep; expected at most ",
                               kSectionsMax));
  }
  PromptPiece piece{.kind = Kind::kSection, .binding = binding_(name, NameUse::kSection, place)};
  open_.push_back({std::string(name), place, std::move(piece)});
}

void PromptTemplate::Close(std::string_view name, Place place) {
  if (open_.empty() || open_.back().name != name) {
    const std::string expected = open_.empty()
                                     ? absl::StrCat("{{#", std::string(name), "}} before it")
                                     : absl::StrCat("{{/", open_.back().name, "}}");
    wrong_(place, absl::StrCat("found {{/", std::string(name), "}}; expected ", expected));
    if (open_.empty()) return;
  }
  PromptPiece piece = std::move(open_.back().piece);
  open_.pop_back();
  Add(std::move(piece));
}

void PromptTemplate::Mark(std::string_view mark, Place place) {
  if (mark == "." || mark == "@") {
    if (open_.empty()) {
      wrong_(place, absl::StrCat("found {{", std::string(mark),
                                 "}} outside of a section; expected {{#NAME}} before it"));
      return;
    }
    Add({.kind = mark == "." ? Kind::kElement : Kind::kNumber});
  } else if (mark.substr(0, 1) == "#" && IsName(mark.substr(1))) {
    Open(mark.substr(1), place);
  } else if (mark.substr(0, 1) == "/" && IsName(mark.substr(1))) {
    Close(mark.substr(1), place);
  } else if (IsName(mark)) {
    Add({.kind = Kind::kValue, .binding = binding_(mark, NameUse::kText, place)});
  } else {
    wrong_(place, absl::StrCat("found {{", ValidUtf8(mark.substr(0, 30)),
                               "}}; expected {{NAME}}, {{#NAME}}, {{/NAME}}, {{.}} or {{@}}; "
                               "\"{{{{\" is \"{{\" itself"));
  }
}

bool PromptTemplate::MarkLine(std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t");
  const std::string_view mark = Trimmed(line);
  if (mark.size() < 6 || mark.substr(0, 2) != "{{" || (mark[2] != '#' && mark[2] != '/') ||
      mark.find("}}") != mark.size() - 2 || !IsName(mark.substr(3, mark.size() - 5))) {
    return false;
  }
  Mark(mark.substr(2, mark.size() - 4), {here_.line, static_cast<int>(begin) + 1});
  return true;
}

// With its newline, if it has one.
void PromptTemplate::Line(std::string_view line) {
  if (MarkLine(line)) return;
  size_t at = 0;
  while (true) {
    const size_t mark = line.find("{{", at);
    if (mark == line.npos) return AddText(line.substr(at));
    AddText(line.substr(at, mark - at));
    const Place place{here_.line, static_cast<int>(mark) + 1};
    if (line.substr(mark, 4) == "{{{{") {
      AddText("{{");
      at = mark + 4;
      continue;
    }
    const size_t end = line.find("}}", mark);
    if (end == line.npos) {
      wrong_(place,
             "found \"{{\" that is not closed in its line; expected \"}}\" (\"{{{{\" is "
             "\"{{\" itself)");
      return;
    }
    Mark(line.substr(mark + 2, end - mark - 2), place);
    at = end + 2;
  }
}

void PromptTemplate::End(PromptTurn& turn) {
  for (; !open_.empty(); open_.pop_back()) {
    wrong_(open_.back().place, absl::StrCat("found {{#", open_.back().name,
                                            "}} that is not closed in its turn; expected {{/",
                                            open_.back().name, "}}"));
  }
  CutLastNewline(pieces_);
  turn.pieces = std::exchange(pieces_, {});
}

std::string_view PromptTemplate::NextLine() {
  const size_t newline = rest_.find('\n');
  const std::string_view line = rest_.substr(0, newline == rest_.npos ? rest_.npos : newline + 1);
  rest_.remove_prefix(line.size());
  ++here_.line;
  return line;
}

void PromptTemplate::EndTurn(PromptTurn turn, bool marked, std::vector<PromptTurn>& turns) {
  End(turn);
  const bool conversation = turn.role.empty();
  const bool blank =
      turn.pieces.empty() || (turn.pieces.size() == 1 && turn.pieces[0].kind == Kind::kText &&
                              Trimmed(turn.pieces[0].text).empty());
  if (conversation && !blank) {
    wrong_(here_, "found text after a conversation; expected a line such as <<user>> before it");
  }
  if (conversation) turn.pieces.clear();
  if (marked || !blank) turns.push_back(std::move(turn));
}

std::vector<PromptTurn> PromptTemplate::Turns() {
  std::vector<PromptTurn> turns;
  PromptTurn turn{.role = "user"};
  bool marked = false;  // text before the first mark makes a turn only where there is some
  while (!rest_.empty()) {
    const std::string_view line = NextLine();
    const std::string_view mark = TurnMark(line);
    if (mark.empty()) {
      Line(line);
      continue;
    }
    EndTurn(std::move(turn), marked, turns);
    marked = true;
    turn = PromptTurn();
    if (mark[0] == '$') {
      turn.binding = binding_(mark.substr(1), NameUse::kConversation, {here_.line, 1});
    } else {
      turn.role = std::string(mark);
    }
  }
  EndTurn(std::move(turn), marked, turns);
  return turns;
}

std::vector<PromptPiece> PromptTemplate::Pieces() {
  while (!rest_.empty()) Line(NextLine());
  PromptTurn turn;
  End(turn);
  return std::move(turn.pieces);
}

}  // namespace temper::agents
