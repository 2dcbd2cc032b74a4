// What is said at once, what is held back, and that all pieces make the same whole.
#include "orchestrator/cli/growing_text.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/rollout/rollout_fixture.h"

namespace temper::cli {
namespace {

// Every way to cut `text` into `pieces` by chance.
std::vector<std::string> Pieces(const std::string& text, std::mt19937& random) {
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size();) {
    const size_t size = 1 + random() % 4;
    pieces.push_back(text.substr(at, size));
    at += size;
  }
  return pieces;
}

std::string Cut(const std::vector<std::string>& pieces, const std::vector<std::string>& stops) {
  StopCutter cutter(stops);
  std::string all;
  for (const std::string& piece : pieces) {
    all += cutter.Append(piece);
    // Nothing that was said may turn out to belong to a stop string.
    for (const std::string& stop : stops) EXPECT_EQ(all.find(stop), std::string::npos);
  }
  return all + cutter.Finish();
}

TEST(StopCutterTest, EndsBeforeTheFirstStopStringHoweverItComes) {
  std::mt19937 random(5);
  for (int turn = 0; turn < 200; ++turn) {
    EXPECT_EQ(Cut(Pieces("one END two", random), {"END"}), "one ");
    EXPECT_EQ(Cut(Pieces("EEENEND", random), {"END"}), "EEEN");
    EXPECT_EQ(Cut(Pieces("only EN", random), {"END"}), "only EN");
    EXPECT_EQ(Cut(Pieces("aXbYc", random), {"Y", "X"}), "a");
    EXPECT_EQ(Cut(Pieces("nothing", random), {}), "nothing");
    EXPECT_EQ(Cut(Pieces("\n\nHuman:", random), {"\n\nHuman:"}), "");
  }
}

TEST(StopCutterTest, HoldsBackOnlyWhatMayBecomeAStopString) {
  StopCutter cutter({"END", "\n\n"});
  EXPECT_EQ(cutter.Append("a E"), "a ");
  EXPECT_EQ(cutter.Append("x"), "Ex");
  EXPECT_EQ(cutter.Append("\n"), "");
  EXPECT_EQ(cutter.Append("b"), "\nb");
  EXPECT_EQ(cutter.found(), std::nullopt);
  EXPECT_EQ(cutter.Append("EN"), "");
  EXPECT_EQ(cutter.Append("D more"), "");
  EXPECT_EQ(cutter.found(), "END");
  EXPECT_EQ(cutter.Append("x"), "");
  EXPECT_EQ(cutter.Finish(), "");
}

TextPiece Split(const std::vector<std::string>& pieces, bool open) {
  ThoughtSplitter splitter(open);
  TextPiece all;
  const auto add = [&](const TextPiece& piece) {
    all.reasoning += piece.reasoning;
    all.text += piece.text;
  };
  for (const std::string& piece : pieces) add(splitter.Append(piece));
  add(splitter.Finish());
  return all;
}

TEST(ThoughtSplitterTest, PartsThoughtFromAnswerHoweverTheyCome) {
  struct Case {
    std::string whole;
    bool open;
    std::string reasoning, text;
  };
  const std::vector<Case> cases = {
      {"I think.\n</think>\n\nYes.\n", true, "I think.", "Yes.\n"},
      {"<think>\nI think. </think>Yes", false, "I think.", "Yes"},
      {" \n<think>a < b </thin> c</think> d", false, "a < b </thin> c", "d"},
      {"<think></think>Yes", false, "", "Yes"},
      {"</think>Yes", true, "", "Yes"},
      {"  Yes <think>no</think>", false, "", "  Yes <think>no</think>"},
      {"<thin", false, "", "<thin"},
      {"never ends </th", true, "never ends </th", ""},
      {"never ends \n", true, "never ends \n", ""},
      {"a</think>b</think>c", true, "a", "b</think>c"},
      {"", true, "", ""}};
  std::mt19937 random(6);
  for (const Case& one : cases) {
    for (int turn = 0; turn < 100; ++turn) {
      const TextPiece parted = Split(Pieces(one.whole, random), one.open);
      EXPECT_EQ(parted.reasoning, one.reasoning) << one.whole;
      EXPECT_EQ(parted.text, one.text) << one.whole;
    }
  }
}

TEST(GrowingTextTest, NoPieceEndsInsideACharacter) {
  const auto tokenizer = rollout::ByteTokenizer();
  GrowingText text(*tokenizer, {.stop = {"€!"}});
  const auto append = [&](char byte) { return text.Append(static_cast<uint8_t>(byte)).text; };
  EXPECT_EQ(append('a'), "a");
  EXPECT_EQ(append('\xC3'), "");
  EXPECT_EQ(append('\xA4'), "ä");
  EXPECT_EQ(append('\xE2'), "");
  EXPECT_EQ(append('\x82'), "");
  EXPECT_EQ(append('\xAC'), "");  // may become the stop string
  EXPECT_EQ(append('?'), "€?");
  EXPECT_EQ(append('\xFF'), "\xEF\xBF\xBD");
  EXPECT_EQ(text.Append(rollout::kEos).text, "");
  EXPECT_EQ(append('\xE2'), "");
  EXPECT_EQ(text.Finish().text, "\xEF\xBF\xBD");
}

TEST(GrowingTextTest, CountsTheTokensOfAThought) {
  const auto tokenizer = rollout::ByteTokenizer();
  GrowingText text(*tokenizer, {.splits_thoughts = true, .in_thought = true});
  int reasoning = 0;
  TextPiece all;
  for (const char byte : std::string("hm</think>ok")) {
    const TextPiece piece = text.Append(static_cast<uint8_t>(byte));
    all.reasoning += piece.reasoning;
    all.text += piece.text;
    reasoning += text.reasoning() ? 1 : 0;
  }
  EXPECT_EQ(all.reasoning, "hm");
  EXPECT_EQ(all.text, "ok");
  EXPECT_EQ(reasoning, 10);
}

}  // namespace
}  // namespace temper::cli
