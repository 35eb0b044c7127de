// Some builds of OpenBLAS compute wrongly on some processors. So every entry point is compared with plain loops in
// double; those of LAPACK, which are made of them, in lapack_self_check.cc.
#include <cmath>
#include <limits>

#include "native/backend/cpu/blas.h"
#include "native/backend/cpu/self_check.h"

namespace cotangent::cpu::blas {
namespace {

double sum_roundings(int n) { return 8 + n; }
double solve_roundings(int n) { return 32 + 8 * std::sqrt(n); }

template <class T>
void check_gemm(int m, int n, int k, Numbers& numbers, Report& report) {
  const std::vector<T> a = numbers.matrix<T>(m, k), b = numbers.matrix<T>(k, n);
  // Large products are compared on a sample of rows and columns that meets every residue of the tile sizes.
  const int row_step = m > 200 ? 37 : 1, column_step = n > 200 ? 29 : 1;
  for (int variant = 0; variant < 4; ++variant) {
    const bool ta = variant & 1, tb = variant & 2;
    std::vector<T> c = numbers.matrix<T>(m, n);
    const std::vector<T> before = c;
    gemm(ta, tb, m, n, k, T(1), a.data(), ta ? m : k, b.data(), tb ? k : n, T(0.5), c.data(), n);
    double worst = 0;
    for (int i = 0; i < m; i += row_step) {
      for (int j = 0; j < n; j += column_step) {
        double sum = 0.5 * static_cast<double>(before[static_cast<size_t>(i) * n + j]);
        for (int p = 0; p < k; ++p) {
          sum += static_cast<double>(ta ? a[static_cast<size_t>(p) * m + i] : a[static_cast<size_t>(i) * k + p]) *
                 static_cast<double>(tb ? b[static_cast<size_t>(j) * k + p] : b[static_cast<size_t>(p) * n + j]);
        }
        take_max(worst, std::abs(sum - static_cast<double>(c[static_cast<size_t>(i) * n + j])));
      }
    }
    report.expect<T>(worst, sum_roundings(k), "gemm", shape_text(m, n, k) + (ta ? " T" : " N") + (tb ? "T" : "N"));
  }
}

template <class T>
void check_gemv(int m, int n, Numbers& numbers, Report& report) {
  const std::vector<T> a = numbers.matrix<T>(m, n);
  for (const char trans : {'N', 'T'}) {
    const int in = trans == 'N' ? n : m, out = trans == 'N' ? m : n;
    const std::vector<T> x = numbers.matrix<T>(in, 1);
    std::vector<T> y(static_cast<size_t>(out));
    gemv(trans, m, n, T(1), a.data(), m, x.data(), T(0), y.data());
    double worst = 0;
    for (int i = 0; i < out; ++i) {
      double sum = 0;
      for (int j = 0; j < in; ++j) {
        const size_t at = trans == 'N' ? static_cast<size_t>(j) * m + i : static_cast<size_t>(i) * m + j;
        sum += static_cast<double>(a[at]) * static_cast<double>(x[static_cast<size_t>(j)]);
      }
      take_max(worst, std::abs(sum - static_cast<double>(y[static_cast<size_t>(i)])));
    }
    report.expect<T>(worst, sum_roundings(in), "gemv", shape_text(m, n, 1) + " " + trans);
  }
}

// A well-conditioned matrix: entries of size 1/n and 2 on the diagonal.
template <class T>
std::vector<T> dominant(int n, Numbers& numbers) {
  std::vector<T> a = numbers.matrix<T>(n, n);
  for (T& value : a) value /= static_cast<T>(n);
  for (int i = 0; i < n; ++i) a[static_cast<size_t>(i) * n + i] = T(2);
  return a;
}

// |op(A) x - b| of a solve, A the `uplo` triangle, column-major.
template <class T>
double residual(char uplo, char trans, int n, const std::vector<T>& a, const T* x, const T* b, int stride) {
  double worst = 0;
  for (int i = 0; i < n; ++i) {
    double sum = -static_cast<double>(b[static_cast<size_t>(i) * stride]);
    for (int j = 0; j < n; ++j) {
      const int row = trans == 'N' ? i : j, column = trans == 'N' ? j : i;
      if (uplo == 'L' ? row < column : row > column) continue;
      sum += static_cast<double>(a[static_cast<size_t>(column) * n + row]) *
             static_cast<double>(x[static_cast<size_t>(j) * stride]);
    }
    take_max(worst, std::abs(sum));
  }
  return worst;
}

template <class T>
void check_solves(int n, int k, Numbers& numbers, Report& report) {
  const std::vector<T> a = dominant<T>(n, numbers);
  const std::vector<T> b = numbers.matrix<T>(n, k);
  for (const char uplo : {'L', 'U'}) {
    for (const char trans : {'N', 'T'}) {
      const std::string which = std::string(" ") + uplo + trans;
      std::vector<T> left = b, right = b, vector(b.begin(), b.begin() + n);
      trsm('L', uplo, trans, 'N', n, k, a.data(), n, left.data(), n);
      trsm('R', uplo, trans, 'N', k, n, a.data(), n, right.data(), k);
      trsv(uplo, trans, 'N', n, a.data(), n, vector.data());
      double worst_left = 0, worst_right = 0;
      for (int j = 0; j < k; ++j) {
        const size_t column = static_cast<size_t>(j) * n;
        take_max(worst_left, residual(uplo, trans, n, a, &left[column], &b[column], 1));
        // x op(A) = b is op(A)^T x^T = b^T
        take_max(worst_right, residual(uplo, trans == 'N' ? 'T' : 'N', n, a, &right[static_cast<size_t>(j)],
                                       &b[static_cast<size_t>(j)], k));
      }
      report.expect<T>(worst_left, solve_roundings(n), "trsm", shape_text(n, k, n) + " L" + which);
      report.expect<T>(worst_right, solve_roundings(n), "trsm", shape_text(k, n, n) + " R" + which);
      report.expect<T>(residual(uplo, trans, n, a, vector.data(), b.data(), 1), solve_roundings(n), "trsv",
                       shape_text(n, 1, n) + which);
    }
  }
}

// syrk makes a positive definite matrix, potrf factors it.
template <class T>
void check_cholesky(int n, Numbers& numbers, Report& report) {
  const std::vector<T> a = dominant<T>(n, numbers);
  std::vector<T> c(static_cast<size_t>(n) * n), plain = c;
  syrk('U', 'T', n, n, T(1), a.data(), n, T(0), c.data(), n);
  double worst = 0;
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i <= j; ++i) {
      double sum = 0;
      for (int p = 0; p < n; ++p) {
        sum += static_cast<double>(a[static_cast<size_t>(i) * n + p]) *
               static_cast<double>(a[static_cast<size_t>(j) * n + p]);
      }
      take_max(worst, std::abs(sum - static_cast<double>(c[static_cast<size_t>(j) * n + i])));
      plain[static_cast<size_t>(j) * n + i] = static_cast<T>(sum);
    }
  }
  report.expect<T>(worst, sum_roundings(n), "syrk", shape_text(n, n, n));
  std::vector<T> factor = plain;
  const int info = potrf('U', n, factor.data(), n);
  worst = info == 0 ? 0 : std::numeric_limits<double>::infinity();
  for (int j = 0; j < n && info == 0; ++j) {
    for (int i = 0; i <= j; ++i) {
      double sum = -static_cast<double>(plain[static_cast<size_t>(j) * n + i]);
      for (int p = 0; p <= i; ++p) {
        sum += static_cast<double>(factor[static_cast<size_t>(i) * n + p]) *
               static_cast<double>(factor[static_cast<size_t>(j) * n + p]);
      }
      take_max(worst, std::abs(sum));
    }
  }
  report.expect<T>(worst, 4 * solve_roundings(n), "potrf", shape_text(n, n, n));
}

template <class T>
void check_type(Report& report) {
  Numbers numbers;
  static constexpr int kProducts[][3] = {{1, 1, 1},        {2, 3, 5},       {7, 17, 33},     {16, 16, 16},
                                         {64, 64, 64},     {129, 127, 255}, {1021, 63, 300}, {33, 1031, 129},
                                         {300, 200, 1100}, {1025, 513, 65}, {100, 100, 1},   {5, 4, 1500}};
  for (const auto& size : kProducts) check_gemm<T>(size[0], size[1], size[2], numbers, report);
  for (const int n : {1, 7, 64, 129, 1003}) {
    check_gemv<T>(n, 2 * n + 1, numbers, report);
    check_gemv<T>(2 * n + 1, n, numbers, report);
  }
  for (const int n : {1, 5, 64, 131, 257}) {
    check_solves<T>(n, 1, numbers, report);
    check_solves<T>(n, 19, numbers, report);
    check_cholesky<T>(n, numbers, report);
  }
}

}  // namespace

std::vector<std::string> self_check() {
  Report report;
  check_type<float>(report);
  check_type<double>(report);
  check_lapack(report);
  return report.faults;
}

}  // namespace cotangent::cpu::blas
