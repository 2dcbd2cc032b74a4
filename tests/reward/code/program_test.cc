// Which part of a response is the program.
#include "reward/code/program.h"

#include <string>

#include "gtest/gtest.h"

namespace temper::reward {
namespace {

std::string Found(std::string_view response, std::string_view language = "python") {
  return ExtractProgram(response, *FindLanguage(language)).value_or("(none)");
}

TEST(ProgramTest, TakesTheLastBlockOfTheLanguage) {
  EXPECT_EQ(Found("First\n```python\na\n```\nthen\n```python\nb\n```\nDone."), "b\n");
  EXPECT_EQ(Found("```python\na\n```\nOutput:\n```\n42\n```\n"), "a\n");
  EXPECT_EQ(Found("```python\na\n```\n```cpp\nint x;\n```\n"), "a\n");
  EXPECT_EQ(Found("```c++\nint x;\n```\n", "cpp"), "int x;\n");
  EXPECT_EQ(Found("``` Python3 \na\n```"), "a\n");
  EXPECT_EQ(Found("```{.python .numberLines}\na\n```"), "a\n");
}

TEST(ProgramTest, TakesABlockWithoutATag) {
  EXPECT_EQ(Found("```\na\n```\n"), "a\n");
  EXPECT_EQ(Found("~~~\na\n~~~\n"), "a\n");
  EXPECT_EQ(Found("```text\na\n```\n"), "(none)");
  EXPECT_EQ(Found("```js\na\n```\n"), "(none)");
}

TEST(ProgramTest, TakesTheWholeTextWhereThereIsNoFence) {
  EXPECT_EQ(Found("    return x\n"), "    return x\n");
  EXPECT_EQ(Found("s = '```'\n"), "s = '```'\n");
}

TEST(ProgramTest, LeavesThinkingOut) {
  EXPECT_EQ(Found("<think>```python\na\n```</think>\n```python\nb\n```"), "b\n");
  EXPECT_EQ(Found("<think>```python\na\n```</think>no code").find('a'), std::string::npos);
}

TEST(ProgramTest, PrefersBlocksThatClose) {
  EXPECT_EQ(Found("```python\na\n```\n```python\nb\n"), "a\n");
  EXPECT_EQ(Found("```python\nb\n"), "b\n");
}

TEST(ProgramTest, KeepsIndentationAndInnerFences) {
  EXPECT_EQ(Found("````python\nx = '''\n```\n'''\n````\n"), "x = '''\n```\n'''\n");
  EXPECT_EQ(Found("1. So:\n   ```python\n   if x:\n       y\n   ```\n"), "if x:\n    y\n");
}

TEST(ProgramTest, KnowsItsLanguages) {
  EXPECT_EQ(FindLanguage("cobol"), nullptr);
  EXPECT_EQ(FindLanguage("py")->name, "python");
  EXPECT_EQ(LanguageNames(), "\"python\", \"cpp\", \"c\"");
}

}  // namespace
}  // namespace temper::reward
