// `temper certs` and the options that take what it makes.
#include <sys/stat.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "base/access/openssl.h"
#include "base/file.h"
#include "base/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/cli/credential_options.h"
#include "orchestrator/cli/verbs.h"
#include "temper/v1/rollout.grpc.pb.h"
#include "tests/orchestrator/test_folder.h"

namespace temper::cli {

// The program's own prints; this one remembers.
absl::Status last;
int Report(const absl::Status& status) {
  last = status;
  return status.ok() ? kDone : kWrong;
}

namespace {

using ::testing::HasSubstr;

constexpr char kToken[] = "0123456789abcdef0123456789abcdef";

class Certs : public ::testing::Test {
 protected:
  // The folder first; the words of a refusal, or nothing.
  std::string Make(std::vector<std::string> options) {
    CLI::App program;
    Chosen chosen;
    AddCerts(program, chosen);
    options.insert(options.begin(), {"certs", Path("")});
    std::reverse(options.begin(), options.end());  // as CLI11 wants a vector
    try {
      program.parse(options);
    } catch (const CLI::ParseError& error) {
      return error.what();
    }
    return chosen() == kDone ? "" : std::string(last.message());
  }
  std::string Path(const std::string& name) const {
    return name.empty() ? folder_.Path("certs") : JoinPath(folder_.Path("certs"), name);
  }
  static mode_t ModeOf(const std::string& path) {
    struct stat info;
    return stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
  }

