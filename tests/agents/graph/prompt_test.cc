// Prompts are read into turns and filled as their header says.
#include "agents/graph/prompt.h"

#include <map>

#include "agents/graph/prompt_file.h"
#include "gmock/gmock.h"
#include "tests/agents/graph/graph_texts.h"

namespace temper::agents {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

class Scope : public PromptScope {
 public:
  PromptValue Get(const Reference& reference) const override {
    const auto value = values.find(reference.choices[0].name);
    return value == values.end() ? PromptValue{} : value->second;
  }

  std::map<std::string, PromptValue> values = {
      {"messages", {ordered_json::parse(R"([{"role": "user", "content": "hi {{answer}}"}])")}},
      {"draft", {std::string("the {{draft}}")}},
      {"notes", {std::vector<std::string>{"one", "two"}}},
  };
};

struct Outcome {
  Prompt prompt;
  std::string problems;
};

Outcome Read(const std::string& json, Files files = {}) {
  const auto value = ParsePlacedJson(json, "graph.json");
  EXPECT_TRUE(value.ok()) << value.status();
  const FileReader read = Reader(std::move(files));
  const std::vector<std::string> inputs = {"messages", "question"};
  Problems problems("graph.json");
  Outcome outcome;
  outcome.prompt =
      ReadPrompt(*value, {.read = read, .folder = "g", .inputs = inputs, .problems = problems});
  outcome.problems = std::string(problems.status().message());
  return outcome;
}

std::string Rendered(const std::string& json, Files files = {}) {
  const Outcome outcome = Read(json, std::move(files));
  EXPECT_EQ(outcome.problems, "");
  if (!outcome.problems.empty()) return "";
  const auto messages = outcome.prompt.Render(Scope());
  EXPECT_TRUE(messages.ok()) << messages.status();
  return messages.ok() ? messages->dump() : "";
}

TEST(PromptTest, PutsAConversationInAsItIs) {
  EXPECT_EQ(Rendered(R"("$messages")"), R"([{"role":"user","content":"hi {{answer}}"}])");
  EXPECT_EQ(Rendered(R"("$draft")"), R"([{"role":"user","content":"the {{draft}}"}])");
}

TEST(PromptTest, ReadsTurnsHolesAndSections) {
  const Files files = {{"g/edit.prompt",
                        "<<system>>\nBe kind.\n\n<<$messages>>\n<<assistant>>\n{{answer}}\n"
                        "<<user>>\nNotes:\n{{#notes}}\n{{@}}. {{.}}\n{{/notes}}\n{{{{end}}\n"}};
  EXPECT_EQ(Rendered(R"({"file": "edit.prompt", "answer": "$draft", "notes": "$notes"})", files),
            R"([{"role":"system","content":"Be kind.\n"},)"
            R"({"role":"user","content":"hi {{answer}}"},)"
            R"({"role":"assistant","content":"the {{draft}}"},)"
            R"({"role":"user","content":"Notes:\n1. one\n2. two\n{{end}}"}])");
}

TEST(PromptTest, JoinsAListAndRepeatsOnOneLine) {
  EXPECT_EQ(Rendered(R"({"text": "{{n}}|{{#n}}[{{.}}]{{/n}}", "n": "$notes"})"),
            R"([{"role":"user","content":"one\n\ntwo|[one][two]"}])");
}

TEST(PromptTest, LeavesOutWhatIsAbsent) {
  EXPECT_EQ(Rendered(R"({"text": "a\n{{#n}}\nNote: {{.}}\n{{/n}}\nb{{n}}", "n": "$nothing"})"),
            R"([{"role":"user","content":"a\nb"}])");
  EXPECT_EQ(Rendered(R"({"text": "{{#n}}one: {{.}}{{/n}}", "n": "$draft"})"),
            R"([{"role":"user","content":"one: the {{draft}}"}])");
}

TEST(PromptTest, TakesMessagesWithAnyRole) {
  EXPECT_EQ(Rendered(R"({"messages": [{"role": "principle", "content": "p"},
                                      {"role": "response_1", "content": "<<user>>\n{{a}}"}],
                         "a": "$draft"})"),
            R"([{"role":"principle","content":"p"},)"
            R"({"role":"response_1","content":"<<user>>\nthe {{draft}}"}])");
}

TEST(PromptTest, NestsSections) {
  EXPECT_EQ(Rendered(R"({"text": "{{#n}}{{.}}:{{#m}}{{.}}{{@}}{{/m}};{{/n}}", "n": "$notes",
                         "m": "$notes"})"),
            R"([{"role":"user","content":"one:one1two2;two:one1two2;"}])");
}

TEST(PromptTest, RefusesAConversationWhereATextMustStand) {
  const Outcome outcome = Read(R"({"text": "{{messages}}"})");
  EXPECT_EQ(outcome.problems, "");
  const auto messages = outcome.prompt.Render(Scope());
  EXPECT_EQ(messages.status().message(),
            "the prompt's \"messages\" ($messages) is a conversation; expected a text");
}

TEST(PromptTest, TellsWhatIsBoundAndNotUsedAndTheOtherWayRound) {
  EXPECT_EQ(
      Read(R"({"file": "x.prompt", "answer": "$draft"})", {{"g/x.prompt", "A\nB {{anser}}\n"}})
          .problems,
      "g/x.prompt:2:3: found \"anser\", which the graph binds to nothing (graph.json:1:1); did "
      "you mean \"answer\"?\n"
      "graph.json:1:33: \"answer\" is bound to $draft but the prompt does not use it; write "
      "{{answer}} in it, or remove this");
}

TEST(PromptTest, SaysWhatItCannotRead) {
  EXPECT_THAT(Read(R"({"file": "y.prompt"})").problems,
              HasSubstr("graph.json:1:10: the prompt file cannot be read: g/y.prompt"));
  EXPECT_THAT(Read(R"({"text": "a", "file": "b"})").problems, HasSubstr("found \"file\" beside"));
  EXPECT_THAT(Read(R"({"a": "$draft"})").problems, HasSubstr("expected \"$messages\", {\"file\""));
  EXPECT_THAT(Read(R"("messages")").problems, HasSubstr("expected \"$messages\", {\"file\""));
  EXPECT_THAT(Read(R"([1])").problems, HasSubstr("found [1]; expected"));
  EXPECT_THAT(Read(R"({"text": "{{ a }}"})").problems,
              HasSubstr("found {{ a }}; expected {{NAME}}"));
  EXPECT_THAT(Read(R"({"text": "x {{a"})").problems, HasSubstr("is not closed in its line"));
  EXPECT_THAT(Read(R"({"text": "{{#a}}", "a": "$draft"})").problems,
              HasSubstr("found {{#a}} that is not closed in its turn; expected {{/a}}"));
  EXPECT_THAT(Read(R"({"text": "{{/a}}", "a": "$draft"})").problems, HasSubstr("found {{/a}}"));
  EXPECT_THAT(Read(R"({"text": "{{.}}"})").problems, HasSubstr("outside of a section"));
  EXPECT_THAT(Read(R"({"text": "x\ny\n{{b}}"})").problems, HasSubstr("(line 3 of the text)"));
  EXPECT_THAT(Read(R"({"text": ""})").problems, HasSubstr("it has no text"));
  EXPECT_THAT(Read(R"({"messages": [{"role": "user"}]})").problems, HasSubstr("\"content\""));
  EXPECT_THAT(Read(R"({"text": "{{a}}", "a": "draft"})").problems,
              HasSubstr("graph.json:1:25: found \"draft\"; expected a reference"));
  EXPECT_THAT(Read(R"({"file": "x.prompt"})", {{"g/x.prompt", "<<$messages>>\nlost\n"}}).problems,
              HasSubstr("found text after a conversation"));
  EXPECT_THAT(Read(R"({"file": "x.prompt"})", {{"g/x.prompt", "\xff"}}).problems,
              HasSubstr("is not UTF-8 text"));
}

TEST(PromptTest, HasADigestOfWhatIsAsked) {
  const std::string one = Read(R"({"text": "{{a}}", "a": "$draft"})").prompt.digest();
  EXPECT_EQ(one, Read(R"({"text": "{{a}}", "a": "$notes"})").prompt.digest());
  EXPECT_NE(one, Read(R"({"text": "{{a}}!", "a": "$draft"})").prompt.digest());
  EXPECT_NE(one, Read(R"("$draft")").prompt.digest());
}

}  // namespace
}  // namespace temper::agents
