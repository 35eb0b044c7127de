#include "native/kernels/reduce/reducer.h"

#include "native/backend/cpu/kernel.h"
#include "native/kernels/reduce/reduce_ops.h"

namespace cotangent::cpu {
namespace {

template <class T, class Partial>
void store(void* to, const void* from, int64_t count) {
  const auto* const values = static_cast<const Partial*>(from);
  for (int64_t i = 0; i < count; ++i) static_cast<T*>(to)[i] = static_cast<T>(values[i]);
}

template <template <class> class Op, class Partial>
void combine(void* rows, int64_t count, int64_t stride, int64_t width) {
  for (int64_t step = 1; step < count; step *= 2) {
    for (int64_t r = 0; r + step < count; r += 2 * step) {
      Partial* const a = static_cast<Partial*>(rows) + r * stride;
      const Partial* const b = a + step * stride;
      for (int64_t w = 0; w < width; ++w) a[w] = Op<Partial>::of(a[w], b[w]);
    }
  }
}

template <template <class> class Op, class T>
Reducer make(Reduction reduction, int32_t dtype) {
  using Partial = typename Op<T>::Partial;
  static_assert(sizeof(Partial) <= kMostPartialBytes);
  return {COTANGENT_SIMD_DISPATCH(reduce_loops)(reduction, dtype), sizeof(T), sizeof(Partial), store<T, Partial>,
          combine<Op, Partial>};
}

template <template <class> class Op>
Reducer ordered(Reduction reduction, int32_t dtype) {
  switch (dtype) {
    case CT_FLOAT32:
      return make<Op, float>(reduction, dtype);
    case CT_FLOAT64:
      return make<Op, double>(reduction, dtype);
    case CT_INT32:
      return make<Op, int32_t>(reduction, dtype);
    case CT_UINT32:
      return make<Op, uint32_t>(reduction, dtype);
  }
  return make<Op, uint8_t>(reduction, dtype);
}

// Integers wrap: they are summed as unsigned.
template <template <class> class Op>
Reducer arithmetic(Reduction reduction, int32_t dtype) {
  switch (dtype) {
    case CT_FLOAT32:
      return make<Op, float>(reduction, dtype);
    case CT_FLOAT64:
      return make<Op, double>(reduction, dtype);
  }
  return make<Op, uint32_t>(reduction, dtype);
}

}  // namespace

Reducer make_reducer(Reduction reduction, int32_t dtype) {
  switch (reduction) {
    case Reduction::kSum:
      return arithmetic<SumOf>(reduction, dtype);
    case Reduction::kProduct:
      return arithmetic<ProductOf>(reduction, dtype);
    case Reduction::kMax:
      return ordered<MaxOf>(reduction, dtype);
    case Reduction::kMin:
      break;
  }
  return ordered<MinOf>(reduction, dtype);
}

void combine_chunks(const Reducer& reducer, const ReduceStage& stage, int64_t begin, int64_t end, void* partials,
                    void* to) {
  const int64_t tiles = stage.tiles();
  for (int64_t i = begin; i < end; ++i) {
    const int64_t outer = i / tiles, column = i % tiles * kReduceWidth;
    char* const tree =
        static_cast<char*>(partials) + (outer * stage.chunks * stage.inner + column) * reducer.partial_bytes;
    const int64_t width = std::min(kReduceWidth, stage.inner - column);
    reducer.combine(tree, stage.chunks, stage.inner, width);
    reducer.store(static_cast<char*>(to) + (outer * stage.inner + column) * reducer.element_bytes, tree, width);
  }
}

}  // namespace cotangent::cpu
