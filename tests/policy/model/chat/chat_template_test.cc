// Every template of the families renders as in transformers; folders, thinking, and guarded tokens.
#include "policy/model/chat/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/json_text.h"
#include "policy/model/chat/chat_prompt.h"
#include "policy/model/chat/thinking.h"

namespace temper::model {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kGolden = TEMPER_TEST_DATA "/golden/chat/";

std::string FileText(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? *text : "";
}

ChatTemplate TemplateOf(const std::string& source) {
  absl::StatusOr<ChatTemplate> chat =
      ChatTemplate::Parse(source, "t", {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
  EXPECT_TRUE(chat.ok()) << chat.status();
  return *std::move(chat);
}

std::string RenderedText(const ChatTemplate& chat, const ChatInput& input) {
  const absl::StatusOr<RenderedChat> rendered = chat.Render(input);
  return rendered.ok() ? rendered->text : "error: " + std::string(rendered.status().message());
}

class GoldenChatTest : public testing::TestWithParam<const char*> {};

TEST_P(GoldenChatTest, RendersAsTransformersDoes) {
  const std::string file = std::string(GetParam()) + ".jinja";
  const ChatTemplate chat = TemplateOf(FileText(kGolden + file));
  const Json golden = Json::parse(FileText(kGolden + "conversations.json"));
  const Json& texts = golden["texts"][file];
  int equal = 0;
  int64_t steps_most = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Json& given = golden["inputs"][i];
    const ChatInput input{.messages = given["messages"],
                          .tools = given["tools"],
                          .variables = given["variables"],
                          .add_generation_prompt = given["add_generation_prompt"],
                          .now = absl::FromUnixSeconds(golden["now"].get<int64_t>())};
    const absl::StatusOr<RenderedChat> rendered = chat.Render(input);
    if (texts[i].is_null()) {
      EXPECT_FALSE(rendered.ok()) << file << " " << i << "\n" << rendered->text;
      continue;
    }
    ASSERT_TRUE(rendered.ok()) << file << " " << i << "\n" << rendered.status();
    EXPECT_EQ(rendered->text, texts[i].get<std::string>()) << file << " " << i;
    equal += rendered->text == texts[i].get<std::string>() ? 1 : 0;
    steps_most = std::max(steps_most, rendered->steps);
  }
  EXPECT_GE(equal, 50);
  RecordProperty("steps_most", std::to_string(steps_most));
  EXPECT_LT(steps_most, jinja::Limits().steps / 50);
}

INSTANTIATE_TEST_SUITE_P(Templates, GoldenChatTest,
                         testing::Values("llama31", "llama_nemotron_super", "llama_nemotron_ultra",
                                         "nano_v2", "nemotron35", "nemotron3_nano",
                                         "nemotron_h_reasoning", "qwen25"),
                         [](const auto& name) { return std::string(name.param); });

class ChatFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/chat_folder";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(Dirname(JoinPath(folder_, name)));
    ASSERT_TRUE(WriteFileAtomically(JoinPath(folder_, name), text).ok());
  }
  std::string Hello(const Json& tools = nullptr) {
    const absl::StatusOr<ChatTemplate> chat = ChatTemplate::Read(folder_);
    if (!chat.ok()) return "error: " + std::string(chat.status().message());
    return RenderedText(*chat,
                        {.messages = {{{"role", "user"}, {"content", "hi"}}}, .tools = tools});
  }
  std::string folder_;
};

TEST_F(ChatFolderTest, TheFileWinsOverTheConfig) {
  EXPECT_THAT(Hello(), HasSubstr("no chat template"));
  Write("tokenizer_config.json",
        R"({"bos_token": {"content": "<B>"}, "add_bos_token": true, "chat_template": "config"})");
  EXPECT_EQ(Hello(), "config");
  Write("special_tokens_map.json", R"({"bos_token": "<other>", "eos_token": "<E>"})");
  Write("chat_template.jinja", "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}\n");
  EXPECT_EQ(Hello(), "<B>hi<E>");
}

TEST_F(ChatFolderTest, AFolderMayHaveNoneButNotABrokenOne) {
  const auto none = ChatTemplate::ReadIfAny(folder_);
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_FALSE(none->has_value());
  Write("chat_template.jinja", "{% if %}");
  EXPECT_FALSE(ChatTemplate::ReadIfAny(folder_).ok());
  Write("chat_template.jinja", "x");
  const auto one = ChatTemplate::ReadIfAny(folder_);
  ASSERT_TRUE(one.ok() && one->has_value()) << one.status();
  EXPECT_EQ((*one)->source(), "x");
}

TEST_F(ChatFolderTest, ToolsChooseTheirOwnTemplate) {
  Write("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "plain"},
        {"name": "tool_use", "template": "{{ tools | length }} tools"}]})");
  EXPECT_EQ(Hello(), "plain");
  EXPECT_EQ(Hello({{{"name", "f"}}}), "1 tools");
  Write("chat_template.jinja", "file");
  EXPECT_EQ(Hello({{{"name", "f"}}}), "file");
  Write("additional_chat_templates/tool_use.jinja", "more");
  EXPECT_EQ(Hello({{{"name", "f"}}}), "more");
}

TEST_F(ChatFolderTest, SaysWhatIsWrong) {
  Write("chat_template.jinja", "x\n{% if %}");
  EXPECT_THAT(Hello(), HasSubstr("chat_template.jinja:2:7: found '%}', expected an expression"));
  Write("chat_template.jinja", "\xff");
  EXPECT_THAT(Hello(), HasSubstr("is not valid UTF-8"));
  std::filesystem::remove(JoinPath(folder_, "chat_template.jinja"));
  Write("tokenizer_config.json", R"({"chat_template": [{"name": "rag", "template": "x"}]})");
  EXPECT_THAT(Hello(), HasSubstr("expected one named \"default\""));
  Write("tokenizer_config.json", R"({"chat_template": 3})");
  EXPECT_THAT(Hello(), HasSubstr("expected a text or a list"));
}

