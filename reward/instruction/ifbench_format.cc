// IFBench (arXiv 2507.02833): constraints on form and punctuation.
#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "base/status_macros.h"
#include "reward/instruction/instruction.h"
#include "reward/instruction/sentences.h"
#include "reward/instruction/word_lists.h"
#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

using Points = std::u32string;
using View = std::u32string_view;

// An interrobang takes one "?" and one "!" away; the marks must all be there without it.
CheckOr MakePunctuation(const Arguments&) {
  return [](View text) {
    size_t pair = text.find(U"?!");
    if (pair == View::npos) pair = text.find(U"!?");
    if (pair == View::npos && text.find(U'\u203D') == View::npos) return false;
    std::set<char32_t> missing = {U'.', U',', U'!', U'?', U';', U':'};
    for (size_t i = 0; i < text.size(); ++i) {
      if (pair != View::npos && (i == pair || i == pair + 1)) continue;
      missing.erase(text[i]);
    }
    return missing.empty();
  };
}

CheckOr MakeParentheses(const Arguments&) {
  return [](View text) {
    constexpr View kOpen = U"([{", kClose = U")]}";
    constexpr size_t kLevels = 5;
    std::vector<size_t> levels;
    size_t deepest = 0;
    for (const char32_t c : text) {
      if (const size_t open = kOpen.find(c); open != View::npos) {
        levels.push_back(open);
        deepest = std::max(deepest, levels.size());
      } else if (const size_t close = kClose.find(c); close != View::npos) {
        if (levels.empty() || levels.back() != close) {
          levels.clear();
          deepest = 0;
          continue;
        }
        levels.pop_back();
        if (deepest >= kLevels) return true;
      }
    }
    return false;
  };
}

CheckOr MakeQuotes(const Arguments&) {
  return [](View text) {
    constexpr size_t kLevels = 3;
    std::vector<char32_t> levels;
    size_t deepest = 0;
    for (const char32_t c : text) {
      if (!levels.empty() && levels.back() == c) {
        levels.pop_back();
        if (deepest - levels.size() >= kLevels) return true;
      } else if (c == U'"' || c == U'\'') {
        levels.push_back(c);
        deepest = std::max(deepest, levels.size());
      }
    }
    return false;
  };
}

// \W*[aA]\W*[bB]\W*[cC] at the start: letters are to be copied exactly.
bool AreLetters(View options) {
  size_t at = 0;
  for (const char32_t letter : {U'a', U'b', U'c'}) {
    while (at < options.size() && !IsWordChar(options[at])) ++at;
    if (at == options.size() || ToLower(options[at]) != letter) return false;
    ++at;
  }
  return true;
}

CheckOr MakeOptions(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Points given, arguments.Points("options"));
  const View separator = given.find(U'/') != Points::npos    ? U"/"
                         : given.find(U"or") != Points::npos ? U"or"
                                                             : U",";
  const bool exact = AreLetters(given);
  std::vector<Points> options;
  for (const View option : SplitAt(given, separator)) {
    options.push_back(exact ? Points(Stripped(option))
                            : Lowered(StrippedOf(Stripped(option), kPunctuationAndBlank)));
  }
  return [=](View text) {
    const Points said = exact ? Points(text) : Lowered(StrippedOf(text, kPunctuationAndBlank));
    return std::find(options.begin(), options.end(), said) != options.end();
  };
}

CheckOr MakeNewline(const Arguments&) {
  return [](View text) {
    const Points plain = WithoutPunctuation(text);
    const std::vector<View> lines = SplitAt(Stripped(plain), U"\n");
    const auto empty = std::count_if(lines.begin(), lines.end(), [](View l) { return l.empty(); });
    return lines.size() - static_cast<size_t>(empty) == SplitAtBlanks(plain).size();
  };
}

// The last character of a sentence, the one before it, or the first of the next sentence.
CheckOr MakeEmoji(const Arguments&) {
  return [](View text) {
    std::vector<Points> plain;
    for (const Points& sentence : SplitIntoSentences(text)) {
      plain.emplace_back(Stripped(WithoutPunctuation(sentence)));
    }
    for (size_t i = 0; i < plain.size(); ++i) {
      const Points& sentence = plain[i];
      if (sentence.empty()) return false;
      const size_t last = sentence.size() - 1;
      if (IsEmoji(sentence[last]) || (last > 0 && IsEmoji(sentence[last - 1]))) continue;
      if (i + 1 == plain.size() || plain[i + 1].empty() || !IsEmoji(plain[i + 1][0])) return false;
    }
    return true;
  };
}

