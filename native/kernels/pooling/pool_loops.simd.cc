#include "native/kernels/pooling/pool_loops.h"

namespace cotangent::COTANGENT_TARGET {
namespace {

// `kStride` 0: any stride.
template <class T, int kStride>
inline __attribute__((always_inline)) void take(const T* x, int64_t any, int64_t count, int32_t first,
                                                T* __restrict__ best, int32_t* __restrict__ index) {
  const int64_t stride = kStride ? kStride : any;
  for (int64_t p = 0; p < count; ++p) {
    const T now = x[p * stride], before = best[p];
    const int32_t place = index[p];
    const bool wins = (now > before) | ((now != now) & (before == before)) | (place < 0);
    best[p] = wins ? now : before;
    index[p] = wins ? first + static_cast<int32_t>(p * stride) : place;
  }
}

template <class T>
void take_larger(const T* x, int64_t stride, int64_t count, int32_t first, T* best, int32_t* index) {
  if (stride == 1) {
    take<T, 1>(x, stride, count, first, best, index);
  } else if (stride == 2) {
    take<T, 2>(x, stride, count, first, best, index);
  } else {
    take<T, 0>(x, stride, count, first, best, index);
  }
}

}  // namespace

PoolLoops<float> pool_loops_float32() { return {take_larger<float>}; }
PoolLoops<double> pool_loops_float64() { return {take_larger<double>}; }

}  // namespace cotangent::COTANGENT_TARGET
