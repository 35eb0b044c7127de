// A stable radix sort of one line by digits of its keys, least significant first (Knuth, TAOCP 3, section 5.2.5), cut
// over parts: every part counts the digits of its stretch, the counts say where each part's elements of each digit go,
// and the parts move them there. Digits that all elements share are skipped. The first pass reads the elements, the
// last one writes the results.
#ifndef COTANGENT_KERNELS_SORT_RADIX_H
#define COTANGENT_KERNELS_SORT_RADIX_H

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "native/kernels/sort/sort_keys.h"

namespace cotangent::cpu {

// Where a line lies, in elements.
template <class T>
struct Line {
  const T* x;
  T* sorted;
  int32_t* places;
  int64_t size, stride;
};

template <class T, bool descending>
class RadixSort {
 public:
  using K = Key<T>;
  static constexpr int kBits = 8;
  static constexpr int kDigits = 1 << kBits;
  static constexpr int kPasses = 8 * sizeof(K) / kBits;

  static int64_t bytes(int64_t size, int parts) {
    return static_cast<int64_t>(sizeof(State)) + 2 * size * static_cast<int64_t>(sizeof(Item<K>)) +
           static_cast<int64_t>(sizeof(uint32_t)) * kDigits * parts * (kPasses + 1);
  }

  // `run(f)` calls f(part) for every part, and returns when all are done.
  RadixSort(const Line<T>& line, int parts, void* workspace) : line_(line), parts_(parts) {
    char* at = static_cast<char*>(workspace);
    state_ = reinterpret_cast<State*>(at);
    at += sizeof(State);
    items_[0] = reinterpret_cast<Item<K>*>(at);
    items_[1] = items_[0] + line.size;
    counts_ = reinterpret_cast<uint32_t*>(items_[1] + line.size);
    places_ = counts_ + kDigits * kPasses * parts;
  }

  // Counts all digits: of the whole line, what is to be done; of each part, what the first pass needs.
  template <class Run>
  void count(Run&& run) {
    run([&](int part) {
      uint32_t* const mine = counts_ + part * kPasses * kDigits;
      std::memset(mine, 0, sizeof(uint32_t) * kPasses * kDigits);
      bool lossy = false;
      const T* x = line_.x + begin(part) * line_.stride;
      for (int64_t i = begin(part); i < begin(part + 1); ++i, x += line_.stride) {
        const K key = key_of<T, descending>(*x);
        lossy |= loses_bits(*x);
        for (int pass = 0; pass < kPasses; ++pass) ++mine[pass * kDigits + digit(key, pass)];
      }
      state_->lossy[part] = lossy;
    });
    state_->needed = 0;
    for (int pass = 0; pass < kPasses; ++pass) {
      const int first = line_.size ? digit(key_of<T, descending>(*line_.x), pass) : 0;
      int64_t alike = 0;
      for (int part = 0; part < parts_; ++part) alike += counts_[(part * kPasses + pass) * kDigits + first];
      if (alike < line_.size) state_->needed |= 1u << pass;
    }
    state_->side = 0;
  }

  // Sorts by digit `pass`; passes in ascending order.
  template <class Run>
  void pass(int pass, Run&& run) {
    if (!(state_->needed >> pass & 1)) return;
    const bool first = !(state_->needed & ((1u << pass) - 1)), last = !(state_->needed >> pass >> 1);
    const Item<K>* const from = items_[state_->side];
    Item<K>* const to = items_[1 - state_->side];
    if (first) {
      for (int part = 0; part < parts_; ++part) {
        std::memcpy(places_ + part * kDigits, counts_ + (part * kPasses + pass) * kDigits, sizeof(uint32_t) * kDigits);
      }
    } else {
      run([&](int part) {
        uint32_t* const mine = places_ + part * kDigits;
        std::memset(mine, 0, sizeof(uint32_t) * kDigits);
        for (int64_t i = begin(part); i < begin(part + 1); ++i) ++mine[digit(from[i].key, pass)];
      });
    }
    uint32_t total = 0;
    for (int d = 0; d < kDigits; ++d) {
      for (int part = 0; part < parts_; ++part) {
        const uint32_t count = places_[part * kDigits + d];
        places_[part * kDigits + d] = total;
        total += count;
      }
    }
    run([&](int part) {
      uint32_t* const mine = places_ + part * kDigits;
      const auto move = [&](auto&& read, auto&& write) {
        for (int64_t i = begin(part); i < begin(part + 1); ++i) {
          const Item<K> item = read(i);
          write(mine[digit(item.key, pass)]++, item);
        }
      };
      const auto read_x = [&](int64_t i) {
        return Item<K>{key_of<T, descending>(line_.x[i * line_.stride]), static_cast<uint32_t>(i)};
      };
      const auto read_item = [&](int64_t i) { return from[i]; };
      const auto write_item = [&](uint32_t place, const Item<K>& item) { to[place] = item; };
      const auto write_result = [&](uint32_t place, const Item<K>& item) {
        line_.sorted[place * line_.stride] = element_of<T, descending>(item.key);
        line_.places[place * line_.stride] = static_cast<int32_t>(item.place);
      };
      if (first && last) {
        move(read_x, write_result);
      } else if (first) {
        move(read_x, write_item);
      } else if (last) {
        move(read_item, write_result);
      } else {
        move(read_item, write_item);
      }
    });
    state_->side = 1 - state_->side;
  }

  // What the keys do not tell.
  template <class Run>
  void finish(Run&& run) {
    bool lossy = false;
    for (int part = 0; part < parts_; ++part) lossy |= state_->lossy[part];
    const bool unmoved = state_->needed == 0;
    if (!lossy && !unmoved) return;
    run([&](int part) {
      for (int64_t i = begin(part); i < begin(part + 1); ++i) {
        int32_t& place = line_.places[i * line_.stride];
        if (unmoved) place = static_cast<int32_t>(i);
        line_.sorted[i * line_.stride] = line_.x[place * line_.stride];
      }
    });
  }

  template <class Run>
  void sort(Run&& run) {
    count(run);
    for (int k = 0; k < kPasses; ++k) pass(k, run);
    finish(run);
  }

 private:
  static constexpr int kMostParts = 1024;
  struct alignas(64) State {
    uint32_t needed;  // bit k: pass k moves something
    int32_t side;     // which items are the sorted ones so far
    bool lossy[kMostParts];
  };

  static int digit(K key, int pass) { return static_cast<int>(key >> (pass * kBits)) & (kDigits - 1); }
  int64_t begin(int part) const { return line_.size * part / parts_; }

  Line<T> line_;
  int parts_;
  State* state_;
  Item<K>* items_[2];
  uint32_t* counts_;  // [part][pass][digit] of the line as it came
  uint32_t* places_;  // [part][digit]
};

}  // namespace cotangent::cpu

#endif
