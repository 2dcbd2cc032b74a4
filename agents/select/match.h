// Two candidates before a judge, in one order or in both.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "agents/select/schedule.h"

namespace temper::agents {

class Match {
 public:
  enum class Orders {
    kOne,      // as `pairing` says
    kBoth,     // both, which may be asked at once
    kIfNeeded  // the earlier candidate first; the other order only while it can change who goes on
  };
  Match(Pairing pairing, Orders orders);

  // Games that are needed now and not delivered.
  std::vector<Pairing> Open() const;
  // In favour of pairing.first, in [0, 1]; nothing: the judge failed. The pairing is open.
  void Deliver(Pairing pairing, std::optional<double> preference);

  bool over() const { return Open().empty(); }
  int earlier() const { return earlier_; }
  int later() const { return later_; }

  // How far the earlier candidate is preferred, in [0, 1], over the games that were asked. Nothing
  // when one of them failed: half an answer would carry the judge's bias for a position.
  std::optional<double> outcome() const;
  // Above 0 the earlier one won, below 0 the later one, 0: equal.
  static int Sign(double preference);

  int games() const;
  int invalid() const;
  bool both_ways() const;  // judged in both orders
  bool flipped() const;    // both ways, and the winner changed with the order

 private:
  struct Game {
    Pairing pairing;
    bool delivered = false;
    std::optional<double> preference;  // in favour of the earlier candidate
  };
  bool Settled() const;

  int earlier_ = 0;
  int later_ = 0;
  Orders orders_;
  std::vector<Game> games_;
};

}  // namespace temper::agents
