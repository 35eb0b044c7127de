// Every entry point of lapack.h by what defines its result, summed in double: products of the factors give the matrix.
#include <algorithm>
#include <cmath>

#include "native/backend/cpu/blas.h"
#include "native/backend/cpu/lapack.h"
#include "native/backend/cpu/self_check.h"

namespace cotangent::cpu::blas {
namespace {

constexpr int kWorkRows = 64;  // LAPACK's block size at most

// Column-major.
template <class T>
struct Matrix {
  Matrix(int rows, int columns) : rows(rows), columns(columns), data(static_cast<size_t>(rows) * columns) {}
  Matrix(int rows, int columns, Numbers& numbers)
      : rows(rows), columns(columns), data(numbers.matrix<T>(rows, columns)) {}
  T& at(int i, int j) { return data[static_cast<size_t>(j) * rows + i]; }
  double operator()(int i, int j) const { return static_cast<double>(data[static_cast<size_t>(j) * rows + i]); }
  int rows, columns;
  std::vector<T> data;
};

// Largest |sum over p < inner of x(i, p) y(p, j) - z(i, j)|.
template <class X, class Y, class Z>
double product_error(int rows, int inner, int columns, X x, Y y, Z z) {
  double worst = 0;
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < columns; ++j) {
      double sum = -z(i, j);
      for (int p = 0; p < inner; ++p) sum += x(i, p) * y(p, j);
      take_max(worst, std::abs(sum));
    }
  }
  return worst;
}

double identity(int i, int j) { return i == j ? 1 : 0; }

double failed(int info) { return info == 0 ? 0 : std::numeric_limits<double>::infinity(); }

// Backward stable: a few eps |A|, with |A| below 2 sqrt(n), and the roundings of n steps add up as their root.
double roundings(int n) { return 16.0 * (1 + n); }

template <class T>
void check_lu(int n, Numbers& numbers, Report& report) {
  const Matrix<T> a(n, n, numbers);
  Matrix<T> lu = a, permuted = a;
  std::vector<int> pivots(static_cast<size_t>(n));
  double worst = failed(getrf(n, n, lu.data.data(), n, pivots.data()));
  laswp(n, permuted.data.data(), n, 1, n, pivots.data());
  take_max(worst, product_error(
                      n, n, n, [&](int i, int p) { return i == p  ? 1
                                                          : p < i ? lu(i, p)
                                                                  : 0; },
                      [&](int p, int j) { return p <= j ? lu(p, j) : 0; }, permuted));
  report.expect<T>(worst, roundings(n), "getrf, laswp", shape_text(n, n, n));
}

template <class T>
void check_lq(int m, int n, Numbers& numbers, Report& report) {
  const int k = std::min(m, n);
  const Matrix<T> a(m, n, numbers);
  Matrix<T> l = a, q(k, n);
  std::vector<T> tau(static_cast<size_t>(k)), work(static_cast<size_t>(kWorkRows) * m);
  gelqf(m, n, l.data.data(), m, tau.data(), work.data(), kWorkRows * m);
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i < k; ++i) q.at(i, j) = l.at(i, j);
  }
  orglq(k, n, k, q.data.data(), k, tau.data(), work.data(), kWorkRows * m);
  double worst = product_error(m, k, n, [&](int i, int p) { return p <= i ? l(i, p) : 0; }, q, a);
  take_max(worst, product_error(k, n, k, q, [&](int p, int j) { return q(j, p); }, identity));
  report.expect<T>(worst, roundings(std::max(m, n)), "gelqf, orglq", shape_text(m, n, k));
}

// A V = V diag(w), V orthonormal.
template <class T>
double eigen_error(const Matrix<T>& a, const Matrix<T>& v, const std::vector<T>& w) {
  const int n = a.rows;
  double worst = product_error(
      n, n, n, [&](int i, int p) { return i >= p ? a(i, p) : a(p, i); }, v,
      [&](int i, int j) { return v(i, j) * static_cast<double>(w[static_cast<size_t>(j)]); });
  take_max(worst, product_error(n, n, n, [&](int i, int p) { return v(p, i); }, v, identity));
  return worst;
}

template <class T>
void check_eigen(int n, Numbers& numbers, Report& report) {
  const Matrix<T> a(n, n, numbers);  // the lower triangle counts
  const size_t order = static_cast<size_t>(n);
  std::vector<T> w(order), alone(order), off(order), tau(order);
  std::vector<T> work(std::max<size_t>(static_cast<size_t>(eigen_work(n)), order * kWorkRows));
  std::vector<int> integers(static_cast<size_t>(eigen_integers(n)));
  Matrix<T> v = a, reflectors = a, z(n, n);
  double worst = failed(syevd(true, n, v.data.data(), n, w.data(), work.data(), integers.data()));
  take_max(worst, eigen_error(a, v, w));
  report.expect<T>(worst, roundings(n), "syevd", shape_text(n, n, n));
  Matrix<T> rest = a;
  worst = failed(syevd(false, n, rest.data.data(), n, alone.data(), work.data(), integers.data()));
  for (size_t i = 0; i < order; ++i) take_max(worst, std::abs(static_cast<double>(alone[i] - w[i])));
  report.expect<T>(worst, roundings(n), "syevd without vectors", shape_text(n, n, n));
  sytrd(n, reflectors.data.data(), n, w.data(), off.data(), tau.data(), work.data(), kWorkRows * n);
  worst = failed(stedc(n, w.data(), off.data(), z.data.data(), n, work.data(), integers.data()));
  ormtr(n, n, reflectors.data.data(), n, tau.data(), z.data.data(), n, work.data(), static_cast<int>(work.size()));
  take_max(worst, eigen_error(a, z, w));
  report.expect<T>(worst, roundings(n), "sytrd, stedc, ormtr", shape_text(n, n, n));
}

