// Finds every tensor of the layout among those of the folder.
#include "policy/model/folder/weight_source.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "policy/model/folder/number_formats.h"
#include "policy/model/folder/tensor_names.h"

namespace temper::model {
namespace {

constexpr int64_t kSlabFloats = 1 << 20;

}  // namespace

// The search; its results become a WeightSource.
class WeightMatch {
 public:
  using Member = WeightSource::Member;
  using Role = WeightSource::Role;
  using Slot = WeightSource::Slot;

  WeightMatch(std::span<const SafetensorsFile> files, std::span<const ParameterSpec> specs)
      : specs_(specs), names_(specs) {
    for (StoredTensor& tensor : JoinScales(files, problems_)) {
      members_.push_back({.tensor = std::move(tensor)});
    }
    for (size_t i = 0; i < members_.size(); ++i) {
      const std::string& name = members_[i].tensor.entry->name;
      stored_.emplace(name, i);
      const auto [at, fresh] = open_.emplace(names_.Canonical(name), i);
      if (fresh) continue;
      problems_.push_back(absl::StrCat(name, " stands there twice: also as ", NameOf(at->second)));
    }
    for (const ParameterSpec& spec : specs) {
      if (const auto expert = AsExpert(spec.name)) {
        int64_t& count = experts_[expert->fused];
        count = std::max(count, expert->expert + 1);
      }
      has_head_ = has_head_ || spec.name == kHeadName || spec.name == kRewardHeadName;
    }
  }

  void Run() {
    for (size_t i = 0; i < specs_.size(); ++i) slots_.push_back(Find(i));
    for (const auto& [name, i] : open_) {
      if (members_[i].specs.empty()) members_[i].role = RoleOf(name, i);
    }
  }

  std::vector<std::string>& problems() { return problems_; }

  WeightSource Result(std::unique_ptr<WeightShards> shards) {
    return WeightSource(std::move(shards), std::move(members_), std::move(slots_));
  }

 private:
  const std::string& NameOf(size_t member) const { return members_[member].tensor.entry->name; }

  Slot Find(size_t i) {
    const ParameterSpec& spec = specs_[i];
    const auto whole = open_.find(spec.name);
    if (whole != open_.end()) {
      CheckTensor(members_[whole->second].tensor, spec.shape);
      return Take(i, whole->second, 0, 1);
    }
    if (const auto expert = AsExpert(spec.name)) {
      const auto fused = open_.find(expert->fused);
      const int64_t experts = experts_[expert->fused];
      if (fused != open_.end()) {
        std::vector<int64_t> shape = spec.shape;
        shape.insert(shape.begin(), experts);
        if (expert->expert == 0) CheckTensor(members_[fused->second].tensor, shape);
        return Take(i, fused->second, expert->expert, experts);
      }
    }
    problems_.push_back(
        absl::StrCat(spec.name, " is missing, expected shape ", ShapeText(spec.shape),
                     spec.name == kHeadName ? " because tie_word_embeddings is false" : ""));
    return {};
  }

  // Tensor i is part `part` of the `parts` equal ones of a member.
  Slot Take(size_t i, size_t member, int64_t part, int64_t parts) {
    members_[member].role = Role::kWeights;
    TEMPER_CHECK(static_cast<int64_t>(members_[member].specs.size()) == part);  // in their order
    members_[member].specs.push_back(i);
    const int64_t rows = members_[member].tensor.rows() / parts;
    return {.member = member, .first_row = part * rows, .rows = rows};
  }

  void CheckTensor(const StoredTensor& tensor, std::span<const int64_t> expected) {
    if (!std::ranges::equal(tensor.shape, expected)) {
      problems_.push_back(absl::StrCat(tensor.entry->name, " has shape ", ShapeText(tensor.shape),
                                       ", expected ", ShapeText(expected)));
    } else if (!tensor.Unreadable().empty()) {
      problems_.push_back(tensor.Unreadable());
    }
  }

  // Of a tensor that the layout has no place for.
  Role RoleOf(const std::string& canonical, size_t member) {
    const StoredTensor& tensor = members_[member].tensor;
    const std::string& name = tensor.entry->name;
    if (canonical == kHeadName && !has_head_) {
      CheckTiedHead(tensor);
      return Role::kTiedHead;
    }
    if (IsActivationScale(tensor)) return Role::kDropped;
    if (IsKept(name)) return Role::kKept;
    if (IsRotaryTable(name)) return Role::kDropped;
    problems_.push_back(absl::StrCat(name, " is not expected by config.json"));
    return Role::kDropped;
  }

