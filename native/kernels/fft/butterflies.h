// Complex arithmetic on a GPU, and the transforms of 2, 3, 4, 5 and 8 numbers in registers, X_k = sum over j of
// x_j exp(-2 pi i j k / r), in place and in order.
#ifndef COTANGENT_KERNELS_FFT_BUTTERFLIES_H
#define COTANGENT_KERNELS_FFT_BUTTERFLIES_H

#include "native/backend/cuda/device_code.h"
#include "native/kernels/fft/fft_passes.h"

namespace cotangent::cuda {

__device__ __forceinline__ Number operator+(Number a, Number b) { return {a.re + b.re, a.im + b.im}; }
__device__ __forceinline__ Number operator-(Number a, Number b) { return {a.re - b.re, a.im - b.im}; }
__device__ __forceinline__ Number operator*(double a, Number b) { return {a * b.re, a * b.im}; }
__device__ __forceinline__ Number conjugate(Number a) { return {a.re, -a.im}; }
// a + s b
__device__ __forceinline__ Number plus(Number a, double s, Number b) {
  return {__fma_rn(s, b.re, a.re), __fma_rn(s, b.im, a.im)};
}
__device__ __forceinline__ Number multiply(Number a, Number b) {
  return {__fma_rn(a.re, b.re, -(a.im * b.im)), __fma_rn(a.re, b.im, a.im * b.re)};
}
// -i a, by which the forward transform turns a quarter.
__device__ __forceinline__ Number quarter(Number a) { return {a.im, -a.re}; }

template <int kRadix>
struct Butterfly;

template <>
struct Butterfly<2> {
  __device__ __forceinline__ static void run(Number (&x)[2]) {
    const Number a = x[0] + x[1], b = x[0] - x[1];
    x[0] = a, x[1] = b;
  }
};

template <>
struct Butterfly<3> {
  __device__ __forceinline__ static void run(Number (&x)[3]) {
    constexpr double kSine = 0.86602540378443864676;  // of 2 pi / 3
    const Number sum = x[1] + x[2], middle = plus(x[0], -0.5, sum), turned = quarter(kSine * (x[1] - x[2]));
    x[0] = x[0] + sum;
    x[1] = middle + turned;
    x[2] = middle - turned;
  }
};

template <>
struct Butterfly<4> {
  __device__ __forceinline__ static void run(Number& x0, Number& x1, Number& x2, Number& x3) {
    const Number a = x0 + x2, b = x0 - x2, c = x1 + x3, d = quarter(x1 - x3);
    x0 = a + c, x1 = b + d, x2 = a - c, x3 = b - d;
  }
  __device__ __forceinline__ static void run(Number (&x)[4]) { run(x[0], x[1], x[2], x[3]); }
};

template <>
struct Butterfly<5> {
  __device__ __forceinline__ static void run(Number (&x)[5]) {
    constexpr double kCosine1 = 0.30901699437494742410, kCosine2 = -0.80901699437494742410;
    constexpr double kSine1 = 0.95105651629515357212, kSine2 = 0.58778525229247312917;
    const Number s1 = x[1] + x[4], s2 = x[2] + x[3], d1 = x[1] - x[4], d2 = x[2] - x[3];
    const Number m1 = plus(plus(x[0], kCosine1, s1), kCosine2, s2), m2 = plus(plus(x[0], kCosine2, s1), kCosine1, s2);
    const Number t1 = quarter(plus(kSine1 * d1, kSine2, d2)), t2 = quarter(plus(kSine2 * d1, -kSine1, d2));
    x[0] = x[0] + (s1 + s2);
    x[1] = m1 + t1, x[4] = m1 - t1;
    x[2] = m2 + t2, x[3] = m2 - t2;
  }
};

template <>
struct Butterfly<8> {
  __device__ __forceinline__ static void run(Number (&x)[8]) {
    constexpr double kHalfRoot = 0.70710678118654752440;
    Butterfly<4>::run(x[0], x[2], x[4], x[6]);
    Butterfly<4>::run(x[1], x[3], x[5], x[7]);
    const Number t1 = kHalfRoot * (x[3] + quarter(x[3])), t2 = quarter(x[5]);
    const Number t3 = kHalfRoot * (quarter(x[7]) - x[7]), t0 = x[1];
    const Number e0 = x[0], e1 = x[2], e2 = x[4], e3 = x[6];
    x[0] = e0 + t0, x[4] = e0 - t0;
    x[1] = e1 + t1, x[5] = e1 - t1;
    x[2] = e2 + t2, x[6] = e2 - t2;
    x[3] = e3 + t3, x[7] = e3 - t3;
  }
};

}  // namespace cotangent::cuda

#endif
