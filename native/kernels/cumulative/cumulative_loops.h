// The loops of the cumulative kernels, compiled once per SIMD target. They run along lines; cumulative.cc and
// recurrence.cc cut the work.
#ifndef COTANGENT_KERNELS_CUMULATIVE_CUMULATIVE_LOOPS_H
#define COTANGENT_KERNELS_CUMULATIVE_CUMULATIVE_LOOPS_H

#include <stdint.h>

#include "native/kernels/simd.h"

namespace cotangent {

enum class Cumulation { kSum, kProduct, kMax, kMin };

// Widest piece of a row that `columns` takes, in elements.
constexpr int64_t kCumulativeWidth = 512;

// Totals and starts are of the accumulator type: double for sums and products of float32, else the element type.
// Lines lie one behind the other, `length` elements each. y may be x. `reverse`: from the last element to the first.
struct CumulativeLoops {
  // totals[i] = the whole of line i, combined in the order that `lines` combines it in.
  void (*totals)(const void* x, int64_t lines, int64_t length, bool reverse, void* totals);
  // y = starts[i] op (x op ... op x) along line i. Null: the identity.
  void (*lines)(const void* x, void* y, int64_t lines, int64_t length, bool reverse, const void* starts);
  // Down `rows` rows of `width` <= kCumulativeWidth elements, `stride` apart.
  void (*columns)(const void* x, void* y, int64_t rows, int64_t stride, int64_t width, bool reverse);
};

// y_k = a_k y_(k-1) + b_k, y before the first element being 0. y may be b.
struct RecurrenceLoops {
  void (*lines)(const void* a, const void* b, void* y, int64_t lines, int64_t length, bool reverse);
  void (*columns)(const void* a, const void* b, void* y, int64_t rows, int64_t stride, int64_t width, bool reverse);
};

// Null functions where the dtype has no such operation. `dtype` is a ct_dtype.
COTANGENT_SIMD_DECLARE(CumulativeLoops cumulative_loops(Cumulation operation, int32_t dtype))
COTANGENT_SIMD_DECLARE(RecurrenceLoops recurrence_loops(int32_t dtype))

}  // namespace cotangent

#endif
