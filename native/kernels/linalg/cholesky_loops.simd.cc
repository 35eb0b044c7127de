// Lane v of every vector belongs to matrix v, so that a matrix takes the same operations in the same order as any
// other. The lower triangles lie in the workspace row by row, vectors for elements. Left-looking, block column by block
// column: a tile of kTile x kTile elements stays in registers while everything to its left is subtracted. The order is
// rounded up to whole tiles with rows of the identity.
#include "native/kernels/linalg/cholesky_loops.h"

#include "native/kernels/elementwise/vector.h"

namespace cotangent::COTANGENT_TARGET {
namespace {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kTile = 4;
#else  // 16 registers
constexpr int kTile = 3;
#endif

template <class T>
using Vec = typename Vector<T>::Type;

inline int64_t padded(int64_t n) { return (n + kTile - 1) / kTile * kTile; }

// Element (i, 0).
template <class T>
inline __attribute__((always_inline)) Vec<T>* row(Vec<T>* triangle, int64_t i) {
  return triangle + i * (i + 1) / 2;
}

template <class T>
void interleave(const T* a, int64_t n, int count, Vec<T>* triangle) {
  constexpr int kLanes = Vector<T>::kLanes;
  T* const to = reinterpret_cast<T*>(triangle);
  for (int lane = 0; lane < count; ++lane) {
    const T* from = a + lane * n * n;
    T* next = to + lane;
    for (int64_t i = 0; i < n; ++i, from += n) {
      for (int64_t j = 0; j <= i; ++j, next += kLanes) *next = from[j];
    }
  }
  for (int lane = count; lane < kLanes; ++lane) {
    T* next = to + lane;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j <= i; ++j, next += kLanes) *next = i == j ? T(1) : T(0);
    }
  }
  for (int64_t i = n; i < padded(n); ++i) {
    for (int64_t j = 0; j <= i; ++j) row<T>(triangle, i)[j] = formula::splat<Vec<T>>(i == j ? T(1) : T(0));
  }
}

template <class T>
void spread(const Vec<T>* triangle, int64_t n, int count, T* l) {
  constexpr int kLanes = Vector<T>::kLanes;
  for (int lane = 0; lane < count; ++lane) {
    const T* next = reinterpret_cast<const T*>(triangle) + lane;
    for (int64_t i = 0; i < n; ++i, l += n) {
      for (int64_t j = 0; j <= i; ++j, next += kLanes) l[j] = *next;
      for (int64_t j = i + 1; j < n; ++j) l[j] = 0;
    }
  }
}

// The tile of rows from i and columns from j, less what the columns before j contribute. That is summed up first, and
// subtracted in one rounding: an element is often much larger than its share in every product.
template <class T>
inline __attribute__((always_inline)) void subtract(Vec<T>* triangle, int64_t i, int64_t j,
                                                    Vec<T> (&tile)[kTile][kTile], bool diagonal) {
  const Vec<T>*left[kTile], *above[kTile];
#pragma GCC unroll 4
  for (int r = 0; r < kTile; ++r) {
    left[r] = row<T>(triangle, i + r);
    above[r] = row<T>(triangle, j + r);
#pragma GCC unroll 4
    for (int c = 0; c < kTile; ++c) tile[r][c] = Vec<T>{};
  }
  for (int64_t k = 0; k < j; ++k) {
    Vec<T> x[kTile], y[kTile];
#pragma GCC unroll 4
    for (int r = 0; r < kTile; ++r) {
      x[r] = left[r][k];
      y[r] = above[r][k];
    }
#pragma GCC unroll 4
    for (int r = 0; r < kTile; ++r) {
#pragma GCC unroll 4
      for (int c = 0; c < kTile; ++c) {
        if (!diagonal || c <= r) tile[r][c] = formula::madd(x[r], y[c], tile[r][c]);
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kTile; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < kTile; ++c) {
      if (!diagonal || c <= r) tile[r][c] = left[r][j + c] - tile[r][c];
    }
  }
}

template <class T>
void factor_triangle(Vec<T>* triangle, int64_t n) {
  using V = Vec<T>;
  for (int64_t j = 0; j < n; j += kTile) {
    V corner[kTile][kTile], inverse[kTile];
    subtract<T>(triangle, j, j, corner, true);
#pragma GCC unroll 4
    for (int c = 0; c < kTile; ++c) {
      // The root of a positive number has a finite reciprocal.
      corner[c][c] = formula::Traits<V>::square_root(corner[c][c]);
      inverse[c] = formula::splat<V>(1) / corner[c][c];
#pragma GCC unroll 4
      for (int r = c + 1; r < kTile; ++r) {
        corner[r][c] *= inverse[c];
#pragma GCC unroll 4
        for (int q = c + 1; q <= r; ++q) corner[r][q] = formula::madd(-corner[r][c], corner[q][c], corner[r][q]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kTile; ++r) {
#pragma GCC unroll 4
      for (int c = 0; c <= r; ++c) row<T>(triangle, j + r)[j + c] = corner[r][c];
    }
    for (int64_t i = j + kTile; i < n; i += kTile) {
      V tile[kTile][kTile];
      subtract<T>(triangle, i, j, tile, false);
#pragma GCC unroll 4
      for (int r = 0; r < kTile; ++r) {
#pragma GCC unroll 4
        for (int c = 0; c < kTile; ++c) {
#pragma GCC unroll 4
          for (int q = 0; q < c; ++q) tile[r][c] = formula::madd(-tile[r][q], corner[c][q], tile[r][c]);
          tile[r][c] *= inverse[c];
          row<T>(triangle, i + r)[j + c] = tile[r][c];
        }
      }
    }
  }
}

template <class T>
int64_t room(int64_t n) {
  return padded(n) * (padded(n) + 1) / 2 * Vector<T>::kLanes;
}

template <class T>
void factor(const T* a, T* l, int64_t n, int count, T* workspace) {
  Vec<T>* const triangle = reinterpret_cast<Vec<T>*>(workspace);
  interleave<T>(a, n, count, triangle);
  factor_triangle<T>(triangle, padded(n));
  spread<T>(triangle, n, count, l);
}

}  // namespace

CholeskyLoops<float> cholesky_loops_float32() { return {Vector<float>::kLanes, room<float>, factor<float>}; }
CholeskyLoops<double> cholesky_loops_float64() { return {Vector<double>::kLanes, room<double>, factor<double>}; }

}  // namespace cotangent::COTANGENT_TARGET
