// Keeps the verifiers of the last rubric: requests of one run name the same.
#include "reward/pool/worker.h"

#include <sys/prctl.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/system_file.h"
#include "reward/pool/frame.h"
#include "reward/registry.h"
#include "reward/response.h"
#include "reward/rubric.h"
#include "temper/v1/reward.pb.h"

namespace temper::reward {
namespace {

// A process that has grown beyond this is replaced: one greedy item does not stay in the books.
constexpr int64_t kResidentBytesMax = int64_t{192} << 20;

class Judges {
 public:
  explicit Judges(VerifierMaker maker) : make_(maker) {}

  // The status of the first part that cannot be made: the service has checked the rubric, so this
  // means that the two processes differ.
  absl::Status Take(const temper::v1::Rubric& rubric) {
    std::string bytes = rubric.SerializeAsString();
    if (bytes == bytes_) return absl::OkStatus();
    bytes_.clear();
    verifiers_.clear();
    names_.clear();
    for (const temper::v1::RubricPart& part : rubric.parts()) {
      auto verifier = make_(part);
      if (!verifier.ok()) return verifier.status();
      verifiers_.push_back(*std::move(verifier));
      names_.push_back(part.name());
    }
    bytes_ = std::move(bytes);
    return absl::OkStatus();
  }

  void Judge(const temper::v1::ScoreItem& item, temper::v1::ScoreResult& result) const {
    const Response response = ToResponse(item);
    for (size_t i = 0; i < verifiers_.size(); ++i) {
      const auto judgement = verifiers_[i]->Judge(response);
      if (!judgement.ok()) return SetFailure(judgement.status(), names_[i], result);
      *result.mutable_score()->add_parts() = ToScorePart(names_[i], *judgement);
    }
  }

 private:
  static void SetFailure(const absl::Status& status, const std::string& name,
                         temper::v1::ScoreResult& result) {
    const std::string words = absl::StrCat(name, ": ", std::string(status.message()));
    if (status.code() == absl::StatusCode::kInvalidArgument) {
      result.set_invalid(words);
    } else {
      result.set_internal_error(words);
    }
  }

  const VerifierMaker make_;
  std::string bytes_;
  std::vector<std::unique_ptr<const Verifier>> verifiers_;
  std::vector<std::string> names_;
};

}  // namespace

int RunVerifierWorker(int socket, VerifierMaker maker) {
  prctl(PR_SET_NAME, "verifier");
  Judges judges(maker);
  temper::v1::ScoreRequest request;
  while (const std::optional<std::string> frame = ReceiveFrame(socket)) {
    if (!request.ParseFromString(*frame)) return 1;
    const absl::Status made = judges.Take(request.rubric());
    for (int i = 0; i < request.items_size(); ++i) {
      temper::v1::ScoreResult result;
      result.set_sample(i);
      if (made.ok()) {
        judges.Judge(request.items(i), result);
      } else {
        result.set_internal_error(std::string(made.message()));
      }
      if (!SendFrame(socket, result.SerializeAsString())) return 0;
    }
    if (ReadOwnMemory().resident > kResidentBytesMax) return kRetired;
  }
  return 0;
}

}  // namespace temper::reward
