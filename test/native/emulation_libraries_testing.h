// Helpers of the tests of the emulated libraries: column-major matrices, and the entry points of a type.
#ifndef COTANGENT_TEST_EMULATION_LIBRARIES_TESTING_H
#define COTANGENT_TEST_EMULATION_LIBRARIES_TESTING_H

#include <algorithm>
#include <cmath>
#include <random>
#include <type_traits>

#include "test/native/emulation_testing.h"

namespace cotangent::testing {

inline std::mt19937 generator(1);

template <class T>
std::vector<T> random_values(size_t count) {
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(uniform(generator));
  return values;
}

// Column-major.
template <class T>
struct Matrix {
  int rows, columns;
  std::vector<T> data;
  Matrix(int rows, int columns) : rows(rows), columns(columns), data(static_cast<size_t>(rows * columns)) {}
  Matrix(int rows, int columns, std::vector<T> values) : rows(rows), columns(columns), data(std::move(values)) {}
  T& operator()(int i, int j) { return data[static_cast<size_t>(i + j * rows)]; }
  T operator()(int i, int j) const { return data[static_cast<size_t>(i + j * rows)]; }
};

template <class T>
Matrix<T> random_matrix(int rows, int columns) {
  return {rows, columns, random_values<T>(static_cast<size_t>(rows * columns))};
}

template <class T>
Matrix<T> multiply(const Matrix<T>& a, const Matrix<T>& b, bool ta = false, bool tb = false) {
  const int m = ta ? a.columns : a.rows, k = ta ? a.rows : a.columns, n = tb ? b.rows : b.columns;
  Matrix<T> c(m, n);
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int l = 0; l < k; ++l) {
        sum += static_cast<double>(ta ? a(l, i) : a(i, l)) * static_cast<double>(tb ? b(j, l) : b(l, j));
      }
      c(i, j) = static_cast<T>(sum);
    }
  }
  return c;
}

// Sums of a few dozen products of numbers below 1, and factorisations of well-conditioned matrices: some hundred units
// of rounding.
template <class T>
constexpr double kTolerance = std::is_same_v<T, float> ? 3e-5 : 3e-14;

template <class T>
void close(const std::vector<T>& values, const std::vector<T>& expected, const char* what) {
  double error = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(static_cast<double>(values[i]) - static_cast<double>(expected[i]));
    error = difference <= error ? error : difference;  // NaN is an error, too
  }
  CHECK(error <= kTolerance<T> && values.size() == expected.size(), "%s: off by %g", what, error);
}

// A symmetric matrix with eigenvalues of 1 and more.
template <class T>
Matrix<T> positive_definite(int n) {
  const Matrix<T> r = random_matrix<T>(n, n);
  Matrix<T> a = multiply(r, r, false, true);
  for (int i = 0; i < n; ++i) a(i, i) += 1;
  return a;
}

// L U of what an LU factorisation left in place of the matrix.
template <class T>
Matrix<T> multiply_factors(const Matrix<T>& packed) {
  const int n = packed.rows;
  Matrix<T> lower(n, n), upper(n, n);
  for (int j = 0; j < n; ++j) {
    lower(j, j) = 1;
    for (int i = 0; i < n; ++i) (i > j ? lower : upper)(i, j) = packed(i, j);
  }
  return multiply(lower, upper);
}

// The rows exchanged as the pivots, counted from 1, say.
template <class T>
Matrix<T> permute(Matrix<T> a, const std::vector<int>& pivots) {
  for (int i = 0; i < a.rows; ++i) {
    for (int j = 0; j < a.columns; ++j) std::swap(a(i, j), a(pivots[static_cast<size_t>(i)] - 1, j));
  }
  return a;
}

#define BLAS(call) CHECK((call) == CUBLAS_STATUS_SUCCESS, "%s", emulation::last_fault().c_str())
#define SOLVER(call) CHECK((call) == CUSOLVER_STATUS_SUCCESS, "%s", emulation::last_fault().c_str())

// The entry point of the type.
#define BY_TYPE(T, prefix, name)              \
  ([] {                                       \
    if constexpr (std::is_same_v<T, float>) { \
      return prefix##S##name;                 \
    } else {                                  \
      return prefix##D##name;                 \
    }                                         \
  }())

}  // namespace cotangent::testing

#endif
