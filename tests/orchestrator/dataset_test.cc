#include "orchestrator/dataset.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/run_files.h"
#include "tests/orchestrator/test_folder.h"

namespace temper::orchestrator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class DatasetTest : public testing::Test {
 protected:
  v1::Dataset Source(std::string_view text) {
    v1::Dataset source;
    source.set_path(folder_.Write("rows.jsonl", text));
    return source;
  }
  absl::Status StatusOf(std::string_view text, RowKind kind = RowKind::kProblem) {
    return Dataset::Open(Source(text), kind).status();
  }

  TestFolder folder_;
};

TEST_F(DatasetTest, ReadsRowsInAnyOrderWithTheirMetadata) {
  const auto dataset =
      Dataset::Open(Source("{\"prompt\": \"1+1\", \"answer\": 2, \"level\": \"easy\"}\r\n\n"
                           "{\"prompt\": \"2+2\", \"answer\": \"4\", \"id\": \"sum\"}"),
                    RowKind::kProblem);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  ASSERT_EQ((*dataset)->size(), 2);
  const Row second = *(*dataset)->Read(1);
  EXPECT_EQ(second.id, "sum");
  EXPECT_EQ(second.prompt, "2+2");
  EXPECT_EQ(second.answer, "4");
  EXPECT_EQ(second.metadata_json, "{}");
  const Row first = *(*dataset)->Read(0);
  EXPECT_EQ(first.id, "1");  // its line
  EXPECT_EQ(first.answer, "2");
  EXPECT_EQ(first.metadata_json, "{\"level\":\"easy\"}");
}

TEST_F(DatasetTest, MapsForeignKeysAndAppliesTheTemplate) {
  v1::Dataset source = Source("{\"question\": \"why?\", \"solution\": \"so\", \"prompt\": 7}\n");
  (*source.mutable_fields())["prompt"] = "question";
  (*source.mutable_fields())["answer"] = "solution";
  source.set_template_("Q: {prompt}\nA:");
  const auto dataset = Dataset::Open(source, RowKind::kProblem);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const Row row = *(*dataset)->Read(0);
  EXPECT_EQ(row.prompt, "Q: why?\nA:");
  EXPECT_EQ(row.answer, "so");
  EXPECT_EQ(row.metadata_json, "{\"prompt\":7}");
}

TEST_F(DatasetTest, AConversationKeepsItsTextForPeopleAndItsMessagesForTheTemplate) {
  v1::Dataset source = Source(
      "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}], \"answer\": \"x\", \"k\": 1}\n"
      "{\"messages\": [{\"role\": \"system\", \"content\": \"s\"}, {\"role\": \"user\", "
      "\"content\": \"u\"}], \"tools\": [{\"name\": \"f\", \"b\": 1, \"a\": 2}], "
      "\"enable_thinking\": false, \"answer\": 1}\n"
      "{\"prompt\": \"p\", \"enable_thinking\": true, \"answer\": 1}\n"
      "{\"prompt\": \"plain\", \"tools\": 1, \"answer\": 1}\n");
  source.set_template_("<{prompt}>");
  const auto dataset = Dataset::Open(source, RowKind::kProblem);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const Row lone = *(*dataset)->Read(0), chat = *(*dataset)->Read(1), asked = *(*dataset)->Read(2),
            plain = *(*dataset)->Read(3);
  EXPECT_EQ(lone.prompt, "<hi>");
  EXPECT_EQ(lone.chat_json, "{\"messages\":[{\"role\":\"user\",\"content\":\"<hi>\"}]}");
  EXPECT_EQ(lone.metadata_json, "{\"k\":1}");
  EXPECT_EQ(chat.prompt, "<u>");
  EXPECT_EQ(chat.chat_json,
            "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\","
            "\"content\":\"<u>\"}],\"tools\":[{\"name\":\"f\",\"b\":1,\"a\":2}],"
            "\"enable_thinking\":false}");
  EXPECT_EQ(chat.metadata_json, "{}");
  EXPECT_EQ(asked.chat_json,
            "{\"messages\":[{\"role\":\"user\",\"content\":\"<p>\"}],\"enable_thinking\":true}");
  EXPECT_EQ(plain.chat_json, "");
  EXPECT_EQ(plain.metadata_json, "{\"tools\":1,\"prompt\":\"plain\"}");
}

TEST_F(DatasetTest, RefusesConversationsThatCannotBeMeant) {
  const auto message = [&](const std::string& keys, RowKind kind = RowKind::kProblem) {
    return std::string(
        StatusOf("{" + keys + ", \"answer\": 1, \"response\": \"r\"}\n", kind).message());
  };
  const std::string lone = "\"messages\": [{\"role\": \"user\", \"content\": \"u\"}]";
  EXPECT_THAT(message("\"messages\": []"), HasSubstr("at least one message"));
  EXPECT_THAT(message("\"messages\": [\"u\"]"), HasSubstr("something else than"));
  EXPECT_THAT(message(lone + ", \"enable_thinking\": 1"), HasSubstr("neither true nor false"));
  EXPECT_EQ(message(lone + ", \"thinking_budget\": 5"), "");
  EXPECT_THAT(message(lone + ", \"thinking_budget\": 0"), HasSubstr("no whole number from 1"));
  EXPECT_THAT(message(lone + ", \"thinking_budget\": \"5\""), HasSubstr("no whole number from 1"));
  EXPECT_EQ(message(lone, RowKind::kExample), "");
}

