// Both loops keep a block of results in registers while they run over the products: `correlate` reads vectors of the
// image and single weights, `weigh` single elements of the image and vectors of y. No row or column is gathered first.
#include "native/kernels/convolution/conv_loops.h"

#include "native/kernels/elementwise/vector.h"

namespace cotangent::COTANGENT_TARGET {
namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kMaxRows = 8, kMaxTaps1 = 25, kMaxTaps2 = 12;
#else  // 16 registers
constexpr int kMaxRows = 4, kMaxTaps1 = 10, kMaxTaps2 = 5;
#endif

// Vectors of results a row: rows * vectors sums, `vectors` of the image and a weight fit the registers, and there are
// enough sums to hide the latency of an addition.
constexpr int vectors_of(int rows) {
#if defined(__AVX512F__) || defined(__aarch64__)
  return rows == 1 ? 8 : rows == 2 ? 8 : rows == 3 ? 6 : rows <= 5 ? 4 : 3;
#else
  return rows == 1 ? 6 : rows == 2 ? 4 : rows == 3 ? 3 : 2;
#endif
}

template <class T>
using Vec = typename Vector<T>::Type;

template <class T>
inline __attribute__((always_inline)) Vec<T> load(const T* from) {
  return *reinterpret_cast<const typename Vector<T>::Loose*>(from);
}

template <class T>
inline __attribute__((always_inline)) void store(T* to, Vec<T> value) {
  *reinterpret_cast<typename Vector<T>::Loose*>(to) = value;
}

template <class T>
inline __attribute__((always_inline)) Vec<T> repeat(T x) {
  return x - Vec<T>{};  // x - 0 is x, -0 and NaN included
}

template <class T>
inline __attribute__((always_inline)) Vec<T> madd(Vec<T> a, Vec<T> b, Vec<T> c) {
  return formula::Traits<Vec<T>>::madd(a, b, c);
}

template <class T, int R, int V>
inline __attribute__((always_inline)) void correlate_block(const T* image, const int64_t* offsets, int64_t taps,
                                                           const T* weights, T* to, int64_t stride) {
  constexpr int kLanes = Vector<T>::kLanes;
  Vec<T> sums[R][V] = {};
  for (int64_t k = 0; k < taps; ++k, weights += R) {
    const T* const from = image + offsets[k];
    Vec<T> x[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) x[v] = load(from + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec<T> w = repeat(weights[r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[r][v] = madd<T>(x[v], w, sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store(to + r * stride + v * kLanes, sums[r][v]);
  }
}

template <class T, int R>
void correlate_rows(const T* image, const int64_t* offsets, int64_t taps, const T* weights, T* to, int64_t stride,
                    int64_t count) {
  constexpr int kLanes = Vector<T>::kLanes, kWide = vectors_of(R);
  int64_t q = 0;
  for (; count - q > (kWide - 1) * kLanes; q += kWide * kLanes)
    correlate_block<T, R, kWide>(image + q, offsets, taps, weights, to + q, stride);
  for (; count - q > kLanes; q += 2 * kLanes)
    correlate_block<T, R, 2>(image + q, offsets, taps, weights, to + q, stride);
  if (count > q) correlate_block<T, R, 1>(image + q, offsets, taps, weights, to + q, stride);
}

template <class T>
void correlate(int64_t rows, const T* image, const int64_t* offsets, int64_t taps, const T* weights, T* to,
               int64_t stride, int64_t count) {
  using Rows = void (*)(const T*, const int64_t*, int64_t, const T*, T*, int64_t, int64_t);
  static constexpr Rows kTable[] = {
      correlate_rows<T, 1>, correlate_rows<T, 2>, correlate_rows<T, 3>, correlate_rows<T, 4>,
#if defined(__AVX512F__) || defined(__aarch64__)
      correlate_rows<T, 5>, correlate_rows<T, 6>, correlate_rows<T, 7>, correlate_rows<T, 8>,
#endif
  };
  kTable[rows - 1](image, offsets, taps, weights, to, stride, count);
}

// S successive positions at once, so that an offset is read once for S elements of the image.
template <class T, int K, int V, int S>
inline __attribute__((always_inline)) void weigh_step(const T* const (&image)[K], int64_t p, const T* y,
                                                      int64_t y_stride, Vec<T> (&sums)[K][V]) {
  Vec<T> from[S][V];
#pragma GCC unroll 4
  for (int s = 0; s < S; ++s) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) from[s][v] = load(y + s * y_stride + v * Vector<T>::kLanes);
  }
#pragma GCC unroll 32
  for (int k = 0; k < K; ++k) {
    const T* const x = image[k] + p;
#pragma GCC unroll 4
    for (int s = 0; s < S; ++s) {
      const Vec<T> factor = repeat(x[s]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sums[k][v] = madd<T>(factor, from[s][v], sums[k][v]);
    }
  }
}

template <class T, int K, int V>
void weigh_taps(int64_t taps, const T* image, const int64_t* offsets, const ConvRows& rows, const T* y,
                int64_t y_stride, T* sums, int64_t sums_stride) {
  constexpr int kLanes = Vector<T>::kLanes;
  constexpr int kStep = V == 1 && K <= kMaxTaps1 - 4 ? 4 : 2;
  Vec<T> block[K][V] = {};
  for (int64_t i = 0; i < rows.count[0]; ++i) {
    for (int64_t j = 0; j < rows.count[1]; ++j) {
      const T* at[K];
      for (int k = 0; k < K; ++k)  // taps that do not exist repeat the last one; their sums are dropped
        at[k] = image + offsets[k < taps ? k : taps - 1] + i * rows.stride[0] + j * rows.stride[1];
      int64_t p = 0;
      for (; p + kStep <= rows.count[2]; p += kStep, y += kStep * y_stride)
        weigh_step<T, K, V, kStep>(at, p, y, y_stride, block);
      for (; p < rows.count[2]; ++p, y += y_stride) weigh_step<T, K, V, 1>(at, p, y, y_stride, block);
    }
  }
  T stored[K][V * kLanes];
#pragma GCC unroll 32
  for (int k = 0; k < K; ++k) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) store(&stored[k][v * kLanes], block[k][v]);
  }
  for (int64_t k = 0; k < taps; ++k) {
    for (int v = 0; v < V; ++v) {
      T* const to = sums + k * sums_stride + v * kLanes;
      store(to, load(static_cast<const T*>(to)) + load(static_cast<const T*>(&stored[k][v * kLanes])));
    }
  }
}

template <class T>
void weigh(int64_t taps, int64_t vectors, const T* image, const int64_t* offsets, const ConvRows& rows, const T* y,
           int64_t y_stride, T* sums, int64_t sums_stride) {
  struct Entry {
    int taps;
    void (*run)(int64_t, const T*, const int64_t*, const ConvRows&, const T*, int64_t, T*, int64_t);
  };
#if defined(__AVX512F__) || defined(__aarch64__)
  static constexpr Entry kOne[] = {{1, weigh_taps<T, 1, 1>},   {2, weigh_taps<T, 2, 1>},   {4, weigh_taps<T, 4, 1>},
                                   {6, weigh_taps<T, 6, 1>},   {9, weigh_taps<T, 9, 1>},   {13, weigh_taps<T, 13, 1>},
                                   {17, weigh_taps<T, 17, 1>}, {21, weigh_taps<T, 21, 1>}, {25, weigh_taps<T, 25, 1>}};
  static constexpr Entry kTwo[] = {{1, weigh_taps<T, 1, 2>}, {2, weigh_taps<T, 2, 2>}, {4, weigh_taps<T, 4, 2>},
                                   {6, weigh_taps<T, 6, 2>}, {9, weigh_taps<T, 9, 2>}, {12, weigh_taps<T, 12, 2>}};
#else
  static constexpr Entry kOne[] = {{1, weigh_taps<T, 1, 1>},
                                   {2, weigh_taps<T, 2, 1>},
                                   {4, weigh_taps<T, 4, 1>},
                                   {6, weigh_taps<T, 6, 1>},
                                   {10, weigh_taps<T, 10, 1>}};
  static constexpr Entry kTwo[] = {{1, weigh_taps<T, 1, 2>}, {3, weigh_taps<T, 3, 2>}, {5, weigh_taps<T, 5, 2>}};
#endif
  const Entry* entry = vectors == 1 ? kOne : kTwo;
  while (entry->taps < taps) ++entry;
  entry->run(taps, image, offsets, rows, y, y_stride, sums, sums_stride);
}

template <class T>
ConvLoops<T> loops() {
  return {Vector<T>::kLanes, kMaxRows, {0, kMaxTaps1, kMaxTaps2}, correlate<T>, weigh<T>};
}

}  // namespace

ConvLoops<float> conv_loops_float32() { return loops<float>(); }
ConvLoops<double> conv_loops_float64() { return loops<double>(); }

}  // namespace cotangent::COTANGENT_TARGET
