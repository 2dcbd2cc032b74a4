// A tiny model folder with fresh weights, and `temper serve` on it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/file.h"
#include "gtest/gtest.h"
#include "tests/end_to_end/program.h"

namespace temper::end_to_end {

class ServedFolder {
 public:
  static constexpr int kContext = 700;

  explicit ServedFolder(std::string folder) : folder_(std::move(folder)) {
    EXPECT_TRUE(RemoveAll(folder_).ok());
    WriteTinyJob(folder_);
    const auto config = ReadFile(folder_ + "/config.json");
    EXPECT_TRUE(config.ok());
    EXPECT_TRUE(WriteFileAtomically(
                    folder_ + "/config.json",
                    absl::StrReplaceAll(*config, {{"\"eos_token_id\"",
                                                   absl::StrCat("\"max_position_embeddings\": ",
                                                                kContext, ", \"eos_token_id\"")}}))
                    .ok());
    const Outcome made = Temper({"init", folder_ + "/config.json", model(), "--seed", "5"});
    EXPECT_EQ(made.exit_code, 0) << made.errors;
  }
  ~ServedFolder() {
    server_.reset();
    EXPECT_TRUE(RemoveAll(folder_).ok());
  }

  // With a switch for thinking, in the manner of Nemotron 3.
  void AddChatTemplate() const {
    constexpr char kTemplate[] =
        "{%- for message in messages -%}\n"
        "[{{ message.role }}]{{ message.content }}\n"
        "{%- endfor -%}\n"
        "[assistant]{% if enable_thinking %}<think>{% else %}<think></think>{% endif %}";
    EXPECT_TRUE(WriteFileAtomically(model() + "/chat_template.jinja", kTemplate).ok());
  }

  // Serves at a free port; returns HOST:PORT.
  std::string Serve(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"serve",  model(), "--listen",  "127.0.0.1:0",
                                          "--name", "tiny",  "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    server_ = std::make_unique<LiveProcess>(arguments);
    const std::string address = server_->Address();
    EXPECT_NE(address, "") << server_->Errors();
    return address;
  }

  std::string model() const { return folder_ + "/model"; }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  LiveProcess& server() { return *server_; }

 private:
  const std::string folder_;
  std::unique_ptr<LiveProcess> server_;
};

}  // namespace temper::end_to_end
