// Lanes of products; at most 64 products of float32 are added up in a lane before it goes into a sum in double.
#include "native/kernels/matmul/dot.h"

namespace cotangent::COTANGENT_TARGET {
namespace {

template <class T>
double dot(const T* x, const T* y, int64_t n) {
  constexpr int64_t kLanes = 256 / sizeof(T), kRows = 16;
  double total[kLanes] = {};
  int64_t i = 0;
  while (n - i >= kLanes) {
    const int64_t rows = (n - i) / kLanes < kRows ? (n - i) / kLanes : kRows;
    T sum[kLanes] = {};
    for (int64_t r = 0; r < rows; ++r, i += kLanes) {
      for (int64_t l = 0; l < kLanes; ++l) sum[l] += x[i + l] * y[i + l];
    }
    for (int64_t l = 0; l < kLanes; ++l) total[l] += static_cast<double>(sum[l]);
  }
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t l = 0; l < half; ++l) total[l] += total[l + half];
  }
  double rest = 0;
  for (; i < n; ++i) rest += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  return total[0] + rest;
}

}  // namespace

DotLoops dot_loops() { return {dot<float>, dot<double>}; }

}  // namespace cotangent::COTANGENT_TARGET
