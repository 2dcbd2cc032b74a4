// The text of a prompt, read into turns and pieces.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "agents/graph/prompt_body.h"
#include "agents/graph/reference.h"

namespace temper::agents {

// How a name is used in a template.
enum class NameUse { kText, kSection, kConversation };

class PromptTemplate {
 public:
  // `binding`: the number of a name's binding; told how the name is used, and where (counted in the
  // text from 1:1). What it does not know is still read. `wrong`: what is not a template.
  using Binding = absl::FunctionRef<size_t(std::string_view name, NameUse use, Place place)>;
  using Wrong = absl::FunctionRef<void(Place place, std::string what)>;

  PromptTemplate(std::string_view text, Binding binding, Wrong wrong)
      : rest_(text), binding_(binding), wrong_(wrong) {}

  // With the lines that begin turns.
  std::vector<PromptTurn> Turns();
  // One turn's content: such lines mean nothing.
  std::vector<PromptPiece> Pieces();

 private:
  struct Section {
    std::string name;
    Place place;
    PromptPiece piece;
  };

  std::string_view NextLine();  // with its newline, if it has one
  void Line(std::string_view line);
  // A line of nothing but one section's mark; true when it was one.
  bool MarkLine(std::string_view line);
  void Mark(std::string_view mark, Place place);
  void Open(std::string_view name, Place place);
  void Close(std::string_view name, Place place);
  void Add(PromptPiece piece);
  void AddText(std::string_view text);
  void End(PromptTurn& turn);
  void EndTurn(PromptTurn turn, bool marked, std::vector<PromptTurn>& turns);

  std::string_view rest_;
  const Binding binding_;
  const Wrong wrong_;
  Place here_{0, 1};  // the line that was read last
  std::vector<PromptPiece> pieces_;
  std::vector<Section> open_;
};

}  // namespace temper::agents
