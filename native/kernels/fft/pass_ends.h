// Where the elements of a GPU's pass come from and go to.
#ifndef COTANGENT_KERNELS_FFT_PASS_ENDS_H
#define COTANGENT_KERNELS_FFT_PASS_ENDS_H

#include "native/kernels/fft/butterflies.h"

namespace cotangent::cuda {

enum class End : int32_t {
  kLine,   // the equation's operands or results
  kChirp,  // the same, times the chirp and with zeros from `length` on
  kWork,   // complex numbers between passes
  kFilter  // from: the chirp's lags, over their number; to: the conjugate of the product with the filter's spectrum
};

struct Source {
  End end;
  bool single;
  int32_t length;  // of the operands' lines
  const void *re, *im;
  const Number *work, *chirp;
};

struct Target {
  End end;
  bool single;
  int32_t length;
  double scale;
  void *re, *im;
  Number* work;
  const Number *chirp, *filter;
};

// NaN in one part is NaN in both: it reaches every result, by whichever products with 0 or 1 a length leaves out.
__device__ __forceinline__ Number element(const Source& from, int64_t at) {
  Number x;
  if (from.single) {
    x = {static_cast<double>(static_cast<const float*>(from.re)[at]),
         static_cast<double>(static_cast<const float*>(from.im)[at])};
  } else {
    x = {static_cast<const double*>(from.re)[at], static_cast<const double*>(from.im)[at]};
  }
  if (x.re != x.re || x.im != x.im) x.re = x.im = x.re + x.im;
  return x;
}

// Place j of a line of m numbers.
__device__ __forceinline__ Number load(const Source& from, int32_t m, int64_t line, int32_t j) {
  switch (from.end) {
    case End::kLine:
      return element(from, line * m + j);
    case End::kChirp:
      if (j >= from.length) return {0, 0};
      return multiply(element(from, line * from.length + j), from.chirp[j]);
    case End::kFilter: {
      const int32_t lag = j < from.length ? j : m - j;
      if (lag >= from.length) return {0, 0};
      return (1.0 / m) * conjugate(from.chirp[lag]);
    }
    default:
      return from.work[line * m + j];
  }
}

__device__ __forceinline__ void store(const Target& to, int32_t m, int64_t line, int32_t k, Number x) {
  if (to.end == End::kWork) {
    to.work[line * m + k] = x;
    return;
  }
  if (to.end == End::kFilter) {
    to.work[line * m + k] = conjugate(multiply(x, to.filter[k]));
    return;
  }
  if (to.end == End::kChirp) {
    if (k >= to.length) return;
    x = multiply(conjugate(x), to.chirp[k]);
  }
  const int64_t at = line * to.length + k;
  if (to.single) {
    static_cast<float*>(to.re)[at] = static_cast<float>(to.scale * x.re);
    static_cast<float*>(to.im)[at] = static_cast<float>(to.scale * x.im);
  } else {
    static_cast<double*>(to.re)[at] = to.scale * x.re;
    static_cast<double*>(to.im)[at] = to.scale * x.im;
  }
}

}  // namespace cotangent::cuda

#endif
