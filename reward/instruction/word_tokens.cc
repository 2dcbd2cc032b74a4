// NLTK's Treebank tokenizer: a list of replacements that put blanks between tokens, in its order.
#include <array>
#include <utility>

#include "reward/instruction/sentences.h"
#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

using Points = std::u32string;
using View = std::u32string_view;

bool In(char32_t c, View set) { return set.find(c) != View::npos; }

// Blanks around every character of the set.
Points Padded(View text, View set) {
  Points padded;
  padded.reserve(text.size() + text.size() / 4);
  for (const char32_t c : text) {
    if (In(c, set)) {
      padded.append({U' ', c, U' '});
    } else {
      padded += c;
    }
  }
  return padded;
}

// Blanks around every longest run of `c` that has at least `least` of them.
Points PaddedRuns(View text, char32_t c, size_t least) {
  Points padded;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && text[end] == c) ++end;
    if (end - at >= least && end > at) {
      padded += U' ';
      padded += text.substr(at, end - at);
      padded += U' ';
      at = end;
    } else {
      if (end == at) ++end;
      padded += text.substr(at, end - at);
      at = end;
    }
  }
  return padded;
}

bool StartsWithAnyCase(View text, View lower) {
  if (text.size() < lower.size()) return false;
  for (size_t i = 0; i < lower.size(); ++i) {
    if (ToLower(text[i]) != lower[i]) return false;
  }
  return true;
}

bool EndsWord(View text, size_t at) { return at >= text.size() || !IsWordChar(text[at]); }

Points OpeningQuotes(View text) {
  Points opened = PaddedRuns(Padded(text, U"«“‘„"), U'`', 1);
  if (!opened.empty() && opened[0] == U'"') opened.replace(0, 1, U"``");
  opened = Replaced(opened, U"``", U" `` ");
  Points quoted;
  for (size_t at = 0; at < opened.size(); ++at) {
    quoted += opened[at];
    if (!In(opened[at], U" ([{<")) continue;
    const View rest = View(opened).substr(at + 1);
    const size_t size = rest.substr(0, 1) == U"\"" ? 1 : rest.substr(0, 2) == U"''" ? 2 : 0;
    if (size == 0) continue;
    quoted += U" `` ";
    at += size;
  }
  // An apostrophe before a word, unless it is a clitic.
  constexpr std::array<View, 8> kClitics = {U"re", U"ve", U"ll", U"m", U"t", U"s", U"d", U"n"};
  Points split;
  for (size_t at = 0; at < quoted.size(); ++at) {
    split += quoted[at];
    if (quoted[at] != U'\'' || (at > 0 && IsWordChar(quoted[at - 1])) || EndsWord(quoted, at + 1)) {
      continue;
    }
    const View rest = View(quoted).substr(at + 1);
    bool clitic = false;
    for (const View word : kClitics) {
      clitic = clitic || (StartsWithAnyCase(rest, word) && EndsWord(rest, word.size()));
    }
    if (!clitic) split += U' ';
  }
  return split;
}

// The full stop at the end is a token of its own, and so is what closes behind it.
Points FinalStop(View text) {
  size_t end = text.size();
  while (end > 0 && IsSpace(text[end - 1])) --end;
  size_t stop = end;
  while (stop > 0 && In(text[stop - 1], U"])}>\"'»”’ ")) --stop;
  if (stop < 2 || text[stop - 1] != U'.' || text[stop - 2] == U'.') return Points(text);
  Points split(text.substr(0, stop - 1));
  split += U" . ";
  split += text.substr(stop, end - stop);
  split += U' ';
  return split;
}

// Colons and commas, unless a digit follows.
Points Commas(View text) {
  Points split;
  for (size_t at = 0; at < text.size(); ++at) {
    const char32_t c = text[at];
    if (c != U':' && c != U',') {
      split += c;
    } else if (at + 1 == text.size()) {
      split.append({U' ', c, U' '});
    } else if (IsDigit(text[at + 1])) {
      split += c;
    } else {
      split.append({U' ', c, U' ', text[++at]});
    }
  }
  return split;
}

// "s' " is "s ' ".
Points LooseApostrophes(View text) {
  Points split;
  for (size_t at = 0; at < text.size(); ++at) {
    split += text[at];
    if (text[at] != U'\'' && text.substr(at + 1, 2) == U"' ") {
      split += U" ' ";
      at += 2;
    }
  }
  return split;
}

