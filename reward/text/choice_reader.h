// Reads which of several options a piece of text names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace temper::reward {

// What can be chosen: letters from A on, and what stands behind them where that is known.
struct Choices {
  std::string letters;             // capitals, no one twice
  std::vector<std::string> texts;  // as FoldedChoice() makes them; empty, or one for each letter

  bool Has(char letter) const { return letters.find(letter) != std::string::npos; }
};

struct Choice {
  enum Kind {
    kNothing,    // no option is named
    kLetter,     // exactly one is
    kAmbiguous,  // several are offered, or one is ruled out
  };
  Kind kind = kNothing;
  char letter = 0;
};

// Full-width, circled, Arabic and Bengali option letters become ASCII ones, dashes and quotation
// marks become plain ones.
std::string WithPlainLetters(std::string_view text);

// How two texts of options are compared: no markup, no blanks at the ends and one between words, no
// full stop at the end, ASCII letters in lower case.
std::string FoldedChoice(std::string_view text);

// Reads a text that is meant to be the answer and nothing else: "C", "(C)", "**C)** Paris",
// "Option C", "Paris" (when exactly one option says that). "C or D" is ambiguous; "E. coli" and "I
// cannot say" name no letter. `text` has plain letters. Linear.
Choice ReadChoice(std::string_view text, const Choices& choices);

// The same of a text that goes on after the answer: "C because ...".
Choice ReadChoiceBeforeProse(std::string_view text, const Choices& choices);

}  // namespace temper::reward
