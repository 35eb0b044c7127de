// The five loops around a micro-kernel of Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, ACM
// TOMS 34 (2008), with C row-major: a tile of kRows x kVectors vectors of C stays in registers while it runs over a
// block of k. For that A is packed into panels of kRows rows, B into panels of whole vectors, a k after the other.
#include "native/kernels/matmul/gemm_loops.h"

#include "native/kernels/elementwise/vector.h"
#include "native/kernels/matmul/gemm_pack.h"

namespace cotangent::COTANGENT_TARGET {
namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kRows = 12;
#else  // 16 registers
constexpr int kRows = 6;
#endif
constexpr int kVectors = 2;

// A panel of B (kBlockK x kVectors vectors of 64 bytes: 32 KiB) stays in the first cache, a block of A (480 KiB at
// most) in the second, a block of B in the last.
constexpr int64_t kBlockK = 256, kBlockRows = 240;
template <class T>
constexpr int64_t kBlockColumns = 8192 / sizeof(T);
// Up to here B, row-major, is read where it lies: packing it would cost more than it saves.
constexpr int64_t kFewRows = 2 * kRows;

inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

// Length of equal blocks of at most `most`, a multiple of `step`.
inline int64_t block_of(int64_t n, int64_t most, int64_t step) {
  const int64_t count = (n + most - 1) / most;
  return round_up((n + count - 1) / count, step);
}

template <class T>
constexpr int64_t kWidth = kVectors * Vector<T>::kLanes;

// C [R, width] (+)= alpha A B: A a packed panel of R rows, B of V vectors, `b_stride` elements from one k to the next.
template <class T, int R, int V>
void tile(int64_t k, const T* a, const T* b, int64_t b_stride, T alpha, T beta, T* c, int64_t ldc, int64_t width) {
  using Vec = typename Vector<T>::Type;
  using Loose = typename Vector<T>::Loose;
  constexpr int kLanes = Vector<T>::kLanes;
  for (int r = 0; r < R; ++r) __builtin_prefetch(c + r * ldc, 1);
  Vec sums[R][V] = {};
  for (int64_t p = 0; p < k; ++p, a += R, b += b_stride) {
    Vec x[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) x[v] = *reinterpret_cast<const Loose*>(b + v * kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      const Vec factor = a[r] - Vec{};  // x - 0 is x, -0 and NaN included
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sums[r][v] = formula::madd(factor, x[v], sums[r][v]);
    }
  }
  if (alpha != 1) {
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sums[r][v] *= alpha;
    }
  }
  if (width == V * kLanes) {
    const bool add = beta != 0;
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        Loose* const to = reinterpret_cast<Loose*>(c + r * ldc + v * kLanes);
        *to = add ? formula::madd(beta - Vec{}, Vec(*to), sums[r][v]) : sums[r][v];
      }
    }
    return;
  }
  T stored[R][V * kLanes];
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) *reinterpret_cast<Loose*>(&stored[r][v * kLanes]) = sums[r][v];
  }
  for (int r = 0; r < R; ++r) {
    for (int64_t j = 0; j < width; ++j) {
      T* const to = c + r * ldc + j;
      *to = beta != 0 ? formula::madd(beta, *to, stored[r][j]) : stored[r][j];
    }
  }
}

template <class T>
using Tile = void (*)(int64_t, const T*, const T*, int64_t, T, T, T*, int64_t, int64_t);

// By rows - 1 and vectors - 1.
template <class T>
constexpr Tile<T> kTiles[][kVectors] = {
    {tile<T, 1, 1>, tile<T, 1, 2>},   {tile<T, 2, 1>, tile<T, 2, 2>},   {tile<T, 3, 1>, tile<T, 3, 2>},
    {tile<T, 4, 1>, tile<T, 4, 2>},   {tile<T, 5, 1>, tile<T, 5, 2>},   {tile<T, 6, 1>, tile<T, 6, 2>},
#if defined(__AVX512F__) || defined(__aarch64__)
    {tile<T, 7, 1>, tile<T, 7, 2>},   {tile<T, 8, 1>, tile<T, 8, 2>},   {tile<T, 9, 1>, tile<T, 9, 2>},
    {tile<T, 10, 1>, tile<T, 10, 2>}, {tile<T, 11, 1>, tile<T, 11, 2>}, {tile<T, 12, 1>, tile<T, 12, 2>},
#endif
};

