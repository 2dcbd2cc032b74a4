// IFEval (arXiv 2311.07911): content, format, combinations, start and end. The published checkers
// are regular expressions; these scanners find what those find, in one pass.
#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "reward/instruction/instruction.h"
#include "reward/instruction/keyword_pattern.h"
#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

using View = std::u32string_view;
constexpr size_t kNone = View::npos;

size_t LineEnd(View text, size_t at) { return std::min(text.find(U'\n', at), text.size()); }

// \[.*?\]
size_t CountPlaceholders(View text) {
  size_t count = 0;
  for (size_t open = text.find(U'['); open != kNone;) {
    const size_t end = text.find_first_of(U"]\n", open + 1);
    if (end == kNone) break;
    if (text[end] == U']') ++count;
    open = text.find(U'[', end + 1);
  }
  return count;
}

CheckOr MakePlaceholders(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double least, arguments.Number("num_placeholders"));
  return [=](View text) { return static_cast<double>(CountPlaceholders(text)) >= least; };
}

// p\.\s?p\.\s?s and p\.\s?s\. in lower case, anywhere.
bool HasLetters(View text, std::initializer_list<View> pieces) {
  const std::u32string lowered = Lowered(text);
  const View whole(lowered);
  for (size_t at = whole.find(*pieces.begin()); at != kNone;
       at = whole.find(*pieces.begin(), at + 1)) {
    size_t end = at;
    bool all = true;
    for (const View piece : pieces) {
      if (end > at && end < whole.size() && IsSpace(whole[end])) ++end;
      all = all && whole.substr(end, piece.size()) == piece;
      end += piece.size();
    }
    if (all) return true;
  }
  return false;
}

CheckOr MakePostscript(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const std::u32string given, arguments.Points("postscript_marker"));
  const std::u32string marker(Stripped(given));
  if (marker == U"P.P.S") return [](View text) { return HasLetters(text, {U"p.", U"p.", U"s"}); };
  if (marker == U"P.S.") return [](View text) { return HasLetters(text, {U"p.", U"s."}); };
  TEMPER_ASSIGN_OR_RETURN(
      const KeywordPattern pattern,
      KeywordPattern::Create(Encoded(Lowered(marker)), {}, arguments.PlaceOf("postscript_marker")));
  return [pattern](View text) { return pattern.IsIn(text); };
}

// ^\s*\*[^\*].*$ and ^\s*-.*$, where \s also takes line ends.
size_t CountBullets(View text, char32_t mark) {
  size_t count = 0;
  size_t line = 0;
  while (line < text.size()) {
    size_t at = line;
    while (at < text.size() && IsSpace(text[at])) ++at;
    const bool star = mark == U'*';
    const bool bullet = at < text.size() && text[at] == mark &&
                        (!star || (at + 1 < text.size() && text[at + 1] != U'*'));
    if (bullet) ++count;
    // What follows a star is part of it, even a line end.
    const size_t end = LineEnd(text, std::min(bullet ? at + (star ? 2 : 1) : at, text.size()));
    line = end + 1;
  }
  return count;
}

CheckOr MakeBulletLists(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double wanted, arguments.Number("num_bullets"));
  return [=](View text) {
    return static_cast<double>(CountBullets(text, U'*') + CountBullets(text, U'-')) == wanted;
  };
}

CheckOr MakeConstrainedResponse(const Arguments&) {
  return [](View text) {
    for (const View answer : {U"My answer is yes.", U"My answer is no.", U"My answer is maybe."}) {
      if (text.find(answer) != kNone) return true;
    }
    return false;
  };
}

// \*[^\n\*]*\* whose inside is not blank; `stars` on either side: 1 or 2.
size_t CountHighlights(View text, size_t stars) {
  const View mark = View(U"**").substr(0, stars);
  size_t count = 0;
  for (size_t open = text.find(mark); open != kNone;) {
    const size_t inside = open + stars;
    const size_t end = text.find_first_of(U"*\n", inside);
    if (end == kNone) break;
    if (text.substr(end, stars) == mark) {
      if (!Stripped(text.substr(inside, end - inside)).empty()) ++count;
      open = text.find(mark, end + stars);
    } else {
      open = text.find(mark, open + 1);
    }
  }
  return count;
}

CheckOr MakeHighlightedSections(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const double least, arguments.Number("num_highlights"));
  return [=](View text) {
    return static_cast<double>(CountHighlights(text, 1) + CountHighlights(text, 2)) >= least;
  };
}