Points OneBlank(View text) {
  Points joined;
  for (const char32_t c : text) {
    if (!IsSpace(c)) {
      joined += c;
    } else if (joined.empty() || joined.back() != U' ') {
      joined += U' ';
    }
  }
  return joined;
}

// Takes the first of `endings` that stands before a blank from the end of a word.
Points WithoutEndings(View text, std::initializer_list<View> endings) {
  Points split;
  for (size_t at = 0; at < text.size(); ++at) {
    split += text[at];
    if (text[at] == U'\'' || text[at] == U' ') continue;
    for (const View ending : endings) {
      const View rest = text.substr(at + 1, ending.size() + 1);
      if (rest.size() != ending.size() + 1 || rest.back() != U' ' ||
          rest.substr(0, ending.size()) != ending) {
        continue;
      }
      split += U' ';
      split += rest;
      at += rest.size();
      break;
    }
  }
  return split;
}

// "cannot" is "can not".
Points Contractions(View text) {
  constexpr std::pair<View, View> kWords[] = {{U"can", U"not"}, {U"d", U"'ye"},  {U"gim", U"me"},
                                              {U"gon", U"na"},  {U"got", U"ta"}, {U"lem", U"me"},
                                              {U"more", U"'n"}, {U"wan", U"na"}};
  Points split;
  for (size_t at = 0; at < text.size();) {
    const bool begins = (at == 0 || !IsWordChar(text[at - 1])) && IsWordChar(text[at]);
    size_t size = 0;
    if (begins) {
      for (const auto& [first, second] : kWords) {
        if (!StartsWithAnyCase(text.substr(at), first) ||
            !StartsWithAnyCase(text.substr(at + first.size()), second)) {
          continue;
        }
        const size_t end = at + first.size() + second.size();
        const bool whole =
            first == U"wan" ? end < text.size() && IsSpace(text[end]) : EndsWord(text, end);
        if (!whole) continue;
        size = first.size() + second.size();
        split += U' ';
        split += text.substr(at, first.size());
        split += U' ';
        split += text.substr(at + first.size(), second.size());
        split += U' ';
        break;
      }
    }
    if (size == 0) split += text[at++];
    at += size;
  }
  // " 'tis" and " 'twas"
  Points poetic;
  for (size_t at = 0; at < split.size();) {
    const View rest = View(split).substr(at);
    const size_t size = StartsWithAnyCase(rest, U" 'tis") && EndsWord(rest, 5)    ? 5
                        : StartsWithAnyCase(rest, U" 'twas") && EndsWord(rest, 6) ? 6
                                                                                  : 0;
    if (size == 0) {
      poetic += split[at++];
      continue;
    }
    poetic += U' ';
    poetic += rest.substr(1, 2);
    poetic += U' ';
    poetic += rest.substr(3, size - 3);
    poetic += U' ';
    at += size;
  }
  return poetic;
}

Points Spaced(View sentence) {
  Points text = OpeningQuotes(sentence);
  text = Commas(FinalStop(text));
  text = PaddedRuns(text, U'.', 2);
  text = Padded(text, U";@#$%&\u2012\u2013\u2014\u2015");
  text = Padded(text, U"?!");
  text = Padded(LooseApostrophes(text), U"*");
  text = Padded(text, U"][(){}<>");
  text = Replaced(text, U"--", U" -- ");
  text = Padded(U" " + text + U" ", U"»”’");
  text = Replaced(text, U"''", U" '' ");
  text = OneBlank(Replaced(text, U"\"", U" '' "));
  text = WithoutEndings(text, {U"'s", U"'S", U"'m", U"'M", U"'d", U"'D", U"'"});
  text = WithoutEndings(text, {U"'ll", U"'LL", U"'re", U"'RE", U"'ve", U"'VE", U"n't", U"N'T"});
  return Contractions(text);
}

}  // namespace

std::vector<std::u32string> WordTokens(std::u32string_view text) {
  std::vector<std::u32string> tokens;
  for (const View sentence : PunktSentences(text)) {
    const Points spaced = Spaced(sentence);
    for (const View token : SplitAtBlanks(spaced)) tokens.emplace_back(token);
  }
  return tokens;
}

}  // namespace temper::reward