// A = U diag(s) V^T, U and V orthonormal.
template <class T>
double singular_error(const Matrix<T>& a, const Matrix<T>& u, const std::vector<T>& s, const Matrix<T>& vt) {
  const int m = a.rows, n = a.columns, k = std::min(m, n);
  double worst = product_error(
      m, k, n, [&](int i, int p) { return u(i, p) * static_cast<double>(s[static_cast<size_t>(p)]); }, vt, a);
  take_max(worst, product_error(k, m, k, [&](int i, int p) { return u(p, i); }, u, identity));
  take_max(worst, product_error(k, n, k, vt, [&](int p, int j) { return vt(j, p); }, identity));
  return worst;
}

template <class T>
void check_singular(int m, int n, Numbers& numbers, Report& report) {
  const int k = std::min(m, n);
  const Matrix<T> a(m, n, numbers);
  const size_t order = static_cast<size_t>(k);
  std::vector<T> s(order), alone(order), off(order), tau_q(order), tau_p(order);
  std::vector<T> work(4 * order * order + 16 * order + static_cast<size_t>(kWorkRows + 1) * (m + n) + 4160);
  std::vector<int> integers(8 * order);
  Matrix<T> matrix = a, u(m, k), vt(k, n);
  const int size = static_cast<int>(work.size());
  double worst = failed(gesdd(true, m, n, matrix.data.data(), m, s.data(), u.data.data(), m, vt.data.data(), k,
                              work.data(), size, integers.data()));
  take_max(worst, singular_error(a, u, s, vt));
  report.expect<T>(worst, roundings(std::max(m, n)), "gesdd", shape_text(m, n, k));
  matrix = a;
  worst = failed(gesdd(false, m, n, matrix.data.data(), m, alone.data(), nullptr, m, nullptr, k, work.data(), size,
                       integers.data()));
  for (size_t i = 0; i < order; ++i) take_max(worst, std::abs(static_cast<double>(alone[i] - s[i])));
  report.expect<T>(worst, roundings(std::max(m, n)), "gesdd without vectors", shape_text(m, n, k));
  matrix = a;
  u = Matrix<T>(m, k);
  vt = Matrix<T>(k, n);
  gebrd(m, n, matrix.data.data(), m, s.data(), off.data(), tau_q.data(), tau_p.data(), work.data(), size);
  worst =
      failed(bdsdc(m >= n, k, s.data(), off.data(), u.data.data(), m, vt.data.data(), k, work.data(), integers.data()));
  ormbr_q(m, n, k, matrix.data.data(), m, tau_q.data(), u.data.data(), m, work.data(), size);
  ormbr_p(m, n, k, matrix.data.data(), m, tau_p.data(), vt.data.data(), k, work.data(), size);
  take_max(worst, singular_error(a, u, s, vt));
  report.expect<T>(worst, roundings(std::max(m, n)), "gebrd, bdsdc, ormbr", shape_text(m, n, k));
}

// The inverse of U^T U for U with a diagonal of 2 and small entries beside it.
template <class T>
void check_inverse(int n, Numbers& numbers, Report& report) {
  Matrix<T> factor(n, n, numbers);
  for (int j = 0; j < n; ++j) {
    for (int i = 0; i < n; ++i) factor.at(i, j) = i == j ? T(2) : factor.at(i, j) / static_cast<T>(n);
  }
  Matrix<T> inverse = factor, square(n, n);
  double worst = failed(potri(n, inverse.data.data(), n));
  const auto upper = [&](int i, int j) { return i <= j ? factor(i, j) : 0; };
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int p = 0; p <= std::min(i, j); ++p) sum += upper(p, i) * upper(p, j);
      square.at(i, j) = static_cast<T>(sum);
    }
  }
  take_max(worst, product_error(
                      n, n, n, [&](int i, int p) { return i <= p ? inverse(i, p) : inverse(p, i); }, square, identity));
  report.expect<T>(worst, roundings(n), "potri", shape_text(n, n, n));
}

template <class T>
void check_type(Report& report) {
  Numbers numbers;
  for (const int n : {1, 5, 33, 97}) {
    check_lu<T>(n, numbers, report);
    check_eigen<T>(n, numbers, report);
    check_inverse<T>(n, numbers, report);
    for (const int m : {n, n + 11, 2 * n + 1}) {
      check_lq<T>(m, n, numbers, report);
      check_lq<T>(n, m, numbers, report);
      check_singular<T>(m, n, numbers, report);
      check_singular<T>(n, m, numbers, report);
    }
  }
}

}  // namespace

void check_lapack(Report& report) {
  check_type<float>(report);
  check_type<double>(report);
}

}  // namespace cotangent::cpu::blas
