// The DFT of one line that fits into the cache, X_k = sum over j of x_j exp(-2 pi i j k / n), in double.
#ifndef COTANGENT_KERNELS_FFT_LINE_TRANSFORM_H
#define COTANGENT_KERNELS_FFT_LINE_TRANSFORM_H

#include <cstdint>
#include <memory>
#include <vector>

#include "native/kernels/fft/roots.h"

namespace cotangent::cpu {

// n = a b, where a has no prime factors but 2, 3 and 5: b transforms of length a by KissFFT, and the factor b by its
// definition, since KissFFT's own general butterfly keeps scratch in the object and so serves one thread only.
class LineTransform {
 public:
  // Whether b is small enough: its cost is 8 b flops an element, beyond which the chirp transform is cheaper.
  static bool fits(int64_t n);

  explicit LineTransform(int64_t n);
  ~LineTransform();
  LineTransform(LineTransform&&) noexcept;

  int64_t size() const { return n_; }
  int64_t scratch() const { return b_ > 1 ? n_ : 0; }  // in elements
  double flops() const;

  // in, out and scratch do not overlap.
  void run(const Complex* in, Complex* out, Complex* scratch) const;

 private:
  class Library;

  int64_t n_, a_, b_;
  std::unique_ptr<const Library> library_;  // null for a = 1
  std::vector<Complex> twiddles_, roots_;   // exp(-2 pi i j k / n) as [b, a]; the b-th roots of unity
};

}  // namespace cotangent::cpu

#endif
