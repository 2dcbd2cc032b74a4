// `temper certs`: a small certificate authority in a folder, and a folder for each who needs one.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "base/access/access_rules.h"
#include "base/access/certificates.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {
namespace {

struct CertsOptions {
  std::string dir;
  std::vector<std::string> names;
  std::vector<std::string> hosts;
  int days = 365;
};

// One who gets a certificate; its folder bears its name.
struct Holder {
  std::string role;
  std::string name;
};

constexpr int kAuthorityDays = 3650;
constexpr absl::Duration kClocksDiffer = absl::Minutes(10);

// "worker:gpu-1". Names of files in the folder itself are taken.
absl::StatusOr<Holder> ReadHolder(const std::string& text) {
  const size_t colon = text.find(':');
  Holder holder{text.substr(0, colon), colon == text.npos ? "" : text.substr(colon + 1)};
  if (!RoleOfWord(holder.role).has_value() || !IsCallerName(holder.name) ||
      holder.name.front() == '.' || holder.name == "ca.pem" || holder.name == "ca-key.pem") {
    return absl::InvalidArgumentError(
        absl::StrCat("--name ", text,
                     ": expected admin:NAME, worker:NAME, verifier:NAME or reader:NAME, NAME "
                     "of A-Z a-z 0-9 . _ - (48 at most), not starting with a dot"));
  }
  return holder;
}

// People call; processes of the fleet are called too.
bool Listens(const Holder& holder) { return holder.role == "worker" || holder.role == "verifier"; }

absl::StatusOr<std::vector<Holder>> ReadHolders(const CertsOptions& options) {
  if (options.names.empty()) {
    return std::vector<Holder>{{"worker", "controller"},
                               {"worker", "worker"},
                               {"verifier", "verifier"},
                               {"admin", "admin"},
                               {"reader", "reader"}};
  }
  std::vector<Holder> holders;
  for (const std::string& name : options.names) {
    TEMPER_ASSIGN_OR_RETURN(holders.emplace_back(), ReadHolder(name));
  }
  for (const Holder& holder : holders) {
    const std::string dir = JoinPath(options.dir, holder.name);
    if (Exists(dir)) {
      return absl::AlreadyExistsError(absl::StrCat(dir, ": is there already; choose another name"));
    }
  }
  return holders;
}

// Makes it where the folder holds none.
absl::StatusOr<CertificateAuthority> AuthorityIn(const CertsOptions& options, absl::Time from) {
  const std::string certificate = JoinPath(options.dir, "ca.pem");
  const std::string key = JoinPath(options.dir, "ca-key.pem");
  if (Exists(certificate) || Exists(key)) {
    if (options.names.empty()) {
      return absl::AlreadyExistsError(
          absl::StrCat(options.dir,
                       ": holds a CA already, which is not overwritten; to make more "
                       "certificates by it say whose, e.g. --name worker:gpu-2"));
    }
    TEMPER_ASSIGN_OR_RETURN(const TlsIdentity trusted, ReadTlsDir(options.dir));
    TEMPER_ASSIGN_OR_RETURN(const std::string secret, ReadSecretFile(key));
    return CertificateAuthority::Read(trusted.ca, secret);
  }
  TEMPER_RETURN_IF_ERROR(MakeDirectories(options.dir));
  const auto made = CertificateAuthority::Make(from, from + absl::Hours(24) * kAuthorityDays);
  TEMPER_RETURN_IF_ERROR(WriteSecretFile(key, made.key()));
  TEMPER_RETURN_IF_ERROR(WriteFileAtomically(certificate, made.certificate()));
  return made;
}

void Tell(const CertsOptions& options, const std::vector<Holder>& holders,
          const std::vector<std::string>& hosts, absl::Time to) {
  std::printf("%s/ca-key.pem makes every other certificate: keep it to yourself.\n",
              options.dir.c_str());
  std::printf("Each folder below is a --tls-dir; copy it whole, key.pem stays mode 0600:\n");
  for (const Holder& holder : holders) {
    std::printf("  %s/%-12s role %-9s %s\n", options.dir.c_str(), holder.name.c_str(),
                holder.role.c_str(),
                holder.name == "controller" ? "for `temper controller`"
                : holder.role == "worker"   ? "for `temper rollout`, `temper learner`"
                : holder.role == "verifier" ? "for `temper reward` and servers of verifiers"
                : holder.role == "admin"    ? "for people who change runs"
                                            : "for people and programs that only look");
  }
  if (std::any_of(holders.begin(), holders.end(), Listens)) {
    std::printf("Workers and verifiers can be reached as: %s\n",
                absl::StrJoin(hosts, ", ").c_str());
  }
  std::printf("Valid until %s.\n",
              absl::FormatTime("%Y-%m-%d %H:%M UTC", to, absl::UTCTimeZone()).c_str());
}

absl::Status MakeCertificates(const CertsOptions& options) {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Holder> holders, ReadHolders(options));
  std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1"};
  hosts.insert(hosts.end(), options.hosts.begin(), options.hosts.end());
  const absl::Time from = absl::Now() - kClocksDiffer;
  const absl::Time to = from + absl::Hours(24) * options.days;
  TEMPER_RETURN_IF_ERROR(CheckHosts(hosts));
  TEMPER_ASSIGN_OR_RETURN(const CertificateAuthority authority, AuthorityIn(options, from));
  for (const Holder& holder : holders) {
    CertificateOrder order{absl::StrCat(holder.role, ":", holder.name), {}, from, to};
    if (Listens(holder)) order.hosts = hosts;
    TEMPER_ASSIGN_OR_RETURN(const TlsIdentity made, authority.Issue(order));
    TEMPER_RETURN_IF_ERROR(WriteTlsDir(made, JoinPath(options.dir, holder.name)));
  }
  Tell(options, holders, hosts, to);
  return absl::OkStatus();
}

}  // namespace

void AddCerts(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<CertsOptions>();
  CLI::App* verb = program.add_subcommand(
      "certs",
      "Makes a small CA and certificates for the processes and people of a fleet (--tls-dir)");
  verb->add_option("dir", options->dir, "Folder of the CA; made where it is not")->required();
  verb->add_option("--name", options->names,
                   "Whose certificate, ROLE:NAME, repeated; roles admin, worker, verifier, reader "
                   "[controller, worker, verifier, admin and reader]");
  verb->add_option("--host", options->hosts,
                   "Name or address at which workers and verifiers are reached, repeated; "
                   "localhost, 127.0.0.1 and ::1 always are");
  verb->add_option("--days", options->days, "How long certificates are valid")
      ->check(CLI::Range(1, kAuthorityDays))
      ->capture_default_str();
  verb->callback(
      [options, &chosen] { chosen = [options] { return Report(MakeCertificates(*options)); }; });
}

}  // namespace temper::cli