  orchestrator::TestFolder folder_;
};

TEST_F(Certs, MakesAFolderForEachOfTheFive) {
  ASSERT_EQ(Make({}), "");
  EXPECT_EQ(ModeOf(Path("ca-key.pem")), 0600u);
  for (const char* name : {"controller", "worker", "verifier", "admin", "reader"}) {
    const auto tls = ReadTlsDir(Path(name));
    EXPECT_TRUE(tls.ok()) << tls.status();
    EXPECT_EQ(ModeOf(Path(absl::StrCat(name, "/key.pem"))), 0600u);
  }
}

TEST_F(Certs, OverwritesNothing) {
  ASSERT_EQ(Make({"--name", "admin:anna"}), "");
  const std::string ca = ReadFile(Path("ca.pem")).value();
  const std::string anna = ReadFile(Path("anna/key.pem")).value();
  EXPECT_THAT(Make({}), HasSubstr("holds a CA already"));
  EXPECT_THAT(Make({"--name", "reader:anna"}), HasSubstr("anna: is there already"));
  EXPECT_THAT(Make({"--name", "reader:bo", "--name", "reader:anna"}), HasSubstr("anna"));
  EXPECT_FALSE(Exists(Path("bo")));
  EXPECT_EQ(ReadFile(Path("ca.pem")).value(), ca);
  EXPECT_EQ(ReadFile(Path("anna/key.pem")).value(), anna);
}

TEST_F(Certs, MakesMoreByTheSameAuthority) {
  ASSERT_EQ(Make({"--name", "admin:anna"}), "");
  ASSERT_EQ(Make({"--name", "worker:gpu-1", "--name", "reader:bo"}), "");
  for (const char* name : {"anna", "gpu-1", "bo"}) {
    const auto tls = ReadTlsDir(Path(name));
    ASSERT_TRUE(tls.ok()) << tls.status();
    EXPECT_EQ(tls->ca, ReadFile(Path("ca.pem")).value());
  }
}

TEST_F(Certs, RefusesNamesHostsAndDaysThatAreNone) {
  for (const char* name : {"anna", "root:anna", "admin:", "admin:a/b", "admin:..", "admin:ca.pem",
                           "worker:ca-key.pem", ":x"}) {
    EXPECT_THAT(Make({"--name", name}), HasSubstr("expected admin:NAME")) << name;
  }
  EXPECT_THAT(Make({"--host", "a,DNS:b"}), HasSubstr("neither a host name nor an IP address"));
  EXPECT_NE(Make({"--days", "0"}), "");
  EXPECT_FALSE(Exists(Path("")));  // nothing was made on the way
}

TEST_F(Certs, RefusesAnAuthorityWhoseKeyOthersCanRead) {
  ASSERT_EQ(Make({"--name", "admin:anna"}), "");
  ASSERT_EQ(chmod(Path("ca-key.pem").c_str(), 0644), 0);
  EXPECT_THAT(Make({"--name", "admin:bo"}), HasSubstr("chmod 600"));
  EXPECT_FALSE(Exists(Path("bo")));
}

class Options : public Certs {
 protected:
  // As a verb that listens, or one that only calls, would read them.
  absl::StatusOr<ListenCredentials> Use(bool listens, std::vector<std::string> words) {
    CLI::App program;
    CredentialOptions options;
    listens ? AddListenCredentials(program, options) : AddClientCredentials(program, options);
    std::reverse(words.begin(), words.end());
    program.parse(words);
    if (listens) return UseListenCredentials(options);
    const absl::Status used = UseClientCredentials(options);
    if (!used.ok()) return used;
    return ListenCredentials{};
  }
  std::string Secret(const std::string& name, const std::string& text) {
    const std::string path = folder_.Write(name, text);
    EXPECT_EQ(chmod(path.c_str(), 0600), 0);
    return path;
  }
  void TearDown() override {
    unsetenv("TEMPER_TOKEN_FILE");
    SetOwnCredentials({});
  }
};

TEST_F(Options, DemandNothingAndPresentNothingWhenNotGiven) {
  const auto demanded = Use(true, {});
  ASSERT_TRUE(demanded.ok());
  EXPECT_FALSE(demanded->demanded());
  EXPECT_FALSE(OwnCredentials().tls.has_value());
  EXPECT_EQ(OwnCredentials().token, "");
}

TEST_F(Options, OfAListenerTellWhoMayCallApartFromWhatIsPresented) {
  const std::string callers = Secret("callers", absl::StrCat("admin ", kToken, "1\n"));
  const std::string own = Secret("own", absl::StrCat(kToken, "2\n"));
  const auto demanded = Use(true, {"--token-file", callers, "--own-token-file", own});
  ASSERT_TRUE(demanded.ok()) << demanded.status();
  EXPECT_EQ(demanded->tokens->size(), 1u);
  EXPECT_EQ(OwnCredentials().token, absl::StrCat(kToken, "2"));
}

TEST_F(Options, TakeTheOwnTokenFromTheEnvironment) {
  setenv("TEMPER_TOKEN_FILE", Secret("own", kToken).c_str(), 1);
  for (const bool listens : {true, false}) {
    SetOwnCredentials({});
    ASSERT_TRUE(Use(listens, {}).ok());
    EXPECT_EQ(OwnCredentials().token, kToken);
  }
}

TEST_F(Options, ThatNameBadFilesAreRefused) {
  const std::string open = folder_.Write("open", absl::StrCat("admin ", kToken, "\n"));
  ASSERT_EQ(chmod(open.c_str(), 0644), 0);
  EXPECT_EQ(Use(true, {"--token-file", open}).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Use(false, {"--token-file", open}).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Use(false, {"--tls-dir", Path("none")}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(Options, CarryWhatCertsMakesOverTheWire) {
  ASSERT_EQ(Make({}), "");
  v1::RolloutService::Service service;
  ListenOptions options;
  const auto demanded = Use(true, {"--tls-dir", Path("worker")});
  ASSERT_TRUE(demanded.ok()) << demanded.status();
  options.credentials = *demanded;
  const auto listening = Listen("127.0.0.1:0", {&service}, options);
  ASSERT_TRUE(listening.ok()) << listening.status();
  for (const auto& [name, code] :
       {std::pair("controller", grpc::StatusCode::UNIMPLEMENTED),  // it has passed
        std::pair("admin", grpc::StatusCode::UNIMPLEMENTED),
        std::pair("reader", grpc::StatusCode::PERMISSION_DENIED)}) {
    ASSERT_TRUE(Use(false, {"--tls-dir", Path(name)}).ok());
    const auto stub = v1::RolloutService::NewStub(Dial(listening->address));
    v1::UpdateWeightsResponse response;
    const grpc::Status status =
        stub->UpdateWeights(Deadline(absl::Seconds(60)).get(), {}, &response);
    EXPECT_EQ(status.error_code(), code) << name << ": " << status.error_message();
  }
}

}  // namespace
}  // namespace temper::cli
