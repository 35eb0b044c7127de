// The inner loops of the convolutions, compiled once per SIMD target.
#ifndef COTANGENT_KERNELS_CONVOLUTION_CONV_LOOPS_H
#define COTANGENT_KERNELS_CONVOLUTION_CONV_LOOPS_H

#include <stdint.h>

#include "native/kernels/simd.h"

namespace cotangent {

constexpr int64_t kConvSlack = 128;  // elements behind an image that `correlate` may read, and of `to` that it writes

// Results [positions] of `weigh` lie in rows of `count[2]` successive elements; `stride` is of image rows and slices.
struct ConvRows {
  int64_t count[3];
  int64_t stride[2];
};

template <class T>
struct ConvLoops {
  int64_t lanes;    // elements of a vector
  int64_t rows;     // most rows of `correlate`
  int64_t taps[3];  // most taps of `weigh`, for 1 and for 2 vectors

  // to[r stride + q] = sum over k of weights[k rows + r] image[offsets[k] + q], for q < count.
  void (*correlate)(int64_t rows, const T* image, const int64_t* offsets, int64_t taps, const T* weights, T* to,
                    int64_t stride, int64_t count);

  // sums[t sums_stride + v] += sum over positions p of image[offsets[t] + p] y[p y_stride + v], for v < vectors lanes;
  // vectors is 1 or 2.
  void (*weigh)(int64_t taps, int64_t vectors, const T* image, const int64_t* offsets, const ConvRows& rows, const T* y,
                int64_t y_stride, T* sums, int64_t sums_stride);
};

COTANGENT_SIMD_DECLARE(ConvLoops<float> conv_loops_float32())
COTANGENT_SIMD_DECLARE(ConvLoops<double> conv_loops_float64())

}  // namespace cotangent

#endif
