// Presenting credentials.
#include "base/access/client_side.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "base/access/access_rules.h"

namespace temper {
namespace {

struct Lines {
  std::string authorization;
  std::string user;
};

class Presenting final : public grpc::experimental::Interceptor {
 public:
  explicit Presenting(const Lines& lines) : lines_(lines) {}
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            grpc::experimental::InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      std::multimap<std::string, std::string>& metadata = *methods->GetSendInitialMetadata();
      if (!lines_.authorization.empty()) metadata.emplace("authorization", lines_.authorization);
      if (!lines_.user.empty()) metadata.emplace(kUserMetadata, lines_.user);
    }
    methods->Proceed();
  }

 private:
  const Lines& lines_;  // the factory's: it lives as long as the channel
};

class PresentingFactory final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  explicit PresentingFactory(Lines lines) : lines_(std::move(lines)) {}
  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo*) override {
    return new Presenting(lines_);
  }

 private:
  const Lines lines_;
};

}  // namespace

std::shared_ptr<grpc::ChannelCredentials> ChannelCredentialsOf(const ClientCredentials& own) {
  if (!own.tls.has_value()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = own.tls->ca;
  options.pem_private_key = own.tls->key;
  options.pem_cert_chain = own.tls->certificate;
  return grpc::SslCredentials(options);
}

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> PresentingInterceptor(
    const ClientCredentials& own) {
  const char* user = std::getenv("USER");
  return std::make_unique<PresentingFactory>(
      Lines{own.token.empty() ? std::string() : absl::StrCat("Bearer ", own.token),
            user != nullptr && IsCallerName(user) ? user : ""});
}

}  // namespace temper