  bool IsActivationScale(const StoredTensor& tensor) const {
    const std::string weight = WeightOfActivationScale(tensor.entry->name);
    return !weight.empty() && tensor.entry->elements == 1 && stored_.contains(weight);
  }

  void CheckTiedHead(const StoredTensor& head) {
    const auto at = open_.find(names_.Embeddings());
    if (at == open_.end()) return;  // named as missing
    const StoredTensor& embeddings = members_[at->second].tensor;
    const size_t before = problems_.size();
    CheckTensor(head, embeddings.shape);
    if (problems_.size() > before || !embeddings.Unreadable().empty()) return;
    const absl::StatusOr<int64_t> differs = FirstDifference(head, embeddings);
    if (!differs.ok()) {
      problems_.push_back(std::string(differs.status().message()));
    } else if (*differs >= 0) {
      problems_.push_back(absl::StrCat(
          head.entry->name, " differs from ", embeddings.entry->name, " in row ", *differs,
          ", expected the same values because tie_word_embeddings is true in config.json"));
    }
  }

  // The first row in which two tensors of one shape differ, -1 when none does.
  static absl::StatusOr<int64_t> FirstDifference(const StoredTensor& a, const StoredTensor& b) {
    const int64_t cols = a.cols(),
                  step = std::max<int64_t>(1, kSlabFloats / std::max<int64_t>(1, cols));
    std::vector<float> left, right;
    for (int64_t first = 0; first < a.rows(); first += step) {
      const int64_t rows = std::min(step, a.rows() - first);
      left.resize(rows * cols);
      right.resize(rows * cols);
      TEMPER_RETURN_IF_ERROR(a.ReadRows(first, {left.data(), rows, cols}));
      TEMPER_RETURN_IF_ERROR(b.ReadRows(first, {right.data(), rows, cols}));
      a.Release(first, rows);
      b.Release(first, rows);
      const auto at = std::ranges::mismatch(left, right).in1 - left.begin();
      if (at < rows * cols) return first + at / cols;
    }
    return -1;
  }

  std::span<const ParameterSpec> specs_;
  const TensorNames names_;
  std::vector<Member> members_;
  std::map<std::string, size_t> open_;      // canonical name -> member
  std::map<std::string, size_t> stored_;    // name in the file -> member
  std::map<std::string, int64_t> experts_;  // fused name -> how many experts the layout has
  bool has_head_ = false;
  std::vector<Slot> slots_;
  std::vector<std::string> problems_;
};

absl::StatusOr<WeightSource> WeightSource::Open(const std::string& folder,
                                                std::span<const ParameterSpec> specs) {
  TEMPER_ASSIGN_OR_RETURN(WeightShards opened, WeightShards::Open(folder));
  auto shards = std::make_unique<WeightShards>(std::move(opened));
  WeightMatch match(shards->files(), specs);
  match.Run();
  if (!match.problems().empty()) {
    return TensorProblems(folder, "do not fit", std::move(match.problems()));
  }
  return match.Result(std::move(shards));
}

absl::Status WeightSource::Read(size_t i, int64_t first, kernels::View<float> values) const {
  TEMPER_CHECK(first >= 0 && first + values.rows <= rows(i));
  return TensorOf(i).ReadRows(slots_[i].first_row + first, values);
}

bool WeightSource::HasBfloat16(size_t i) const {
  const StoredTensor& tensor = TensorOf(i);
  // Files start at a page; some old writers let the tensors start at an odd byte.
  return tensor.encoding == StoredTensor::Encoding::kPlain && tensor.entry->dtype == "BF16" &&
         tensor.entry->begin % 2 == 0;
}

absl::StatusOr<kernels::View<const uint16_t>> WeightSource::Bfloat16(size_t i, int64_t first,
                                                                     int64_t rows) const {
  TEMPER_CHECK(HasBfloat16(i) && first >= 0 && first + rows <= this->rows(i));
  const StoredTensor& tensor = TensorOf(i);
  const int64_t from = slots_[i].first_row + first;
  TEMPER_ASSIGN_OR_RETURN(const std::span<const std::byte> bytes, tensor.LoadRows(from, rows));
  const auto* values = reinterpret_cast<const uint16_t*>(bytes.data());
  const int64_t bad = FirstNotFiniteBf16({values, bytes.size() / 2});
  if (bad >= 0) return tensor.NotFinite(from, bad, FromBf16(values[bad]));
  return kernels::View<const uint16_t>(values, rows, tensor.cols());
}

void WeightSource::Release(size_t i, int64_t first, int64_t rows) const {
  TensorOf(i).Release(slots_[i].first_row + first, rows);
}

}  // namespace temper::model
