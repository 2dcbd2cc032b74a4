// Keeps its games; preferences are turned to the earlier candidate's side as they come.
#include "agents/select/match.h"

#include <algorithm>

#include "base/check.h"

namespace temper::agents {

Match::Match(Pairing pairing, Orders orders)
    : earlier_(std::min(pairing.first, pairing.second)),
      later_(std::max(pairing.first, pairing.second)),
      orders_(orders) {
  if (orders == Orders::kOne) {
    games_ = {{pairing}};
  } else {
    games_ = {{{earlier_, later_}}, {{later_, earlier_}}};
  }
}

// With the first game wholly for the earlier candidate the second can at best make it a tie, and a
// tie, like a failure, lets the earlier one go on.
bool Match::Settled() const {
  return orders_ == Orders::kIfNeeded && games_[0].delivered &&
         (!games_[0].preference.has_value() || *games_[0].preference >= 1);
}

std::vector<Pairing> Match::Open() const {
  std::vector<Pairing> open;
  if (Settled()) return open;
  for (const Game& game : games_) {
    if (game.delivered) continue;
    open.push_back(game.pairing);
    if (orders_ == Orders::kIfNeeded) break;
  }
  return open;
}

void Match::Deliver(Pairing pairing, std::optional<double> preference) {
  for (Game& game : games_) {
    if (game.pairing != pairing) continue;
    TEMPER_CHECK(!game.delivered);
    game.delivered = true;
    if (!preference.has_value()) return;
    game.preference = pairing.first == earlier_ ? *preference : 1 - *preference;
    return;
  }
  TEMPER_CHECK(false);
}

std::optional<double> Match::outcome() const {
  double sum = 0;
  int count = 0;
  for (const Game& game : games_) {
    if (!game.delivered) continue;
    if (!game.preference.has_value()) return std::nullopt;
    sum += *game.preference;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / count;
}

int Match::Sign(double preference) {
  constexpr double kEqual = 1e-9;  // 1 - 0.8 is not 0.2 in binary
  if (preference > 0.5 + kEqual) return 1;
  return preference < 0.5 - kEqual ? -1 : 0;
}

int Match::games() const {
  return static_cast<int>(
      std::count_if(games_.begin(), games_.end(), [](const Game& game) { return game.delivered; }));
}

int Match::invalid() const {
  return static_cast<int>(std::count_if(games_.begin(), games_.end(), [](const Game& game) {
    return game.delivered && !game.preference.has_value();
  }));
}

bool Match::both_ways() const {
  return games_.size() == 2 && games_[0].preference.has_value() && games_[1].preference.has_value();
}

bool Match::flipped() const {
  return both_ways() && Sign(*games_[0].preference) * Sign(*games_[1].preference) < 0;
}

}  // namespace temper::agents
