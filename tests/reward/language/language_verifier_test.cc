// Scripts tell most languages apart, CLD2 the rest; short texts are not judged.
#include "reward/language/language_verifier.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

constexpr char kEnglish[] =
    "The train leaves the station at noon, and it reaches the coast before the evening.";
constexpr char kGerman[] =
    "Der Zug verlässt den Bahnhof am Mittag und erreicht die Küste noch vor dem Abend.";
constexpr char kRussian[] =
    "Поезд отправляется со станции в полдень и прибывает к вечеру на берег.";
constexpr char kUkrainian[] =
    "Потяг вирушає зі станції опівдні та прибуває на узбережжя ще до вечора, їй-богу.";
constexpr char kChinese[] =
    "火车中午离开车站，傍晚之前到达海边，我们在那里吃晚饭，然后坐船去岛上。";
constexpr char kJapanese[] =
    "電車は正午に駅を出発し、夕方までに海岸に到着します。私たちはそこで夕食を食べます。";
constexpr char kKorean[] =
    "기차는 정오에 역을 출발하여 저녁 전에 해안에 도착합니다. 우리는 거기서 먹습니다.";

absl::StatusOr<Judgement> Judged(const std::string& settings, const Response& response) {
  temper::v1::LanguageOptions options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(settings, &options));
  const auto verifier = LanguageVerifier::Create(options);
  if (!verifier.ok()) return verifier.status();
  return (*verifier)->Judge(response);
}

std::string Verdict(const std::string& settings, const Response& response) {
  const auto judgement = Judged(settings, response);
  EXPECT_TRUE(judgement.ok()) << judgement.status();
  if (!judgement.ok()) return "";
  if (settings.find("fraction") == std::string::npos) {
    EXPECT_EQ(judgement->score, judgement->verdict == kNotEqual ? 0 : 1);
  }
  return judgement->verdict;
}

std::string Is(const char* code, std::string_view text) {
  return Verdict("language: '" + std::string(code) + "'", {.text = text});
}

TEST(LanguageVerifierTest, TellsLanguagesByTheirScript) {
  EXPECT_EQ(Is("zh", kChinese), "equal");
  EXPECT_EQ(Is("ja", kJapanese), "equal");
  EXPECT_EQ(Is("ko", kKorean), "equal");
  EXPECT_EQ(Is("zh", kJapanese), "not_equal");
  EXPECT_EQ(Is("ja", kChinese), "not_equal");
  EXPECT_EQ(Is("zh", kEnglish), "not_equal");
  EXPECT_EQ(Is("en", kChinese), "not_equal");
  EXPECT_EQ(Is("ru", kEnglish), "not_equal");
  EXPECT_EQ(Is("zh", std::string(kChinese) + kEnglish), "not_equal");
}

TEST(LanguageVerifierTest, TellsLanguagesOfOneScriptByCld2) {
  EXPECT_EQ(Is("en", kEnglish), "equal");
  EXPECT_EQ(Is("de", kGerman), "equal");
  EXPECT_EQ(Is("en", kGerman), "not_equal");
  EXPECT_EQ(Is("de", kEnglish), "not_equal");
  EXPECT_EQ(Is("ru", kRussian), "equal");
  EXPECT_EQ(Is("uk", kUkrainian), "equal");
  EXPECT_EQ(Is("uk", kRussian), "not_equal");
}

TEST(LanguageVerifierTest, LooksOnlyAtProseOfThePartThatIsAskedFor) {
  const std::string code = std::string(kChinese) + "\n```python\n" + kEnglish + "\n```\n";
  EXPECT_EQ(Is("zh", code), "equal");
  EXPECT_EQ(Is("zh", std::string("```\n") + kEnglish), "not_equal") << "a fence left open";
  const std::string thought = std::string("<think>") + kEnglish + "</think>" + kChinese;
  EXPECT_EQ(Is("zh", thought), "equal");
  EXPECT_EQ(Verdict("language: 'zh' part: 'thought'", {.text = thought}), "not_equal");
  EXPECT_EQ(Verdict("language: 'en' part: 'thought'", {.text = thought}), "equal");
  EXPECT_EQ(Verdict("language: 'zh' part: 'response'", {.text = thought}), "not_equal");
}

TEST(LanguageVerifierTest, TakesTheLanguageFromTheProblemOrThePrompt) {
  EXPECT_EQ(Verdict("", {.text = kGerman, .metadata = R"({"language": "de"})"}), "equal");
  EXPECT_EQ(Verdict("", {.text = kEnglish, .metadata = R"({"language": "de"})"}), "not_equal");
  EXPECT_EQ(Verdict("", {.text = kJapanese, .prompt = kJapanese}), "equal");
  EXPECT_EQ(Verdict("", {.text = kEnglish, .prompt = kJapanese}), "not_equal");
  EXPECT_EQ(Verdict("", {.text = kEnglish, .prompt = "1 + 1 = ?"}), "skipped");
}

TEST(LanguageVerifierTest, SkipsWhatIsTooShort) {
  EXPECT_EQ(Is("zh", "42"), "skipped");
  EXPECT_EQ(Is("zh", "The end"), "skipped");
  EXPECT_EQ(Verdict("language: 'zh' letters_min: 3", {.text = "The end"}), "not_equal");
}

TEST(LanguageVerifierTest, PaysByShareWhenAsked) {
  const auto judgement =
      Judged("language: 'zh' fraction: true", {.text = "日本日本日本日本日本abcdefghij"});
  EXPECT_DOUBLE_EQ(judgement->score, 0.5);
}

TEST(LanguageVerifierTest, RefusesLanguagesThatItDoesNotKnow) {
  EXPECT_THAT(Judged("language: 'xx'", {}).status().message(), HasSubstr("found \"xx\", expected"));
  EXPECT_THAT(Judged("", {.metadata = R"({"language": "xx"})"}).status().message(),
              HasSubstr("metadata.language"));
  EXPECT_THAT(Judged("", {.metadata = R"({"language": 5})"}).status().message(),
              HasSubstr("metadata.language"));
  EXPECT_THAT(Judged("share_min: 0", {}).status().message(), HasSubstr("share_min"));
  EXPECT_THAT(Judged("letters_min: 0", {}).status().message(), HasSubstr("letters_min"));
  EXPECT_THAT(Judged("part: 'x'", {}).status().message(), HasSubstr("language.part"));
}

TEST(LanguageVerifierTest, TakesBytesThatAreNoText) {
  EXPECT_EQ(Is("en", std::string(1 << 20, ' ')), "skipped");
  EXPECT_EQ(Is("en", std::string(1000, '\xff')), "skipped");
  EXPECT_EQ(Is("zh", std::string(1 << 20, 'a')), "not_equal");
  EXPECT_EQ(Is("en", std::string(100000, '\0')), "skipped");
}

}  // namespace
}  // namespace temper::reward