// Where the panels of a block of B lie: packed, or, whole panels of few rows, in B itself.
template <class T>
struct Panels {
  const T* packed;
  const T* in_place;  // or null
  int64_t ldb;
};

template <class T>
void multiply_block(int64_t m, int64_t n, int64_t k, const T* a, const Panels<T>& b, T alpha, T beta, T* c,
                    int64_t ldc) {
  for (int64_t j = 0; j < n; j += kWidth<T>) {
    const int64_t width = smaller(kWidth<T>, n - j);
    const int vectors = width > Vector<T>::kLanes ? 2 : 1;
    const bool direct = b.in_place && width == kWidth<T>;
    const T* const panel = direct ? b.in_place + j : b.packed + j * k;
    const int64_t stride = direct ? b.ldb : vectors * Vector<T>::kLanes;
    for (int64_t i = 0; i < m; i += kRows) {
      const int64_t rows = smaller(kRows, m - i);
      kTiles<T>[rows - 1][vectors - 1](k, a + i * k, panel, stride, alpha, beta, c + i * ldc + j, ldc, width);
    }
  }
}

template <class T>
int64_t room(int64_t m, int64_t n, int64_t k) {
  const int64_t depth = smaller(kBlockK, round_up(k, Vector<T>::kLanes));
  const int64_t columns = round_up(smaller(n, kBlockColumns<T>), kWidth<T>);
  return round_up(smaller(m, kBlockRows) * depth + kPackSlack<T>, 16) + columns * depth + kPackSlack<T>;
}

template <class T>
void multiply(const GemmCall<T>& call, T* workspace) {
  const int64_t depth = block_of(call.k, kBlockK, Vector<T>::kLanes);
  const int64_t height = block_of(call.m, kBlockRows, kRows);
  T* const packed_a = workspace;
  T* const packed_b = workspace + round_up(smaller(call.m, kBlockRows) * smaller(depth, call.k) + kPackSlack<T>, 16);
  for (int64_t j = 0; j < call.n; j += kBlockColumns<T>) {
    const int64_t n = smaller(kBlockColumns<T>, call.n - j);
    for (int64_t p = 0; p < call.k; p += depth) {
      const int64_t k = smaller(depth, call.k - p);
      const T* const b = call.b + (call.transpose_b ? j * call.ldb + p : p * call.ldb + j);
      Panels<T> panels{packed_b, nullptr, call.ldb};
      if (call.transpose_b) {
        for (int64_t q = 0; q < n; q += kWidth<T>)
          pack_across(b + q * call.ldb, call.ldb, smaller(kWidth<T>, n - q), k, vectors_for<T>(n - q),
                      packed_b + q * k);
      } else {
        if (call.m <= kFewRows) panels.in_place = b;
        for (int64_t q = panels.in_place ? n / kWidth<T> * kWidth<T> : 0; q < n; q += kWidth<T>)
          pack_along(b + q, call.ldb, smaller(kWidth<T>, n - q), k, vectors_for<T>(n - q), packed_b + q * k);
      }
      for (int64_t i = 0; i < call.m; i += height) {
        const int64_t m = smaller(height, call.m - i);
        const T* const a = call.a + (call.transpose_a ? p * call.lda + i : i * call.lda + p);
        for (int64_t q = 0; q < m; q += kRows) {
          const int64_t rows = smaller(kRows, m - q);
          if (call.transpose_a) {
            pack_along(a + q, call.lda, rows, k, rows, packed_a + q * k);
          } else {
            pack_across(a + q * call.lda, call.lda, rows, k, rows, packed_a + q * k);
          }
        }
        multiply_block<T>(m, n, k, packed_a, panels, call.alpha, p == 0 ? call.beta : T(1), call.c + i * call.ldc + j,
                          call.ldc);
      }
    }
  }
}

template <class T>
GemmLoops<T> loops() {
  return {kRows, static_cast<int>(kWidth<T>), room<T>, multiply<T>};
}

}  // namespace

GemmLoops<float> gemm_loops_float32() { return loops<float>(); }
GemmLoops<double> gemm_loops_float64() { return loops<double>(); }

}  // namespace cotangent::COTANGENT_TARGET
