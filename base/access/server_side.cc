// The metadata processor (refuses) and the interceptor (tells, and ends what lasts too long).
#include "base/access/server_side.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "grpcpp/alarm.h"

namespace temper {
namespace {

// What the interceptor puts into a call's metadata for CallerOf(); what a client sends under this
// name is taken out.
constexpr char kCallerMetadata[] = "temper-caller";
constexpr char kAuthorization[] = "authorization";

std::string_view View(const grpc_slice& slice) {
  return {reinterpret_cast<const char*>(GRPC_SLICE_START_PTR(slice)), GRPC_SLICE_LENGTH(slice)};
}

std::string_view View(const grpc::string_ref& text) { return {text.data(), text.size()}; }

std::string_view CommonName(const grpc_auth_context* connection) {
  if (connection == nullptr || grpc_auth_context_peer_is_authenticated(connection) == 0) return {};
  grpc_auth_property_iterator properties =
      grpc_auth_context_find_properties_by_name(connection, GRPC_X509_CN_PROPERTY_NAME);
  const grpc_auth_property* property = grpc_auth_property_iterator_next(&properties);
  return property == nullptr ? std::string_view()
                             : std::string_view(property->value, property->value_length);
}

struct Shown {
  Presented presented;
  std::string_view path;
  std::string_view encoding;
};

Shown Read(const grpc_auth_context* connection, const grpc_metadata* metadata, size_t count) {
  Shown shown;
  shown.presented.common_name = CommonName(connection);
  for (size_t i = 0; i < count; ++i) {
    const std::string_view key = View(metadata[i].key);
    const std::string_view value = View(metadata[i].value);
    if (key == ":path") shown.path = value;
    if (key == kAuthorization) shown.presented.authorization = value;
    if (key == "grpc-encoding") shown.encoding = value;
  }
  return shown;
}

absl::Status Decide(const Guard& guard, const Shown& shown) {
  absl::Status status = guard.Admit(shown.presented, shown.path);
  if (status.ok() && !shown.encoding.empty() && shown.encoding != "identity") {
    status = absl::UnimplementedError("compressed messages are not read; send them uncompressed");
  }
  return status;
}

// gRPC's C library calls this for every call, before dispatch.
void Process(void* state, grpc_auth_context* connection, const grpc_metadata* metadata,
             size_t count, grpc_process_auth_metadata_done_cb done, void* user_data) {
  const auto& guard = *static_cast<const std::shared_ptr<const Guard>*>(state);
  const absl::Status status = Decide(*guard, Read(connection, metadata, count));
  done(user_data, nullptr, 0, nullptr, 0, static_cast<grpc_status_code>(status.raw_code()),
       status.ok() ? nullptr : std::string(status.message()).c_str());
}

void Destroy(void* state) { delete static_cast<std::shared_ptr<const Guard>*>(state); }

grpc_server_credentials* MakeTls(const TlsIdentity& tls) {
  grpc_ssl_pem_key_cert_pair pair = {tls.key.c_str(), tls.certificate.c_str()};
  // A client without a certificate gets as far as the guard, who has better words than a
  // handshake; one with a certificate that is not our CA's does not.
  return grpc_ssl_server_credentials_create_ex(
      tls.ca.c_str(), &pair, 1, GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY, nullptr);
}

class CredentialsWithGuard final : public grpc::ServerCredentials {
 public:
  CredentialsWithGuard(std::shared_ptr<const Guard> guard, const std::optional<TlsIdentity>& tls)
      : credentials_(tls.has_value() ? MakeTls(*tls) : grpc_insecure_server_credentials_create()) {
    TEMPER_CHECK(credentials_ != nullptr);
    grpc_server_credentials_set_auth_metadata_processor(
        credentials_, {Process, Destroy, new std::shared_ptr<const Guard>(std::move(guard))});
  }
  ~CredentialsWithGuard() override { grpc_server_credentials_release(credentials_); }

  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {
    TEMPER_CHECK(false);  // it has one
  }

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  grpc_server_credentials* const credentials_;
};

// Ends a call at a time, unless it has ended before: the alarm owns a reference to the call.
class CallEnd {
 public:
  CallEnd(grpc_call* call, absl::Duration after) {
    grpc_call_ref(call);
    alarm_.Set(absl::ToChronoTime(absl::Now() + after), [call, after](bool rang) {
      if (rang) {
        const std::string words =
            absl::StrCat("the listener ended this call after ", absl::FormatDuration(after),
                         ", the longest it may last; set a deadline, or call again");
        grpc_call_cancel_with_status(call, GRPC_STATUS_DEADLINE_EXCEEDED, words.c_str(), nullptr);
      }
      grpc_call_unref(call);
    });
  }

