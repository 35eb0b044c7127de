// Running sums of floats, four elements at a time, in double. Within a group the sums are x0, x0 + x1, (x0 + x1) + x2
// and (x0 + x1) + (x2 + x3); each is added to what came before the group. The groups are fixed, so the bits are the
// same on every target, and sums of what is not negative never decrease: x2 + x3 is never below x2, and rounding keeps
// order.
//
// Everything here has internal linkage: the header is compiled once per SIMD target.
#ifndef COTANGENT_KERNELS_CUMULATIVE_PREFIX_SUM_H
#define COTANGENT_KERNELS_CUMULATIVE_PREFIX_SUM_H

#include <stdint.h>

#include "native/kernels/elementwise/lane.h"

namespace cotangent {
namespace {

constexpr int64_t kGroup = 4;

#if defined(__AVX__)

typedef double Group __attribute__((vector_size(32)));
typedef float FloatGroup __attribute__((vector_size(16)));
typedef int64_t GroupMask __attribute__((vector_size(32)));

#if defined(__clang__)
#define COTANGENT_GROUP_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define COTANGENT_GROUP_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, GroupMask{__VA_ARGS__})
#endif

COTANGENT_FN Group load_group(const float* from) {
  FloatGroup x;
  __builtin_memcpy(&x, from, sizeof x);
  return __builtin_convertvector(x, Group);
}
COTANGENT_FN Group load_group(const double* from) {
  Group x;
  __builtin_memcpy(&x, from, sizeof x);
  return x;
}
COTANGENT_FN void store_group(float* to, Group x) {
  const FloatGroup rounded = __builtin_convertvector(x, FloatGroup);
  __builtin_memcpy(to, &rounded, sizeof rounded);
}
COTANGENT_FN void store_group(double* to, Group x) { __builtin_memcpy(to, &x, sizeof x); }

// The running sums within a group; its elements in the order of the line.
COTANGENT_FN Group prefix_sums(Group x) {
  const Group zero{};
  const Group pairs = x + COTANGENT_GROUP_SHUFFLE(x, zero, 4, 0, 4, 2);
  return pairs + COTANGENT_GROUP_SHUFFLE(pairs, zero, 4, 4, 1, 1);
}
COTANGENT_FN Group turned(Group x) { return COTANGENT_GROUP_SHUFFLE(x, x, 3, 2, 1, 0); }
COTANGENT_FN Group last_of(Group x) { return COTANGENT_GROUP_SHUFFLE(x, x, 3, 3, 3, 3); }

// The last running sums of four groups.
COTANGENT_FN Group group_sums(Group a, Group b, Group c, Group d) {
  const Group ab = COTANGENT_GROUP_SHUFFLE(a, b, 0, 4, 2, 6) + COTANGENT_GROUP_SHUFFLE(a, b, 1, 5, 3, 7);
  const Group cd = COTANGENT_GROUP_SHUFFLE(c, d, 0, 4, 2, 6) + COTANGENT_GROUP_SHUFFLE(c, d, 1, 5, 3, 7);
  return COTANGENT_GROUP_SHUFFLE(ab, cd, 0, 1, 4, 5) + COTANGENT_GROUP_SHUFFLE(ab, cd, 2, 3, 6, 7);
}

#undef COTANGENT_GROUP_SHUFFLE

#else  // registers of two: shuffles across them would cost more than they bring

struct Group {
  double lane[4];
  double operator[](int k) const { return lane[k]; }
};
COTANGENT_FN Group operator+(Group a, Group b) {
  return {{a.lane[0] + b.lane[0], a.lane[1] + b.lane[1], a.lane[2] + b.lane[2], a.lane[3] + b.lane[3]}};
}
template <class T>
COTANGENT_FN Group load_group(const T* x) {
  return {{static_cast<double>(x[0]), static_cast<double>(x[1]), static_cast<double>(x[2]), static_cast<double>(x[3])}};
}
template <class T>
COTANGENT_FN void store_group(T* to, Group x) {
  for (int k = 0; k < 4; ++k) to[k] = static_cast<T>(x.lane[k]);
}
COTANGENT_FN Group prefix_sums(Group x) {
  const double two = x.lane[0] + x.lane[1];
  return {{x.lane[0], two, two + x.lane[2], two + (x.lane[2] + x.lane[3])}};
}
COTANGENT_FN Group turned(Group x) { return {{x.lane[3], x.lane[2], x.lane[1], x.lane[0]}}; }
COTANGENT_FN Group last_of(Group x) { return {{x.lane[3], x.lane[3], x.lane[3], x.lane[3]}}; }
COTANGENT_FN double group_sum(Group x) { return (x.lane[0] + x.lane[1]) + (x.lane[2] + x.lane[3]); }
COTANGENT_FN Group group_sums(Group a, Group b, Group c, Group d) {
  return {{group_sum(a), group_sum(b), group_sum(c), group_sum(d)}};
}

#endif

// y = starts[c] + running sums of line c, for `count` lines of `length` elements behind each other. Null starts: 0.
template <class T, int count, bool reverse>
void sum_lines(const T* x, T* y, int64_t length, const double* starts) {
  Group sum[count] = {}, start[count] = {};
  for (int c = 0; c < count && starts; ++c) start[c] = Group{starts[c], starts[c], starts[c], starts[c]};
  const int64_t whole = length / kGroup * kGroup;
  for (int64_t k = 0; k < whole; k += kGroup) {
    const int64_t at = reverse ? length - kGroup - k : k;
    for (int c = 0; c < count; ++c) {
      const Group group = load_group(x + at + c * length);
      const Group sums = sum[c] + prefix_sums(reverse ? turned(group) : group);
      sum[c] = last_of(sums);
      const Group result = start[c] + sums;
      store_group(y + at + c * length, reverse ? turned(result) : result);
    }
  }
  for (int c = 0; c < count; ++c) {
    double rest = sum[c][0];
    for (int64_t k = whole; k < length; ++k) {
      const int64_t at = (reverse ? length - 1 - k : k) + c * length;
      rest += static_cast<double>(x[at]);
      y[at] = static_cast<T>(start[c][0] + rest);
    }
  }
}

// totals[c] = the last of the running sums of line c, to the bit, for four lines.
template <class T, bool reverse>
void total_sums(const T* x, int64_t length, double* totals) {
  Group sum{};
  const int64_t whole = length / kGroup * kGroup;
  for (int64_t k = 0; k < whole; k += kGroup) {
    const T* const from = x + (reverse ? length - kGroup - k : k);
    // From the back the first two elements of a group are its last ones in memory: the sum of pairs is the same.
    sum = sum + group_sums(load_group(from), load_group(from + length), load_group(from + 2 * length),
                           load_group(from + 3 * length));
  }
  for (int c = 0; c < 4; ++c) {
    totals[c] = sum[c];
    for (int64_t k = whole; k < length; ++k) {
      totals[c] += static_cast<double>(x[(reverse ? length - 1 - k : k) + c * length]);
    }
  }
}

// The same for one line.
template <class T, bool reverse>
double total_sum(const T* x, int64_t length) {
  double sum = 0;
  const int64_t whole = length / kGroup * kGroup;
  for (int64_t k = 0; k < whole; k += kGroup) {
    const T* const from = x + (reverse ? length - kGroup - k : k);
    const double low = static_cast<double>(from[0]) + static_cast<double>(from[1]);
    sum += low + (static_cast<double>(from[2]) + static_cast<double>(from[3]));
  }
  for (int64_t k = whole; k < length; ++k) sum += static_cast<double>(x[reverse ? length - 1 - k : k]);
  return sum;
}

}  // namespace
}  // namespace cotangent

#endif