TEST(ChatTemplateTest, RefusesWhatIsNoConversation) {
  const ChatTemplate chat = TemplateOf("{{ messages }}");
  EXPECT_THAT(RenderedText(chat, {.messages = Json::array()}), HasSubstr("messages: expected"));
  EXPECT_THAT(RenderedText(chat, {.messages = {"x"}}), HasSubstr("messages[0]: found string"));
  EXPECT_THAT(RenderedText(chat, {.messages = {{{"n", 18446744073709551615u}}}}),
              HasSubstr("messages: found 18446744073709551615"));
  EXPECT_THAT(RenderedText(chat, {.messages = {{{"role", "user"}}}, .tools = "x"}),
              HasSubstr("tools: expected a list"));
}

// The generation prompt of a golden template, with thinking set.
std::string Thinking(const std::string& file, bool on, Json messages) {
  const ChatTemplate chat = TemplateOf(FileText(kGolden + file + ".jinja"));
  ChatInput input{.messages = std::move(messages)};
  const absl::Status status = SetThinking(FindThinkingSwitch(chat.source()), on, input);
  return status.ok() ? RenderedText(chat, input) : "error: " + std::string(status.message());
}

TEST(ThinkingTest, EachFamilyIsToldInItsOwnWay) {
  const Json user = {{{"role", "user"}, {"content", "Hi"}}};
  const Json both = {{{"role", "system"}, {"content", "Be kind."}},
                     {{"role", "user"}, {"content", "Hi"}}};
  EXPECT_THAT(Thinking("nemotron3_nano", true, user), testing::EndsWith("assistant\n<think>\n"));
  EXPECT_THAT(Thinking("nemotron3_nano", false, user),
              testing::EndsWith("assistant\n<think></think>"));
  EXPECT_THAT(Thinking("nemotron_h_reasoning", true, both),
              testing::AllOf(HasSubstr("Be kind. {'reasoning': True}"),
                             testing::EndsWith("Assistant\n<think>\n")));
  EXPECT_THAT(Thinking("nemotron_h_reasoning", false, user),
              testing::EndsWith("Assistant\n<think></think>"));
  EXPECT_THAT(
      Thinking("llama_nemotron_ultra", false, user),
      testing::AllOf(HasSubstr("detailed thinking off<|eot_id|>"), Not(HasSubstr("thinking on"))));
  EXPECT_THAT(Thinking("llama_nemotron_super", true, both),
              HasSubstr("detailed thinking on\n\nBe kind.<|eot_id|>"));
  EXPECT_THAT(Thinking("qwen25", true, user),
              HasSubstr("error: the chat template shows no switch"));

  const ChatTemplate nano = TemplateOf(FileText(kGolden + "nano_v2.jinja"));
  for (const bool on : {true, false}) {
    ChatInput input{.messages = {{{"role", "user"}, {"content", "Hi /think /no_think"}}}};
    if (on) input.messages[0]["content"] = "Hi /no_think";
    ASSERT_TRUE(SetThinking(ThinkingSwitch::kSlash, on, input).ok());
    EXPECT_THAT(RenderedText(nano, input),
                testing::EndsWith(on ? "Hi\n<SPECIAL_11>Assistant\n<think>\n"
                                     : "<SPECIAL_11>Assistant\n<think></think>"));
  }
  EXPECT_FALSE(ParseThinkingSwitch("maybe").ok());
  EXPECT_TRUE(EndsInThought("a<think>\n"));
  EXPECT_FALSE(EndsInThought("a<think></think>"));
}

TEST(ChatPromptTest, UsersCannotSpellSpecialTokens) {
  const std::string path = TEMPER_TEST_DATA "/golden/tokenizer/tekken.json";
  const auto tokenizer = Tokenizer::Read(path);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const ChatTemplate chat = TemplateOf(
      "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}");
  const absl::StatusOr<RenderedChat> rendered =
      chat.Render({.messages = {{{"role", "user"}, {"content", "a</s>b <s>"}}}});
  ASSERT_TRUE(rendered.ok()) << rendered.status();
  EXPECT_EQ(rendered->text, "<s>a</s>b <s></s>");
  const int32_t begin = (*tokenizer)->TokenId("<s>"), end = (*tokenizer)->TokenId("</s>");
  const std::vector<int32_t> open = EncodeChat(**tokenizer, *rendered, {});
  EXPECT_EQ(std::ranges::count(open, end), 2);
  EXPECT_EQ(std::ranges::count(open, begin), 2);
  const std::vector<int32_t> guarded = EncodeChat(**tokenizer, *rendered, {"</s>", "<s>"});
  EXPECT_EQ(std::ranges::count(guarded, end), 1);
  EXPECT_EQ(std::ranges::count(guarded, begin), 1);
  EXPECT_EQ(guarded.front(), begin);
  EXPECT_EQ(guarded.back(), end);
  EXPECT_EQ((*tokenizer)->Decode(guarded, false), rendered->text);
}

TEST_F(ChatFolderTest, AddedTokensAreReadLongestFirst) {
  Write("tokenizer.json", R"({"added_tokens": [{"content": "<a>"}, {"content": "<longer>"}]})");
  const auto added = ReadAddedTokens(folder_);
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_THAT(*added, testing::ElementsAre("<longer>", "<a>"));
}

}  // namespace
}  // namespace temper::model
