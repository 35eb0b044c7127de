// Accuracy: a float is added to at most 16 others of its lane before the lane goes into the next level (double for
// float32), so the error of a partial sum is below 20 eps sum|x|, whatever its length. Integers wrap: they are summed
// as unsigned.
#include "native/kernels/reduce/reduce_loops.h"

#include "native/kernels/elementwise/vector.h"
#include "native/kernels/reduce/reduce_ops.h"

namespace cotangent::COTANGENT_TARGET {
namespace {

template <class T>
inline typename Vector<T>::Type load(const T* x) {
  typename Vector<T>::Type v;
  __builtin_memcpy(&v, x, sizeof v);
  return v;
}

template <template <class> class Op, class T>
typename Op<T>::Partial reduce_row(const T* x, int64_t n) {
  using O = Op<T>;
  using Partial = typename O::Partial;
  using Wide = Op<Partial>;
  using V = typename Vector<T>::Type;
  constexpr int64_t kLanes = Vector<T>::kLanes;
  constexpr int64_t kFlush = O::kRounds ? 16 * 4 * kLanes : INT64_MAX;

  Partial result = Wide::kIdentity;
  int64_t i = 0;
  if (n >= kLanes) {
    Partial lanes[kLanes];
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] = Wide::kIdentity;
    const V identity = V{} + O::kIdentity;
    const int64_t whole = n / kLanes * kLanes;
    while (i < whole) {
      const int64_t stop = whole - i < kFlush ? whole : i + kFlush;
      V a0 = identity, a1 = identity, a2 = identity, a3 = identity;
      for (; i + 4 * kLanes <= stop; i += 4 * kLanes) {
        a0 = O::of(a0, load(x + i));
        a1 = O::of(a1, load(x + i + kLanes));
        a2 = O::of(a2, load(x + i + 2 * kLanes));
        a3 = O::of(a3, load(x + i + 3 * kLanes));
      }
      for (; i < stop; i += kLanes) a0 = O::of(a0, load(x + i));
      const V sum = O::of(O::of(a0, a1), O::of(a2, a3));
      T flushed[kLanes];
      __builtin_memcpy(flushed, &sum, sizeof sum);
      for (int64_t l = 0; l < kLanes; ++l) lanes[l] = Wide::of(lanes[l], static_cast<Partial>(flushed[l]));
    }
    for (int64_t half = kLanes / 2; half > 0; half /= 2) {
      for (int64_t l = 0; l < half; ++l) lanes[l] = Wide::of(lanes[l], lanes[l + half]);
    }
    result = lanes[0];
  }
  for (; i < n; ++i) result = Wide::of(result, static_cast<Partial>(x[i]));
  return result;
}

template <template <class> class Op, class T>
void reduce_rows(const void* x, int64_t rows, int64_t n, void* partial) {
  const T* const values = static_cast<const T*>(x);
  auto* const out = static_cast<typename Op<T>::Partial*>(partial);
  for (int64_t i = 0; i < rows; ++i) out[i] = reduce_row<Op, T>(values + i * n, n);
}

template <template <class> class Op, class T>
void reduce_wide_columns(const T* x, int64_t rows, int64_t stride, int64_t width, typename Op<T>::Partial* out) {
  using O = Op<T>;
  using Partial = typename O::Partial;
  using Wide = Op<Partial>;
  constexpr int64_t kFlushRows = 64;  // 16 groups of 4
  for (int64_t w = 0; w < width; ++w) out[w] = Wide::kIdentity;
  T block[kReduceWidth];
  for (int64_t r = 0; r < rows;) {
    const int64_t stop = rows - r < kFlushRows ? rows : r + kFlushRows;
    for (int64_t w = 0; w < width; ++w) block[w] = O::kIdentity;
    for (; r + 4 <= stop; r += 4) {
      const T *const x0 = x + r * stride, *const x1 = x0 + stride, *const x2 = x1 + stride, *const x3 = x2 + stride;
      for (int64_t w = 0; w < width; ++w) block[w] = O::of(block[w], O::of(O::of(x0[w], x1[w]), O::of(x2[w], x3[w])));
    }
    for (; r < stop; ++r) {
      const T* const x0 = x + r * stride;
      for (int64_t w = 0; w < width; ++w) block[w] = O::of(block[w], x0[w]);
    }
    for (int64_t w = 0; w < width; ++w) out[w] = Wide::of(out[w], static_cast<Partial>(block[w]));
  }
}

// Narrow contiguous rows are taken several at a time, as one row that is wide enough for the vectors.
template <template <class> class Op, class T>
void reduce_columns(const void* x, int64_t rows, int64_t stride, int64_t width, void* partial) {
  using Partial = typename Op<T>::Partial;
  constexpr int64_t kNarrow = 64, kGrouped = 256;
  const T* const values = static_cast<const T*>(x);
  Partial* const out = static_cast<Partial*>(partial);
  const int64_t group = width == stride && width < kNarrow ? kGrouped / width : 1;
  if (group == 1 || rows < 2 * group) {
    reduce_wide_columns<Op, T>(values, rows, stride, width, out);
    return;
  }
  Partial grouped[kGrouped];
  const int64_t groups = rows / group;
  reduce_wide_columns<Op, T>(values, groups, group * width, group * width, grouped);
  reduce_wide_columns<Op, T>(values + groups * group * width, rows - groups * group, stride, width, out);
  for (int64_t g = 0; g < group; ++g) {
    for (int64_t w = 0; w < width; ++w) out[w] = Op<Partial>::of(out[w], grouped[g * width + w]);
  }
}

template <template <class> class Op, class T>
constexpr ReduceLoops loops() {
  return {reduce_rows<Op, T>, reduce_columns<Op, T>};
}

template <template <class> class Op>
ReduceLoops ordered_loops(int32_t dtype) {
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

template <template <class> class Op>
ReduceLoops arithmetic_loops(int32_t dtype) {
  switch (dtype) {
    case 0:
      return loops<Op, float>();
    case 1:
      return loops<Op, double>();
    case 2:
    case 3:
      return loops<Op, uint32_t>();
  }
  return {nullptr, nullptr};
}

}  // namespace

ReduceLoops reduce_loops(Reduction reduction, int32_t dtype) {
  switch (reduction) {
    case Reduction::kSum:
      return arithmetic_loops<SumOf>(dtype);
    case Reduction::kProduct:
      return arithmetic_loops<ProductOf>(dtype);
    case Reduction::kMax:
      return ordered_loops<MaxOf>(dtype);
    case Reduction::kMin:
      return ordered_loops<MinOf>(dtype);
  }
  return {nullptr, nullptr};
}

}  // namespace cotangent::COTANGENT_TARGET
