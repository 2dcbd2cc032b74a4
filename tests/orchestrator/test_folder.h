// A folder of its own for a test, gone when the test ends.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/file.h"

namespace temper::orchestrator {

class TestFolder {
 public:
  TestFolder() {
    const char* root = std::getenv("TMPDIR");
    std::string name = std::string(root == nullptr ? "/tmp" : root) + "/temper_test_XXXXXX";
    TEMPER_CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TestFolder() { RemoveAll(path_).IgnoreError(); }
  TestFolder(const TestFolder&) = delete;

  std::string Path(const std::string& name) const { return JoinPath(path_, name); }
  std::string Write(const std::string& name, std::string_view text) const {
    TEMPER_CHECK(WriteFileAtomically(Path(name), text).ok());
    return Path(name);
  }

 private:
  std::string path_;
};

}  // namespace temper::orchestrator
