// Token files: what is read, what is refused and in which words.
#include "base/access/token_file.h"

#include <sys/stat.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kToken[] = "0123456789abcdef0123456789abcdef";

std::string FileOf(const std::string& text, mode_t mode) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/tokens.", getpid());
  EXPECT_TRUE(WriteFileAtomically(path, text).ok());
  EXPECT_EQ(chmod(path.c_str(), mode), 0);
  return path;
}

std::string Refusal(const std::string& text) {
  const auto table = TokenTable::Parse(text, "file");
  EXPECT_FALSE(table.ok()) << text;
  return std::string(table.status().message());
}

TEST(TokenTable, FindsTheCallerOfEachToken) {
  const auto table = TokenTable::Parse(
      absl::StrCat("# who may call\n\nadmin ", kToken, " anna\n  reader\t", kToken, "x\r\n"),
      "file");
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->size(), 2u);
  const auto anna = table->Find(kToken);
  ASSERT_TRUE(anna.has_value());
  EXPECT_EQ(anna->role, v1::ACCESS_ADMIN);
  EXPECT_EQ(anna->name, "anna");
  const auto reader = table->Find(absl::StrCat(kToken, "x"));
  ASSERT_TRUE(reader.has_value());
  EXPECT_EQ(reader->role, v1::ACCESS_READER);
  EXPECT_EQ(reader->name, "");
}

TEST(TokenTable, FindsNothingForWhatIsNearlyAToken) {
  const auto table = TokenTable::Parse(absl::StrCat("worker ", kToken), "file");
  ASSERT_TRUE(table.ok());
  const std::string token = kToken;
  EXPECT_FALSE(table->Find("").has_value());
  EXPECT_FALSE(table->Find(token.substr(1)).has_value());
  EXPECT_FALSE(table->Find(token.substr(0, 31)).has_value());
  EXPECT_FALSE(table->Find(token + token).has_value());
  EXPECT_FALSE(table->Find(token + std::string(1, '\0')).has_value());
  EXPECT_FALSE(table->Find("0123456789ABCDEF0123456789abcdef").has_value());
}

TEST(TokenTable, RefusesBadLinesByNumberAndNeverShowsAToken) {
  EXPECT_THAT(Refusal(""), HasSubstr("no token in it"));
  EXPECT_THAT(Refusal("# nothing\n"), HasSubstr("no token in it"));
  const std::string good = absl::StrCat("admin ", kToken, "\n");
  const std::string bad[] = {
      "admin\n",
      absl::StrCat("root ", kToken, "y\n"),
      absl::StrCat(kToken, "y admin\n"),  // the wrong way round
      "admin short\n",
      absl::StrCat("admin ", std::string(600, 'a'), "\n"),
      absl::StrCat("admin ", kToken, "\"y\n"),
      absl::StrCat("admin ", kToken, "y anna/berta\n"),
      absl::StrCat("admin ", kToken, "y anna berta\n"),
      absl::StrCat("reader ", kToken, "\n"),  // the same again
  };
  for (const std::string& line : bad) {
    const std::string words = Refusal(good + line);
    EXPECT_THAT(words, HasSubstr("file:2: ")) << line;
    EXPECT_THAT(words, Not(HasSubstr(kToken)));
  }
}

TEST(TokenFile, IsRefusedWhenOthersCanReadOrWriteIt) {
  const std::string text = absl::StrCat("admin ", kToken, "\n");
  for (const mode_t mode : {0644, 0640, 0604, 0620, 0602, 0601, 0666}) {
    const std::string path = FileOf(text, mode);
    const auto table = TokenTable::Read(path);
    EXPECT_EQ(table.status().code(), absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(std::string(table.status().message()), HasSubstr("chmod 600 " + path));
    EXPECT_EQ(ReadOwnToken(path).status().code(), absl::StatusCode::kPermissionDenied);
  }
  for (const mode_t mode : {0600, 0400}) EXPECT_TRUE(TokenTable::Read(FileOf(text, mode)).ok());
}

TEST(TokenFile, ThatIsMissingOrNoFileIsRefused) {
  EXPECT_EQ(TokenTable::Read("/no/such/file").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(TokenTable::Read("/dev/null").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(TokenTable::Read(::testing::TempDir()).ok());
}

TEST(OwnToken, IsTheOnlyWordOfItsFile) {
  const auto token = ReadOwnToken(FileOf(absl::StrCat(kToken, "\n"), 0600));
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(*token, kToken);
  for (const std::string& text :
       {std::string(), std::string("short\n"), absl::StrCat("admin ", kToken, "\n")}) {
    const auto refused = ReadOwnToken(FileOf(text, 0600));
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(refused.status().message()), Not(HasSubstr(kToken)));
  }
}

}  // namespace
}  // namespace temper
