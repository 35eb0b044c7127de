// What the passes do with bits: sets of small numbers, and doubles that are compared exactly.
#ifndef COTANGENT_CORE_BITS_H
#define COTANGENT_CORE_BITS_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace cotangent {

// Tells -0 from 0, and NaN equals itself.
inline int64_t bits(double value) {
  int64_t result;
  std::memcpy(&result, &value, sizeof result);
  return result;
}

class Bits {
 public:
  explicit Bits(int count) : words_(static_cast<size_t>(count + 63) / 64) {}
  bool test(int k) const { return words_[k / 64] >> (k % 64) & 1; }
  void set(int k) { words_[k / 64] |= uint64_t{1} << (k % 64); }
  void clear(int k) { words_[k / 64] &= ~(uint64_t{1} << (k % 64)); }
  void merge(const Bits& other) {
    for (size_t k = 0; k < words_.size(); ++k) words_[k] |= other.words_[k];
  }
  // True when f(k) holds for some member k.
  template <class F>
  bool any(F&& f) const {
    for (size_t word = 0; word < words_.size(); ++word) {
      for (uint64_t left = words_[word]; left; left &= left - 1) {
        if (f(static_cast<int>(word * 64) + __builtin_ctzll(left))) return true;
      }
    }
    return false;
  }

 private:
  std::vector<uint64_t> words_;
};

}  // namespace cotangent

#endif
