// Holds the schemas to their rules: comments everywhere, request and response named after the rpc,
// enums from 0.
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/compiler/importer.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"

namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::SourceLocation;

class Schemas : public ::testing::Test {
 protected:
  Schemas() : importer_(&tree_, nullptr) {
    const std::string root = absl::StrCat(TEMPER_SOURCE_DIR, "/proto");
    tree_.MapPath("", root);
    tree_.MapPath("", "/usr/include");
    for (const auto& entry : std::filesystem::directory_iterator(root + "/temper/v1")) {
      files_.push_back(
          importer_.Import(absl::StrCat("temper/v1/", entry.path().filename().string())));
      EXPECT_NE(files_.back(), nullptr) << entry.path();
    }
  }

  google::protobuf::compiler::DiskSourceTree tree_;
  google::protobuf::compiler::Importer importer_;
  std::vector<const FileDescriptor*> files_;
};

template <class T>
bool HasComment(const T& element) {
  SourceLocation location;
  return element.GetSourceLocation(&location) && location.leading_comments.size() > 3;
}

TEST_F(Schemas, EveryMessageEnumServiceAndRpcIsCommented) {
  ASSERT_GE(files_.size(), 7u);
  for (const FileDescriptor* file : files_) {
    EXPECT_EQ(file->package(), "temper.v1");
    for (int i = 0; i < file->message_type_count(); ++i) {
      EXPECT_TRUE(HasComment(*file->message_type(i))) << file->message_type(i)->full_name();
    }
    for (int i = 0; i < file->enum_type_count(); ++i) {
      EXPECT_TRUE(HasComment(*file->enum_type(i))) << file->enum_type(i)->full_name();
    }
    for (int i = 0; i < file->service_count(); ++i) {
      const ServiceDescriptor& service = *file->service(i);
      EXPECT_TRUE(HasComment(service)) << service.full_name();
      for (int k = 0; k < service.method_count(); ++k) {
        EXPECT_TRUE(HasComment(*service.method(k))) << service.method(k)->full_name();
      }
    }
  }
}

TEST_F(Schemas, ServicesAndRpcsAreNamedByTheRules) {
  int rpcs = 0;
  for (const FileDescriptor* file : files_) {
    for (int i = 0; i < file->service_count(); ++i) {
      const ServiceDescriptor& service = *file->service(i);
      EXPECT_TRUE(absl::EndsWith(service.name(), "Service")) << service.name();
      for (int k = 0; k < service.method_count(); ++k, ++rpcs) {
        const auto& rpc = *service.method(k);
        EXPECT_EQ(rpc.input_type()->name(), rpc.name() + "Request");
        EXPECT_EQ(rpc.output_type()->name(), rpc.name() + "Response");
      }
    }
  }
  EXPECT_GE(rpcs, 12);
}

TEST_F(Schemas, EnumsStartAtUnspecified) {
  for (const FileDescriptor* file : files_) {
    for (int i = 0; i < file->enum_type_count(); ++i) {
      const EnumDescriptor& type = *file->enum_type(i);
      EXPECT_EQ(type.value(0)->number(), 0);
      EXPECT_TRUE(absl::EndsWith(type.value(0)->name(), "_UNSPECIFIED")) << type.full_name();
    }
  }
}

}  // namespace
