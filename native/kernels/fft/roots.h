// Complex numbers and roots of unity on the CPU.
#ifndef COTANGENT_KERNELS_FFT_ROOTS_H
#define COTANGENT_KERNELS_FFT_ROOTS_H

#include <complex>
#include <cstdint>
#include <vector>

#include "native/kernels/fft/root_of_unity.h"

namespace cotangent::cpu {

using Complex = std::complex<double>;

// Without the detour for infinities that C++'s operator takes.
inline Complex multiply(Complex a, Complex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// exp(-2 pi i m / n), 0 <= m < n < 2^59.
inline Complex root_of_unity(int64_t m, int64_t n) {
  double re, im;
  fourier::root_of_unity(m, n, re, im);
  return {re, im};
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
