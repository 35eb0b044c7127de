#include "native/kernels/reduce/reduce_loops.h"
#include "native/kernels/reduce/reduce_ops.h"

namespace cotangent::COTANGENT_TARGET {
namespace {

template <class T>
inline bool is_nan(T x) {
  if constexpr (Limits<T>::kFloating) return x != x;
  return false;
}

// Whether the winner changed when it went from `before` to `now`. NaN differs even from itself.
template <class T>
inline bool takes_over(T before, T now) {
  return (now != before) & !is_nan(before);
}

// Short rows go through one by one. Long ones take two passes, each of which vectorises: the winning value, then its
// first place.
template <template <class> class Op, class T>
int32_t arg_row(const void* x, int64_t n) {
  constexpr int64_t kBlock = 64;
  const T* const values = static_cast<const T*>(x);
  if (n < kBlock) {
    T best = values[0];
    int32_t winner = 0;
    for (int64_t k = 1; k < n; ++k) {
      const T now = Op<T>::of(best, values[k]);
      winner = takes_over(best, now) ? static_cast<int32_t>(k) : winner;
      best = now;
    }
    return winner;
  }
  T lanes[kBlock];
  for (int64_t l = 0; l < kBlock; ++l) lanes[l] = Op<T>::kIdentity;
  int64_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    for (int64_t l = 0; l < kBlock; ++l) lanes[l] = Op<T>::of(lanes[l], values[i + l]);
  }
  T best = Op<T>::kIdentity;
  for (int64_t l = 0; l < kBlock; ++l) best = Op<T>::of(best, lanes[l]);
  for (; i < n; ++i) best = Op<T>::of(best, values[i]);

  const bool nan = is_nan(best);
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t stop = n - start < kBlock ? n : start + kBlock;
    int32_t hits = 0;
    for (int64_t k = start; k < stop; ++k) hits += (values[k] == best) | (nan & is_nan(values[k]));
    if (!hits) continue;
    for (int64_t k = start; k < stop; ++k) {
      if (values[k] == best || (nan && is_nan(values[k]))) return static_cast<int32_t>(k);
    }
  }
  return 0;
}

template <template <class> class Op, class T>
void arg_columns(const void* x, int64_t rows, int64_t stride, int64_t width, int32_t* index) {
  const T* const values = static_cast<const T*>(x);
  T best[kReduceWidth];
  for (int64_t w = 0; w < width; ++w) {
    best[w] = values[w];
    index[w] = 0;
  }
  for (int64_t r = 1; r < rows; ++r) {
    const T* const row = values + r * stride;
    for (int64_t w = 0; w < width; ++w) {
      const T now = Op<T>::of(best[w], row[w]);
      index[w] = takes_over(best[w], now) ? static_cast<int32_t>(r) : index[w];
      best[w] = now;
    }
  }
}

template <template <class> class Op, class T>
constexpr ArgLoops loops() {
  return {arg_row<Op, T>, arg_columns<Op, T>};
}

template <template <class> class Op>
ArgLoops loops_for(int32_t dtype) {
  switch (dtype) {
    case 0:
      return loops<Op, float>();
    case 1:
      return loops<Op, double>();
    case 2:
      return loops<Op, int32_t>();
    case 3:
      return loops<Op, uint32_t>();
    case 4:
      return loops<Op, uint8_t>();
  }
  return {nullptr, nullptr};
}

}  // namespace

ArgLoops arg_loops(Reduction reduction, int32_t dtype) {
  return reduction == Reduction::kMax ? loops_for<MaxOf>(dtype) : loops_for<MinOf>(dtype);
}

}  // namespace cotangent::COTANGENT_TARGET