// Splitter, at most one blank, digits.
size_t CountSections(View text, View splitter) {
  size_t count = 0;
  for (size_t at = text.find(splitter); at != kNone;) {
    size_t end = at + splitter.size();
    if (end < text.size() && IsSpace(text[end])) ++end;
    const size_t digits = end;
    while (end < text.size() && IsDigit(text[end])) ++end;
    if (end > digits) ++count;
    at = text.find(splitter, end > digits ? end : at + 1);
  }
  return count;
}

CheckOr MakeMultipleSections(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const std::u32string given, arguments.Points("section_spliter"));
  TEMPER_ASSIGN_OR_RETURN(const double least, arguments.Number("num_sections"));
  const std::u32string splitter(Stripped(given));
  if (splitter.empty()) return arguments.Wrong("section_spliter", "text that is not blank");
  return [=](View text) { return static_cast<double>(CountSections(text, splitter)) >= least; };
}

bool ConsumeFront(View& text, View front) {
  if (text.substr(0, front.size()) != front) return false;
  text.remove_prefix(front.size());
  return true;
}

CheckOr MakeJsonFormat(const Arguments&) {
  return [](View text) {
    text = Stripped(text);
    for (const View fence : {U"```json", U"```Json", U"```JSON", U"```"}) ConsumeFront(text, fence);
    if (text.size() >= 3 && text.substr(text.size() - 3) == U"```") text.remove_suffix(3);
    // For the parser a NUL is the end.
    return text.find(U'\0') == kNone && nlohmann::json::accept(Encoded(Stripped(text)));
  };
}

// <<[^\n]+>> with something inside.
CheckOr MakeTitle(const Arguments&) {
  return [](View text) {
    for (const View line : SplitAt(text, U"\n")) {
      const size_t open = line.find(U"<<");
      const size_t close = line.rfind(U">>");
      if (open == kNone || close == kNone || close < open + 3) continue;
      const View title = line.substr(open, close + 2 - open);
      if (!Stripped(RightStrippedOf(LeftStrippedOf(title, U"<"), U">")).empty()) return true;
    }
    return false;
  };
}

CheckOr MakeTwoResponses(const Arguments&) {
  return [](View text) {
    const std::vector<View> pieces = SplitAt(text, U"******");
    std::vector<View> responses;
    for (size_t i = 0; i < pieces.size(); ++i) {
      const View response = Stripped(pieces[i]);
      if (!response.empty()) {
        responses.push_back(response);
      } else if (i > 0 && i + 1 < pieces.size()) {
        return false;
      }
    }
    return responses.size() == 2 && responses[0] != responses[1];
  };
}

CheckOr MakeRepeatPrompt(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const std::u32string given, arguments.Points("prompt_to_repeat"));
  const std::u32string prompt = Lowered(Stripped(given));
  if (prompt.empty()) return arguments.Wrong("prompt_to_repeat", "text that is not blank");
  return [=](View text) { return Lowered(Stripped(text).substr(0, prompt.size())) == prompt; };
}

CheckOr MakeEndChecker(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const std::u32string given, arguments.Points("end_phrase"));
  const std::u32string phrase = Lowered(Stripped(given));
  return [=](View text) {
    text = StrippedOf(Stripped(text), U"\"");
    return text.size() >= phrase.size() &&
           Lowered(text.substr(text.size() - phrase.size())) == phrase;
  };
}

CheckOr MakeQuotation(const Arguments&) {
  return [](View text) {
    text = Stripped(text);
    return text.size() > 1 && text.front() == U'"' && text.back() == U'"';
  };
}

constexpr InstructionEntry kTable[] = {
    {"detectable_content:number_placeholders", MakePlaceholders},
    {"detectable_content:postscript", MakePostscript},
    {"detectable_format:number_bullet_lists", MakeBulletLists},
    {"detectable_format:constrained_response", MakeConstrainedResponse},
    {"detectable_format:number_highlighted_sections", MakeHighlightedSections},
    {"detectable_format:multiple_sections", MakeMultipleSections},
    {"detectable_format:json_format", MakeJsonFormat},
    {"detectable_format:title", MakeTitle},
    {"combination:two_responses", MakeTwoResponses},
    {"combination:repeat_prompt", MakeRepeatPrompt},
    {"startend:end_checker", MakeEndChecker},
    {"startend:quotation", MakeQuotation},
};

}  // namespace

std::span<const InstructionEntry> IfevalFormatInstructions() { return kTable; }

}  // namespace temper::reward