TEST_F(DatasetTest, APairHasOneChosenAndOneOrMoreRejectedResponses) {
  const auto dataset =
      Dataset::Open(Source(R"({"prompt": "p", "chosen": "good", "rejected": "bad", "margin": 2}
                {"messages": [{"role": "user", "content": "u"}], "chosen": "good",)"
                           R"( "rejected": ["bad", "worse"]})"),
                    RowKind::kPair);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const Row one = *(*dataset)->Read(0), two = *(*dataset)->Read(1);
  EXPECT_EQ(one.chosen, "good");
  EXPECT_EQ(one.rejected, std::vector<std::string>{"bad"});
  EXPECT_EQ(one.margin, 2.0);
  EXPECT_EQ(one.chat_json, "");
  EXPECT_EQ(two.rejected, (std::vector<std::string>{"bad", "worse"}));
  EXPECT_EQ(two.chat_json, R"({"messages":[{"role":"user","content":"u"}]})");
  const auto message = [&](const std::string& keys, RowKind kind) {
    return std::string(StatusOf("{\"prompt\": \"p\"" + keys + "}\n", kind).message());
  };
  EXPECT_THAT(message("", RowKind::kPair), HasSubstr("rows.jsonl:1: lacks \"chosen\""));
  EXPECT_THAT(message(R"(, "chosen": "a")", RowKind::kPair), HasSubstr("lacks \"rejected\""));
  EXPECT_THAT(message(R"(, "chosen": "a", "rejected": [])", RowKind::kPair),
              HasSubstr("\"rejected\" is an empty list"));
  const std::string pair = R"(, "chosen": "a", "rejected": "b")";
  EXPECT_EQ(message(pair, RowKind::kPair), "");
  EXPECT_THAT(message(pair, RowKind::kScaledPair), HasSubstr("lacks \"margin\""));
  EXPECT_THAT(message(pair + R"(, "margin": 0)", RowKind::kScaledPair),
              HasSubstr("\"margin\" is no number above 0"));
}

TEST_F(DatasetTest, NamesFileAndLineOfWhatIsWrong) {
  const auto message = [&](std::string_view text, RowKind kind = RowKind::kProblem) {
    const absl::Status status = StatusOf(text, kind);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  const std::string good = "{\"prompt\": \"p\", \"answer\": \"a\"}\n";
  EXPECT_THAT(message(good + "{\"prompt\": \n"), HasSubstr("rows.jsonl:2:"));
  EXPECT_THAT(message(good + "[1]\n"), AllOf(HasSubstr("rows.jsonl:2: "), HasSubstr("object")));
  EXPECT_THAT(message(good + "{\"question\": \"q\", \"answer\": \"a\"}\n"),
              AllOf(HasSubstr("rows.jsonl:2: lacks \"prompt\""), HasSubstr("\"question\"")));
  EXPECT_THAT(message("{\"prompt\": \"p\"}\n"), HasSubstr("lacks \"answer\""));
  EXPECT_THAT(message(good, RowKind::kExample), HasSubstr("lacks \"response\""));
  EXPECT_THAT(message("{\"prompt\": 3, \"answer\": \"a\"}\n"), HasSubstr("not a string"));
  EXPECT_THAT(message("{\"prompt\": \"p\", \"prompt\": \"q\", \"answer\": 1}\n"),
              HasSubstr("prompt"));
  EXPECT_THAT(message("{\"prompt\":\"p\",\"answer\":1,\"id\":\"a\"}\n"
                      "{\"prompt\":\"q\",\"answer\":1,\"id\":\"a\"}\n"),
              AllOf(HasSubstr("rows.jsonl:2: id \"a\""), HasSubstr("twice")));
  EXPECT_THAT(message("\n \n"), HasSubstr("holds no lines"));
  EXPECT_THAT(message(""), HasSubstr("holds no lines"));
}

TEST_F(DatasetTest, LimitsToTheFirstProblems) {
  std::string text;
  for (int i = 0; i < 50; ++i) absl::StrAppend(&text, "{\"prompt\":\"", i, "\",\"answer\":1}\n");
  const auto dataset = Dataset::Open(Source(text), RowKind::kProblem, 7);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ((*dataset)->size(), 7);
  EXPECT_EQ((*dataset)->Read(6)->prompt, "6");
}

TEST_F(DatasetTest, NoticesALineThatChangedUnderneath) {
  const v1::Dataset source = Source("{\"prompt\":\"p\",\"answer\":1}\n");
  const auto dataset = Dataset::Open(source, RowKind::kProblem);
  ASSERT_TRUE(dataset.ok());
  FILE* file = fopen(source.path().c_str(), "r+");
  ASSERT_NE(file, nullptr);
  fseek(file, 11, SEEK_SET);
  fputc('q', file);
  fclose(file);
  EXPECT_EQ((*dataset)->Read(0).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(DatasetTest, AResumedRunMustBringTheSameFile) {
  v1::RunSpec spec;
  spec.mutable_rubric()->add_parts()->set_verifier("answer");
  *spec.mutable_dataset() = Source("{\"prompt\":\"p\",\"answer\":1}\n");
  const auto ledger = Ledger::Open(":memory:");
  ASSERT_TRUE(ledger.ok());
  const auto before = OpenRunFiles(spec);
  ASSERT_TRUE(before.ok()) << before.status();
  ASSERT_TRUE(ClaimLedger(**ledger, spec, *before).ok());
  EXPECT_TRUE(ClaimLedger(**ledger, spec, *before).ok());
  Source("{\"prompt\":\"p\",\"answer\":2}\n");
  const auto after = OpenRunFiles(spec);
  ASSERT_TRUE(after.ok());
  const absl::Status status = ClaimLedger(**ledger, spec, *after);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("dataset.path"));
}

}  // namespace
}  // namespace temper::orchestrator
