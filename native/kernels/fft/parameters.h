// What every device's fft kernel needs to know of an equation.
#ifndef COTANGENT_KERNELS_FFT_PARAMETERS_H
#define COTANGENT_KERNELS_FFT_PARAMETERS_H

#include <string>

#include "native/backend/description.h"

namespace cotangent {

// fft: re, im [.., length] -> re, im of the same type; params inverse, scale.
struct FftParameters {
  int64_t lines, length;
  int32_t dtype;
  bool inverse;
  double scale;

  // Throws KernelError.
  explicit FftParameters(const OpDesc& desc) {
    desc.expect_operands(2, 2);
    expect_params(desc, 2);
    const ct_type& re = desc.in(0);
    expect_float(re, "an operand");
    if (re.rank == 0) fail(CT_SHAPE, "an operand of rank at least 1", "rank 0");
    dtype = re.dtype;
    length = re.dims[re.rank - 1];
    lines = product(re, 0, re.rank - 1);
    // The product of two lines of the longest kind that a core's cache holds.
    constexpr int64_t kMost = int64_t{1} << 27;
    if (length < 1 || length > kMost) fail(CT_SHAPE, "a length in [1, 2^27]", std::to_string(length));
    expect_type(desc.in(1), re.dtype, dims(re), "the imaginary part");
    expect_type(desc.out(0), re.dtype, dims(re), "the real part of the result");
    expect_type(desc.out(1), re.dtype, dims(re), "the imaginary part of the result");
    inverse = flag(desc, 0, "inverse");
    scale = desc.param(1);
  }
};

// The length of a chirp's cyclic convolution: the shortest from `least` on among few that are cheap.
inline int64_t convolution_length(int64_t least) {
  int64_t best = 0;
  for (const int64_t odd : {1, 3, 5, 9, 15}) {
    int64_t length = odd;
    while (length < least) length *= 2;
    if (!best || length < best) best = length;
  }
  return best;
}

}  // namespace cotangent

#endif
