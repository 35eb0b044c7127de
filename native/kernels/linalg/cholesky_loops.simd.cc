// Lane v of every vector belongs to matrix v, so that a matrix takes the same operations in the same order as any
// other. The lower triangles lie in the workspace row by row, vectors for elements. Left-looking, block column by block
// column: a tile of kTile x kTile elements stays in registers while everything to its left is subtracted. The order is
// rounded up to whole tiles with rows of the identity.
#include "native/kernels/linalg/cholesky_loops.h"

#include "native/kernels/elementwise/vector_transpose.h"

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

// Row i of all matrices from column `begin` on, an element after the other.
template <class T>
void interleave_row(const T* a, int64_t n, int count, int64_t i, int64_t begin, Vec<T>* to) {
  constexpr int kLanes = Vector<T>::kLanes;
  T* const elements = reinterpret_cast<T*>(to);
  for (int lane = 0; lane < count; ++lane) {
    const T* const from = a + (lane * n + i) * n;
    for (int64_t j = begin; j <= i; ++j) elements[j * kLanes + lane] = from[j];
  }
  for (int lane = count; lane < kLanes; ++lane) {
    for (int64_t j = begin; j <= i; ++j) elements[j * kLanes + lane] = i == j ? T(1) : T(0);
  }
}

// Whole squares of elements reach behind the diagonal, into the rows below: they come later.
template <class T>
void interleave(const T* a, int64_t n, int count, Vec<T>* triangle) {
  constexpr int kLanes = Vector<T>::kLanes;
  for (int64_t i = 0; i < n; ++i) {
    Vec<T>* const to = row<T>(triangle, i);
    int64_t j = 0;
    for (; count == kLanes && j <= i && j + kLanes <= n; j += kLanes) {
      Vec<T> square[kLanes];
#pragma GCC unroll 16
      for (int lane = 0; lane < kLanes; ++lane)
        square[lane] = *reinterpret_cast<const typename Vector<T>::Loose*>(a + (lane * n + i) * n + j);
      transpose_square<T>(square);
#pragma GCC unroll 16
      for (int q = 0; q < kLanes; ++q) to[j + q] = square[q];
    }
    interleave_row<T>(a, n, count, i, j, to);
  }
  for (int64_t i = n; i < padded(n); ++i) {
    for (int64_t j = 0; j <= i; ++j) row<T>(triangle, i)[j] = formula::splat<Vec<T>>(i == j ? T(1) : T(0));
  }
}

template <class T>
void spread(const Vec<T>* triangle, int64_t n, int count, T* l) {
  constexpr int kLanes = Vector<T>::kLanes;
  for (int64_t i = 0; i < n; ++i) {
    const Vec<T>* const from = row<T>(const_cast<Vec<T>*>(triangle), i);
    int64_t j = 0;
    for (; count == kLanes && j + kLanes <= n; j += kLanes) {
      Vec<T> square[kLanes];
#pragma GCC unroll 16
      for (int q = 0; q < kLanes; ++q) square[q] = j + q <= i ? from[j + q] : Vec<T>{};
      transpose_square<T>(square);
#pragma GCC unroll 16
      for (int lane = 0; lane < kLanes; ++lane)
        *reinterpret_cast<typename Vector<T>::Loose*>(l + (lane * n + i) * n + j) = square[lane];
    }
    const T* const elements = reinterpret_cast<const T*>(from);
    for (int lane = 0; lane < count; ++lane) {
      T* const to = l + (lane * n + i) * n;
      for (int64_t q = j; q < n; ++q) to[q] = q <= i ? elements[q * kLanes + lane] : T(0);
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
  return (padded(n) * (padded(n) + 1) / 2 + Vector<T>::kLanes) * Vector<T>::kLanes;
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
