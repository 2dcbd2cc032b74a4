// Counts work instead of time, so that a busy machine gives the same verdict.
#pragma once

namespace temper::reward::math {

class Fuel {
 public:
  explicit Fuel(long steps) : left_(steps) {}

  // Pays for `steps`; false once the tank is empty, and ever after.
  bool Spend(long steps) {
    left_ = steps > left_ ? -1 : left_ - steps;
    return left_ >= 0;
  }
  bool empty() const { return left_ < 0; }

 private:
  long left_;
};

}  // namespace temper::reward::math
