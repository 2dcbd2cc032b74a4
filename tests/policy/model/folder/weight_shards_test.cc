// Shards are opened as their index says, or refused with every reason.
#include "policy/model/folder/weight_shards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/policy/model/folder/raw_folder.h"

namespace temper::model {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class WeightShardsTest : public RawFolderTest {
 protected:
  std::string Refusal(const std::string& folder) const {
    const auto shards = WeightShards::Open(Path(folder));
    return shards.ok() ? "" : std::string(shards.status().message());
  }
  void PutTwo() const {
    PutShards("m", {{"one.safetensors", {RawBrains("a", {2}, 1), RawBrains("b", {2}, 2)}},
                    {"two.safetensors", {RawBrains("c", {3}, 3)}}});
  }
};

std::string IndexRefusal(const std::string& text) {
  const auto files = ParseShardIndex(text, "index");
  return files.ok() ? "" : std::string(files.status().message());
}

TEST_F(WeightShardsTest, OpensOneFileOrEveryFileOfTheIndex) {
  PutTwo();
  const auto shards = WeightShards::Open(Path("m"));
  ASSERT_TRUE(shards.ok()) << shards.status();
  EXPECT_TRUE(shards->indexed());
  ASSERT_EQ(shards->files().size(), 2u);
  EXPECT_EQ(shards->files()[0].path(), Path("m/one.safetensors"));
  EXPECT_EQ(shards->files()[0].metadata().at("format"), "pt");
  EXPECT_EQ(shards->files()[1].entries()[0].name, "c");
  PutWhole("w", {RawBrains("a", {2}, 1)});
  const auto whole = WeightShards::Open(Path("w"));
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_FALSE(whole->indexed());
}

TEST_F(WeightShardsTest, ATensorThatIsNotWhereTheIndexSaysIsNamedWithBothFiles) {
  PutTwo();
  PutIndex("m", {{"a", "two.safetensors"}, {"c", "two.safetensors"}, {"d", "one.safetensors"}});
  EXPECT_THAT(Refusal("m"),
              AllOf(HasSubstr("m/model.safetensors.index.json: 3 tensor(s) are not where the "
                              "index says: "),
                    HasSubstr("a is listed in two.safetensors, found in one.safetensors"),
                    HasSubstr("d is listed in one.safetensors, found in no file"),
                    HasSubstr("b of one.safetensors is not listed"), Not(HasSubstr("\n"))));
  PutShards("m", {{"one.safetensors", {RawBrains("a", {2}, 1), RawBrains("b", {2}, 2)}},
                  {"two.safetensors", {RawBrains("a", {2}, 1)}}});
  EXPECT_THAT(Refusal("m"), HasSubstr("a is in one.safetensors and in two.safetensors"));
}

TEST_F(WeightShardsTest, AShardThatIsMissingOrCutShortIsNamed) {
  PutTwo();
  fs::resize_file(Path("m/two.safetensors"), fs::file_size(Path("m/two.safetensors")) - 2);
  EXPECT_THAT(Refusal("m"),
              AllOf(HasSubstr("m/two.safetensors: expected "), HasSubstr("the file is truncated")));
  fs::remove(Path("m/two.safetensors"));
  EXPECT_THAT(Refusal("m"), HasSubstr("m/two.safetensors: cannot open: No such file"));
  fs::create_directory(Path("m/two.safetensors"));
  EXPECT_THAT(Refusal("m"), HasSubstr("m/two.safetensors: is not a regular file"));
}

TEST_F(WeightShardsTest, NamesThatLeaveTheFolderAreRefused) {
  for (const char* name : {"../two.safetensors", "/etc/two.safetensors", "..", "sub/x.safetensors",
                           ".hidden.safetensors", "", "a\\b.safetensors", "pytorch_model.bin"}) {
    EXPECT_THAT(IndexRefusal(Json{{"weight_map", {{"x", name}}}}.dump()),
                AllOf(HasSubstr("index: weight_map: \"x\": found \""),
                      HasSubstr("expected the name of a safetensors file in this folder")))
        << name;
  }
  EXPECT_THAT(IndexRefusal(R"({"weight_map": {"x": 5}})"), HasSubstr("\"x\": found 5"));
  EXPECT_THAT(IndexRefusal(R"({"weight_map": {"x": "a\u0000.safetensors"}})"),
              HasSubstr("found \"a\\u0000.safetensors\""));
  EXPECT_THAT(IndexRefusal(R"({"weight_map": []})"),
              HasSubstr("weight_map: expected tensor names"));
  EXPECT_THAT(IndexRefusal(R"({"weight_map": {}})"),
              HasSubstr("weight_map: expected tensor names"));
  EXPECT_THAT(IndexRefusal("[]"), HasSubstr("weight_map: expected tensor names"));
  EXPECT_THAT(IndexRefusal(R"({"weight_map": {"x": "a.safetensors", "x": "b.safetensors"}})"),
              HasSubstr("key \"x\" stands twice"));
  EXPECT_THAT(IndexRefusal(R"({"weight_map": )"), HasSubstr("not valid JSON"));
}

TEST_F(WeightShardsTest, LinksOutOfTheFolderAreRefusedButForTheCacheOfTheHub) {
  Put("elsewhere/x.safetensors", RawFile({RawBrains("a", {2}, 1)}));
  fs::create_directories(Path("m"));
  fs::create_symlink(Path("elsewhere/x.safetensors"), Path("m/model.safetensors"));
  EXPECT_THAT(Refusal("m"), AllOf(HasSubstr("m/model.safetensors: found a symbolic link to "),
                                  HasSubstr("elsewhere/x.safetensors, expected a file")));
  // A link to another file of the same folder stays inside.
  fs::remove(Path("m/model.safetensors"));
  Put("m/real.safetensors", RawFile({RawBrains("a", {2}, 1)}));
  fs::create_symlink("real.safetensors", Path("m/model.safetensors"));
  EXPECT_THAT(Refusal("m"), IsEmpty());
  // models--x/snapshots/REVISION/model.safetensors -> ../../blobs/HASH
  Put("cache/blobs/0123abcd", RawFile({RawBrains("a", {2}, 1)}));
  fs::create_directories(Path("cache/snapshots/revision"));
  fs::create_symlink("../../blobs/0123abcd", Path("cache/snapshots/revision/model.safetensors"));
  EXPECT_THAT(Refusal("cache/snapshots/revision"), IsEmpty());
}

TEST_F(WeightShardsTest, WeightsOfOtherFormatsAreToBeConvertedFirst) {
  for (const char* name : {"model.gguf", "pytorch_model.bin", "model.pt", "model.pkl"}) {
    const std::string folder = std::string("of-") + name;
    Put(folder + "/" + name, "x");
    EXPECT_THAT(Refusal(folder), AllOf(HasSubstr(std::string("found ") + name),
                                       HasSubstr("convert the weights to safetensors first")));
  }
  fs::create_directories(Path("empty"));
  EXPECT_THAT(Refusal("empty"), HasSubstr("found neither model.safetensors nor"));
}

}  // namespace
}  // namespace temper::model