// The published checker takes blank lines out of the list while it walks over it, so that the line
// after each one is passed by, and always takes out the first line of the same blanks.
std::vector<View> WithoutSomeBlankLines(const std::vector<View>& lines) {
  std::vector<bool> taken(lines.size());
  std::map<View, std::deque<size_t>> places;  // of blank lines that are still there
  for (size_t i = 0; i < lines.size(); ++i) {
    if (Stripped(lines[i]).empty()) places[lines[i]].push_back(i);
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!Stripped(lines[i]).empty()) continue;
    std::deque<size_t>& same = places[lines[i]];
    taken[same.front()] = true;
    same.pop_front();
    ++i;
  }
  std::vector<View> left;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!taken[i]) left.push_back(lines[i]);
  }
  return left;
}

CheckOr MakeLineIndent(const Arguments&) {
  return [](View text) {
    const auto indent = [](View line) { return line.size() - LeftStrippedOf(line, U" ").size(); };
    const std::vector<View> lines = WithoutSomeBlankLines(SplitAt(text, U"\n"));
    for (size_t i = 1; i < lines.size(); ++i) {
      if (indent(lines[i]) <= indent(lines[i - 1])) return false;
    }
    return true;
  };
}

CheckOr MakeQuoteUnquote(const Arguments&) {
  return [](View text) {
    Points plain = Replaced(Replaced(text, U"\u201C", U"\""), U"\u201D", U"\"");
    plain = Replaced(plain, U"'\"'", U"");
    Points joined;
    for (const View word : SplitAtBlanks(plain)) joined += word;
    if (joined.find(U"\"\"") != Points::npos) return false;
    const View bare = StrippedOf(joined, U"0123456789!#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
    return bare.empty() || bare.back() != U'"';
  };
}

CheckOr MakeList(const Arguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const Points separator, arguments.Points("sep"));
  return [=](View text) { return SplitAt(text, separator).size() >= 3; };
}

CheckOr MakeThesis(const Arguments&) {
  return [](View text) {
    const auto first_of = [](View where, View first, View second) {
      const size_t at = where.find(first);
      return at == View::npos ? where.find(second) : at;
    };
    const size_t open = first_of(text, U"<i>", U"<em>");
    if (open == View::npos) return false;
    text.remove_prefix(open);
    const size_t close = first_of(text, U"</i>", U"</em>");
    if (close == View::npos) return false;
    const View thesis = close > 3 ? text.substr(3, close - 3) : View();
    return !Stripped(thesis).empty() && !Stripped(text.substr(close + 4)).empty();
  };
}

CheckOr MakeSubBullets(const Arguments&) {
  return [](View text) {
    const std::vector<View> bullets = SplitAt(text, U"*");
    return std::all_of(bullets.begin() + 1, bullets.end(),
                       [](View bullet) { return bullet.find(U'-') != View::npos; });
  };
}

// After an empty line only bullets may come, as the published checker has it.
CheckOr MakeNoBulletsBullets(const Arguments&) {
  return [](View text) {
    bool sentences = true;
    size_t sentence_count = 0;
    size_t bullet_count = 0;
    for (View line : SplitAt(text, U"\n")) {
      line = Stripped(line);
      if (line.substr(0, 1) == U"*") {
        if (sentence_count < 2) return false;
        sentences = false;
        ++bullet_count;
      } else if (sentences) {
        const size_t found = SplitIntoSentences(line).size();
        sentence_count += found;
        sentences = found > 0;
      } else {
        return false;
      }
    }
    return bullet_count >= 2;
  };
}

CheckOr MakeTitleCase(const Arguments&) {
  return [](View text) {
    for (const Points& word : WordTokens(text)) {
      if (!IsAlphabetic(word[0]) || !IsLower(word[0])) continue;
      const View rest = View(word).substr(1);
      if (rest.empty() || IsUpperText(rest) || IsLowerText(rest)) return false;
    }
    return true;
  };
}

CheckOr MakeOutputTemplate(const Arguments&) {
  return [](View text) {
    return text.find(U"My Answer:") != View::npos && text.find(U"My Conclusion:") != View::npos &&
           text.find(U"Future Outlook:") != View::npos;
  };
}

CheckOr MakeNoWhitespace(const Arguments&) {
  return [](View text) { return std::none_of(text.begin(), text.end(), IsSpace); };
}

constexpr InstructionEntry kTable[] = {
    {"count:punctuation", MakePunctuation},
    {"format:parentheses", MakeParentheses},
    {"format:quotes", MakeQuotes},
    {"format:options", MakeOptions},
    {"format:newline", MakeNewline},
    {"format:emoji", MakeEmoji},
    {"format:line_indent", MakeLineIndent},
    {"format:quote_unquote", MakeQuoteUnquote},
    {"format:list", MakeList},
    {"format:thesis", MakeThesis},
    {"format:sub-bullets", MakeSubBullets},
    {"format:no_bullets_bullets", MakeNoBulletsBullets},
    {"format:title_case", MakeTitleCase},
    {"format:output_template", MakeOutputTemplate},
    {"format:no_whitespace", MakeNoWhitespace},
};

}  // namespace

std::span<const InstructionEntry> IfbenchFormatInstructions() { return kTable; }

}  // namespace temper::reward