 private:
  grpc::Alarm alarm_;  // rings with false when it is destroyed early
};

class CallInterceptor final : public grpc::experimental::Interceptor {
 public:
  CallInterceptor(std::shared_ptr<const Guard> guard, const CallLimits& limits,
                  grpc::experimental::ServerRpcInfo& call)
      : guard_(std::move(guard)), limits_(limits), call_(call) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      NameCaller(*methods->GetRecvInitialMetadata());
      LimitTime();
    }
    methods->Proceed();
  }

 private:
  void NameCaller(std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
    Presented presented;
    // The connection's context outlives the call.
    const std::shared_ptr<const grpc::AuthContext> connection =
        call_.server_context()->auth_context();
    std::vector<grpc::string_ref> names;
    if (connection != nullptr && connection->IsPeerAuthenticated()) {
      names = connection->FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME);
    }
    if (!names.empty()) presented.common_name = View(names.front());
    const auto last = [&](const char* key) {
      const auto [begin, end] = metadata.equal_range(key);
      return begin == end ? std::string_view() : View(std::prev(end)->second);
    };
    presented.authorization = last(kAuthorization);
    presented.user = last(kUserMetadata);
    const absl::StatusOr<Caller> caller = guard_->Identify(presented);
    if (caller.ok()) said_ = absl::StrCat(std::string(RoleWord(caller->role)), "/", caller->name);
    metadata.erase(kAuthorization);  // no service has a use for it
    metadata.erase(kCallerMetadata);
    if (caller.ok()) metadata.emplace(kCallerMetadata, said_);
  }

  void LimitTime() {
    grpc::ServerContextBase& context = *call_.server_context();
    const gpr_timespec deadline = context.raw_deadline();
    const bool unary = call_.type() == grpc::experimental::ServerRpcInfo::Type::UNARY;
    const bool endless = gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0;
    const absl::Duration longest = !unary    ? limits_.stream_longest
                                   : endless ? limits_.unary_without_deadline
                                             : limits_.unary_longest;
    const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
    if (!endless && absl::Seconds(left.tv_sec) < longest) return;
    end_ = std::make_unique<CallEnd>(context.c_call(), longest);
  }

  const std::shared_ptr<const Guard> guard_;
  const CallLimits limits_;
  grpc::experimental::ServerRpcInfo& call_;
  std::string said_;
  std::unique_ptr<CallEnd> end_;
};

class CallInterceptorFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  CallInterceptorFactory(std::shared_ptr<const Guard> guard, const CallLimits& limits)
      : guard_(std::move(guard)), limits_(limits) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* call) override {
    return new CallInterceptor(guard_, limits_, *call);
  }

 private:
  const std::shared_ptr<const Guard> guard_;
  const CallLimits limits_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> GuardedCredentials(std::shared_ptr<const Guard> guard,
                                                            const std::optional<TlsIdentity>& tls) {
  return std::make_shared<CredentialsWithGuard>(std::move(guard), tls);
}

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> CallerInterceptor(
    std::shared_ptr<const Guard> guard, const CallLimits& limits) {
  return std::make_unique<CallInterceptorFactory>(std::move(guard), limits);
}

Caller CallerOf(const grpc::ServerContextBase& context) {
  const auto found = context.client_metadata().find(kCallerMetadata);
  if (found == context.client_metadata().end()) return {};
  const std::string_view said = View(found->second);
  const size_t slash = said.find('/');
  return {RoleOfWord(said.substr(0, slash)).value_or(v1::ACCESS_UNSPECIFIED),
          std::string(said.substr(slash + 1))};
}

}  // namespace temper
