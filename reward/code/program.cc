// A fence is a line that begins, after blanks, with three or more backticks or tildes.
#include "reward/code/program.h"

#include <algorithm>
#include <cctype>

#include "reward/answer_extractor.h"

namespace temper::reward {
namespace {

const std::vector<Language>& Languages() {
  static const std::vector<Language>& table = *new std::vector<Language>{
      {"python",
       {"python", "py", "python3"},
       "main.py",
       {},
       "",
       {"/usr/bin/python3", "-s", "-P", "-B", "main.py"}},
      {"cpp",
       {"cpp", "c++", "cc", "cxx"},
       "main.cc",
       {"/usr/bin/g++", "-std=c++20", "-O2", "-pipe", "-o", "main", "main.cc"},
       "main",
       {"/tmp/main"}},
      {"c",
       {"c"},
       "main.c",
       {"/usr/bin/gcc", "-std=c17", "-O2", "-pipe", "-o", "main", "main.c", "-lm"},
       "main",
       {"/tmp/main"}},
  };
  return table;
}

struct Fence {
  char mark = 0;
  size_t length = 0;
  size_t indent = 0;
  std::string tag;  // lower case
};

// Nothing when the line opens or closes no block.
std::optional<Fence> ReadFence(std::string_view line) {
  Fence fence;
  fence.indent = std::min(line.find_first_not_of(" \t"), line.size());
  line.remove_prefix(fence.indent);
  if (line.empty() || (line[0] != '`' && line[0] != '~')) return std::nullopt;
  fence.mark = line[0];
  fence.length = std::min(line.find_first_not_of(fence.mark), line.size());
  if (fence.length < 3) return std::nullopt;
  line.remove_prefix(fence.length);
  const size_t begin = std::min(line.find_first_not_of(" \t{."), line.size());
  line.remove_prefix(begin);
  const size_t end = std::min(line.find_first_of(" \t\r,;:}{"), line.size());
  for (const char c : line.substr(0, end)) {
    fence.tag.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  // Inline code such as ```x``` is no fence.
  if (fence.mark == '`' && line.find('`') != line.npos) return std::nullopt;
  return fence;
}

struct Block {
  std::string tag;
  std::string content;
  bool closed = false;
};

void AppendLine(Block& block, std::string_view line, size_t indent) {
  const size_t blanks = std::min(line.find_first_not_of(" \t"), line.size());
  line.remove_prefix(std::min(indent, blanks));
  block.content.append(line);
  block.content.push_back('\n');
}

std::vector<Block> Blocks(std::string_view text) {
  std::vector<Block> blocks;
  std::optional<Fence> open;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::optional<Fence> fence = ReadFence(line);
    if (!open.has_value()) {
      if (!fence.has_value()) continue;
      open = fence;
      blocks.push_back({fence->tag, "", false});
    } else if (fence.has_value() && fence->tag.empty() && fence->mark == open->mark &&
               fence->length >= open->length) {
      blocks.back().closed = true;
      open.reset();
    } else {
      AppendLine(blocks.back(), line, open->indent);
    }
  }
  return blocks;
}

}  // namespace

const Language* FindLanguage(std::string_view name) {
  for (const Language& language : Languages()) {
    if (std::ranges::find(language.tags, name) != language.tags.end() || language.name == name) {
      return &language;
    }
  }
  return nullptr;
}

std::string LanguageNames() {
  std::string names;
  for (const Language& language : Languages()) {
    if (!names.empty()) names += ", ";
    names += "\"" + std::string(language.name) + "\"";
  }
  return names;
}

std::optional<std::string> ExtractProgram(std::string_view response, const Language& language) {
  const std::string text = WithoutThinking(response);
  const std::vector<Block> blocks = Blocks(text);
  if (blocks.empty()) return text;
  const auto tagged = [&](const Block& block) {
    return std::ranges::find(language.tags, block.tag) != language.tags.end();
  };
  const auto last = [&](auto wanted) -> std::optional<std::string> {
    for (auto block = blocks.rbegin(); block != blocks.rend(); ++block) {
      if (wanted(*block)) return block->content;
    }
    return std::nullopt;
  };
  auto found = last([&](const Block& block) { return block.closed && tagged(block); });
  if (!found) found = last([](const Block& block) { return block.closed && block.tag.empty(); });
  if (!found) {
    found = last(
        [&](const Block& block) { return !block.closed && (block.tag.empty() || tagged(block)); });
  }
  return found;
}

}  // namespace temper::reward
