// Along a line every step waits for the one before: eight lines are walked side by side, which hides that; sums of
// floats take a group of elements a step (prefix_sum.h). Floats accumulate in double for float32. Integers wrap: they
// are summed as unsigned.
#include "native/kernels/cumulative/cumulative_loops.h"

#include "native/kernels/cumulative/prefix_sum.h"
#include "native/kernels/reduce/reduce_ops.h"

namespace cotangent::COTANGENT_TARGET {
namespace {

constexpr int kAbreast = 8;

template <template <class> class Op, class T, int count>
void total_lines(const T* x, int64_t length, bool reverse, typename Op<T>::Partial* totals) {
  using Wide = Op<typename Op<T>::Partial>;
  typename Op<T>::Partial sum[count];
  for (int c = 0; c < count; ++c) sum[c] = Wide::kIdentity;
  const int64_t step = reverse ? -1 : 1;
  const T* from = reverse ? x + (length - 1) : x;
  for (int64_t k = 0; k < length; ++k, from += step) {
    for (int c = 0; c < count; ++c) sum[c] = Wide::of(sum[c], static_cast<typename Op<T>::Partial>(from[c * length]));
  }
  for (int c = 0; c < count; ++c) totals[c] = sum[c];
}

template <template <class> class Op, class T>
void totals(const void* x, int64_t lines, int64_t length, bool reverse, void* totals) {
  const T* from = static_cast<const T*>(x);
  auto* to = static_cast<typename Op<T>::Partial*>(totals);
  if (length == 0) return;
  int64_t i = 0;
  for (; i + kAbreast <= lines; i += kAbreast) total_lines<Op, T, kAbreast>(from + i * length, length, reverse, to + i);
  for (; i < lines; ++i) total_lines<Op, T, 1>(from + i * length, length, reverse, to + i);
}

template <template <class> class Op, class T, int count>
void walk_lines(const T* x, T* y, int64_t length, bool reverse, const typename Op<T>::Partial* starts) {
  using Partial = typename Op<T>::Partial;
  using Wide = Op<Partial>;
  Partial sum[count], start[count];
  for (int c = 0; c < count; ++c) {
    sum[c] = Wide::kIdentity;
    start[c] = starts ? starts[c] : Wide::kIdentity;
  }
  const int64_t step = reverse ? -1 : 1, first = reverse ? length - 1 : 0;
  for (int64_t k = 0, at = first; k < length; ++k, at += step) {
    for (int c = 0; c < count; ++c) {
      sum[c] = Wide::of(sum[c], static_cast<Partial>(x[at + c * length]));
      y[at + c * length] = static_cast<T>(Wide::of(start[c], sum[c]));
    }
  }
}

template <template <class> class Op, class T>
void lines(const void* x, void* y, int64_t lines, int64_t length, bool reverse, const void* starts) {
  const T* from = static_cast<const T*>(x);
  T* to = static_cast<T*>(y);
  const auto* start = static_cast<const typename Op<T>::Partial*>(starts);
  if (length == 0) return;
  int64_t i = 0;
  for (; i + kAbreast <= lines; i += kAbreast) {
    walk_lines<Op, T, kAbreast>(from + i * length, to + i * length, length, reverse, start ? start + i : nullptr);
  }
  for (; i < lines; ++i) {
    walk_lines<Op, T, 1>(from + i * length, to + i * length, length, reverse, start ? start + i : nullptr);
  }
}

template <template <class> class Op, class T>
void columns(const void* x, void* y, int64_t rows, int64_t stride, int64_t width, bool reverse) {
  using Partial = typename Op<T>::Partial;
  using Wide = Op<Partial>;
  Partial sum[kCumulativeWidth];
  for (int64_t w = 0; w < width; ++w) sum[w] = Wide::kIdentity;
  for (int64_t k = 0; k < rows; ++k) {
    const int64_t row = (reverse ? rows - 1 - k : k) * stride;
    const T* const from = static_cast<const T*>(x) + row;
    T* const to = static_cast<T*>(y) + row;
    for (int64_t w = 0; w < width; ++w) {
      sum[w] = Wide::of(sum[w], static_cast<Partial>(from[w]));
      to[w] = static_cast<T>(sum[w]);
    }
  }
}

template <template <class> class Op, class T>
constexpr CumulativeLoops loops() {
  return {totals<Op, T>, lines<Op, T>, columns<Op, T>};
}

// Sums of floats: four lines abreast, a group of each in a register.
template <class T, bool reverse>
void add_up(const T* x, T* y, int64_t lines, int64_t length, const double* starts) {
  constexpr int kLines = 4;
  int64_t i = 0;
  for (; i + kLines <= lines; i += kLines) {
    sum_lines<T, kLines, reverse>(x + i * length, y + i * length, length, starts ? starts + i : nullptr);
  }
  for (; i < lines; ++i) {
    sum_lines<T, 1, reverse>(x + i * length, y + i * length, length, starts ? starts + i : nullptr);
  }
}

template <class T>
void float_sums(const void* x, void* y, int64_t lines, int64_t length, bool reverse, const void* starts) {
  const auto add = reverse ? add_up<T, true> : add_up<T, false>;
  add(static_cast<const T*>(x), static_cast<T*>(y), lines, length, static_cast<const double*>(starts));
}

template <class T, bool reverse>
void total_up(const T* x, int64_t lines, int64_t length, double* totals) {
  int64_t i = 0;
  for (; i + 4 <= lines; i += 4) total_sums<T, reverse>(x + i * length, length, totals + i);
  for (; i < lines; ++i) totals[i] = total_sum<T, reverse>(x + i * length, length);
}

template <class T>
void float_totals(const void* x, int64_t lines, int64_t length, bool reverse, void* totals) {
  const auto total = reverse ? total_up<T, true> : total_up<T, false>;
  total(static_cast<const T*>(x), lines, length, static_cast<double*>(totals));
}

template <template <class> class Op>
CumulativeLoops ordered_loops(int32_t dtype) {
  switch (dtype) {
    case 0:
      return loops<Op, float>();
    case 1:
      return loops<Op, double>();
    case 2:
      return loops<Op, int32_t>();
    case 3:
      return loops<Op, uint32_t>();
  }
  return {nullptr, nullptr, nullptr};
}

template <template <class> class Op>
CumulativeLoops arithmetic_loops(int32_t dtype) {
  return ordered_loops<Op>(dtype == 2 ? 3 : dtype);
}

template <class T, int count>
void recur_lines(const T* a, const T* b, T* y, int64_t length, bool reverse) {
  using Partial = typename WiderType<T>::Type;
  Partial state[count];
  for (int c = 0; c < count; ++c) state[c] = 0;
  const int64_t step = reverse ? -1 : 1, first = reverse ? length - 1 : 0;
  for (int64_t k = 0, at = first; k < length; ++k, at += step) {
    for (int c = 0; c < count; ++c) {
      const int64_t place = at + c * length;
      // Nothing comes before the first element: an infinite a has nothing to multiply.
      const Partial carried = k == 0 ? Partial(0) : static_cast<Partial>(a[place]) * state[c];
      state[c] = carried + static_cast<Partial>(b[place]);
      y[place] = static_cast<T>(state[c]);
    }
  }
}

template <class T>
void recurrence_lines(const void* a, const void* b, void* y, int64_t lines, int64_t length, bool reverse) {
  const T *const factors = static_cast<const T*>(a), *const added = static_cast<const T*>(b);
  T* const to = static_cast<T*>(y);
  int64_t i = 0;
  for (; i + kAbreast <= lines; i += kAbreast) {
    recur_lines<T, kAbreast>(factors + i * length, added + i * length, to + i * length, length, reverse);
  }
  for (; i < lines; ++i) recur_lines<T, 1>(factors + i * length, added + i * length, to + i * length, length, reverse);
}

template <class T>
void recurrence_columns(const void* a, const void* b, void* y, int64_t rows, int64_t stride, int64_t width,
                        bool reverse) {
  using Partial = typename WiderType<T>::Type;
  Partial state[kCumulativeWidth];
  for (int64_t k = 0; k < rows; ++k) {
    const int64_t row = (reverse ? rows - 1 - k : k) * stride;
    const T *const factors = static_cast<const T*>(a) + row, *const added = static_cast<const T*>(b) + row;
    T* const to = static_cast<T*>(y) + row;
    if (k == 0) {
      for (int64_t w = 0; w < width; ++w) state[w] = static_cast<Partial>(added[w]);
    } else {
      for (int64_t w = 0; w < width; ++w) {
        state[w] = static_cast<Partial>(factors[w]) * state[w] + static_cast<Partial>(added[w]);
      }
    }
    for (int64_t w = 0; w < width; ++w) to[w] = static_cast<T>(state[w]);
  }
}

}  // namespace

CumulativeLoops cumulative_loops(Cumulation operation, int32_t dtype) {
  switch (operation) {
    case Cumulation::kSum:
      if (dtype == 0) return {float_totals<float>, float_sums<float>, columns<SumOf, float>};
      if (dtype == 1) return {float_totals<double>, float_sums<double>, columns<SumOf, double>};
      return arithmetic_loops<SumOf>(dtype);
    case Cumulation::kProduct:
      return arithmetic_loops<ProductOf>(dtype);
    case Cumulation::kMax:
      return ordered_loops<MaxOf>(dtype);
    case Cumulation::kMin:
      return ordered_loops<MinOf>(dtype);
  }
  return {nullptr, nullptr, nullptr};
}

RecurrenceLoops recurrence_loops(int32_t dtype) {
  if (dtype == 0) return {recurrence_lines<float>, recurrence_columns<float>};
  return {recurrence_lines<double>, recurrence_columns<double>};
}

}  // namespace cotangent::COTANGENT_TARGET
