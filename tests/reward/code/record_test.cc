// Records without the nonce, cut, too long or not printable are found out.
#include "reward/code/record.h"

#include <string>

#include "gtest/gtest.h"

namespace temper::reward {
namespace {

const std::string kNonce(kNonceBytes, 'a');

std::string Written(const std::string& nonce, char kind, const std::string& payload) {
  const std::string body = nonce + kind + payload;
  std::string bytes;
  for (size_t i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(body.size() >> (8 * i)));
  return bytes + body;
}

TEST(RecordTest, ReadsRecordsCutAnywhere) {
  RecordReader reader;
  reader.Expect(kNonce);
  const std::string bytes = Written(kNonce, 'R', "[1]") + Written(kNonce, 'E', "");
  std::string seen;
  for (const char byte : bytes) {
    reader.Feed(std::string_view(&byte, 1));
    const auto record = reader.Next();
    ASSERT_TRUE(record.ok());
    if (record->has_value()) seen += (*record)->kind + (*record)->payload + ";";
  }
  EXPECT_EQ(seen, "R[1];E;");
}

TEST(RecordTest, RefusesAnotherNonceForGood) {
  RecordReader reader;
  reader.Expect(kNonce);
  reader.Feed(Written(std::string(kNonceBytes, '0'), 'R', "1") + Written(kNonce, 'R', "1"));
  EXPECT_EQ(reader.Next().status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(reader.Next().status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(RecordTest, RefusesLengthsBeforeItTakesThem) {
  RecordReader longer;
  longer.Expect(kNonce);
  longer.Feed("\xff\xff\xff\xff" + kNonce);
  EXPECT_EQ(longer.Next().status().code(), absl::StatusCode::kResourceExhausted);
  RecordReader shorter;
  shorter.Feed(std::string(4, '\0'));
  EXPECT_EQ(shorter.Next().status().code(), absl::StatusCode::kInvalidArgument);
  RecordReader text;
  text.Feed("All tests passed, and so on, and so on, and so on");
  EXPECT_EQ(text.Next().status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(RecordTest, RefusesWhatIsNotPrintable) {
  RecordReader reader;
  reader.Expect(kNonce);
  reader.Feed(Written(kNonce, 'R', "'\x1b[2J'"));
  EXPECT_FALSE(reader.Next().ok());
}

TEST(RecordTest, NoncesDiffer) {
  EXPECT_EQ(FreshNonce().size(), kNonceBytes);
  EXPECT_NE(FreshNonce(), FreshNonce());
}

}  // namespace
}  // namespace temper::reward
