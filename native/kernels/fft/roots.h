// Roots of unity to the last bits: arguments are reduced in whole numbers, so no angle is beyond pi/4.
#ifndef COTANGENT_KERNELS_FFT_ROOTS_H
#define COTANGENT_KERNELS_FFT_ROOTS_H

#include <cmath>
#include <complex>
#include <cstdint>
#include <utility>
#include <vector>

namespace cotangent::cpu {

using Complex = std::complex<double>;

// Without the detour for infinities that C++'s operator takes.
inline Complex multiply(Complex a, Complex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// exp(-2 pi i m / n), 0 <= m < n < 2^59.
inline Complex root_of_unity(int64_t m, int64_t n) {
  int64_t eighths = 8 * m;  // the angle is pi/4 eighths / n
  const bool lower = eighths > 4 * n;
  if (lower) eighths = 8 * n - eighths;
  const bool left = eighths > 2 * n;
  if (left) eighths = 4 * n - eighths;
  const bool steep = eighths > n;
  if (steep) eighths = 2 * n - eighths;
  constexpr double kQuarterPi = 0.78539816339744830962;
  const double angle = kQuarterPi * static_cast<double>(eighths) / static_cast<double>(n);
  double c = std::cos(angle), s = std::sin(angle);
  if (steep) std::swap(c, s);
  return {left ? -c : c, lower ? s : -s};
}

// All n-th roots of unity from two tables of about sqrt(n), at the price of one multiplication each.
class Roots {
 public:
  explicit Roots(int64_t n) {
    while ((int64_t{1} << 2 * shift_) < n) ++shift_;
    for (int64_t m = 0; m < int64_t{1} << shift_ && m < n; ++m) low_.push_back(root_of_unity(m, n));
    for (int64_t m = 0; m < n; m += int64_t{1} << shift_) high_.push_back(root_of_unity(m, n));
  }

  // exp(-2 pi i m / n), 0 <= m < n.
  Complex at(int64_t m) const {
    return multiply(high_[static_cast<size_t>(m >> shift_)], low_[static_cast<size_t>(m & ((1 << shift_) - 1))]);
  }

 private:
  int shift_ = 0;
  std::vector<Complex> low_, high_;
};

}  // namespace cotangent::cpu

#endif
