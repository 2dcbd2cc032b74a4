// Writes the files of the arithmetic examples: sums for the warm start, for learning and for
// measuring, and a warm start for the roles of a graph.
//
// arithmetic_dataset FOLDER: the same bytes on every machine. A response ends with "#" and the sum.
// The warm start shows two habits: answering at once, and working the sum out digit by digit with
// the carry. No sum of the measurement, in either order of its numbers, stands in the other files.
// The graph's warm start shows a drafter, who answers at once, and an editor, who sees
// "SUM#DRAFT?", works the sum out now and then, and mostly gives the draft back as it is.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/philox.h"

namespace {

constexpr uint64_t kSeed = 2026;
constexpr uint64_t kOrderStream = 1;
constexpr uint64_t kHabitStream = 2;
constexpr uint64_t kRoleStream = 3;

constexpr int kDigits = 3;
constexpr uint64_t kNumbers = 1000;  // 10 to the power of kDigits
constexpr int kTestSums = 200;
constexpr int kTrainSums = 3000;
constexpr int kWarmStartSums = 6000;
// Share of the warm start that works the sum out.
constexpr double kThinking = 0.4;
// Of the graph's warm start: its sums, the share of its lines that are the editor's, of those the
// share that works the sum out, and how often a draft is right.
constexpr int kGraphSums = 8000;
constexpr double kEditing = 0.85;
constexpr double kMending = 0.35;
constexpr double kRightDrafts = 0.2;

using Sum = std::pair<int, int>;

// A number with leading zeros.
std::string Padded(int number, size_t width) {
  const std::string digits = std::to_string(number);
  return std::string(width - std::min(width, digits.size()), '0').append(digits);
}

std::string Prompt(const Sum& sum) {
  return absl::StrCat(Padded(sum.first, kDigits), "+", Padded(sum.second, kDigits), "=");
}

std::string AtOnce(const Sum& sum) { return absl::StrCat("#", sum.first + sum.second); }

// "7+5+0=12;4+8+1=13;0+3+1=04#432" for 047+385: digit + digit + carry, from the right.
std::string WorkedOut(const Sum& sum) {
  std::string steps;
  int a = sum.first, b = sum.second, carry = 0;
  for (int digit = 0; digit < kDigits; ++digit) {
    const int total = a % 10 + b % 10 + carry;
    if (digit > 0) steps += ";";
    absl::StrAppend(&steps, a % 10, "+", b % 10, "+", carry, "=", Padded(total, 2));
    carry = total / 10;
    a /= 10;
    b /= 10;
  }
  return steps + AtOnce(sum);
}

std::string Example(const std::string& prompt, const std::string& response) {
  return absl::StrCat("{\"prompt\":\"", prompt, "\",\"response\":\"", response, "\"}\n");
}

// The sum, or one whose last two digits are guessed.
std::string Draft(const Sum& sum, const std::array<uint32_t, 4>& chance, bool right) {
  const int total = sum.first + sum.second;
  if (right) return absl::StrCat("#", total);
  return absl::StrCat("#", total / 100 * 100 + static_cast<int>(chance[3] % 100));
}

std::string RoleLine(const Sum& sum, uint64_t line) {
  const auto chance = temper::Philox(kSeed, kRoleStream, line);
  const auto holds = [&](int which, double share) {
    return static_cast<double>(chance[static_cast<size_t>(which)]) < share * 4294967296.0;
  };
  if (!holds(0, kEditing)) return Example(Prompt(sum), AtOnce(sum));
  const std::string draft = Draft(sum, chance, holds(1, kRightDrafts));
  return Example(absl::StrCat(Prompt(sum), draft, "?"),
                 holds(2, kMending) ? WorkedOut(sum) : draft);
}

// Walks a fixed permutation of all sums.
class Sums {
 public:
  Sum Next() {
    const uint64_t index = temper::PermutedIndex(kSeed, kOrderStream, kNumbers * kNumbers, next_++);
    return {static_cast<int>(index / kNumbers), static_cast<int>(index % kNumbers)};
  }

 private:
  uint64_t next_ = 0;
};

std::string Problem(const Sum& sum, const std::string& id) {
  return absl::StrCat("{\"prompt\":\"", Prompt(sum), "\",\"answer\":\"", sum.first + sum.second,
                      "\",\"id\":\"", id, "\"}\n");
}

bool Write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) std::fprintf(stderr, "%s: cannot be written\n", path.c_str());
  return static_cast<bool>(file);
}

int Generate(const std::filesystem::path& folder) {
  std::error_code ignored;  // a folder that cannot be made shows when its files cannot be written
  std::filesystem::create_directories(folder, ignored);
  Sums sums;
  std::set<Sum> held_out;
  std::string test, train, warm_start;
  for (int i = 0; i < kTestSums; ++i) {
    const Sum sum = sums.Next();
    held_out.insert(sum);
    held_out.insert({sum.second, sum.first});
    test += Problem(sum, absl::StrCat("test-", i));
  }
  const auto unseen = [&] {
    Sum sum = sums.Next();
    while (held_out.contains(sum)) sum = sums.Next();
    return sum;
  };
  for (int i = 0; i < kTrainSums; ++i) train += Problem(unseen(), absl::StrCat("train-", i));
  for (int i = 0; i < kWarmStartSums; ++i) {
    const Sum sum = unseen();
    const bool thinks = temper::UniformAt(kSeed, kHabitStream, i) < kThinking;
    warm_start += Example(Prompt(sum), thinks ? WorkedOut(sum) : AtOnce(sum));
  }
  std::string roles;
  for (uint64_t i = 0; i < kGraphSums; ++i) roles += RoleLine(unseen(), i);
  const bool written = Write(folder / "test.jsonl", test) && Write(folder / "train.jsonl", train) &&
                       Write(folder / "warm_start.jsonl", warm_start) &&
                       Write(folder / "graph_warm_start.jsonl", roles);
  return written ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || argv[1][0] == '-') {
    std::fprintf(stderr, "usage: arithmetic_dataset FOLDER\n");
    return 2;
  }
  return Generate(argv[1]);
}
