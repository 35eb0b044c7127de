// A tile of a GPU's pass: 2^log_width columns of `radix` elements in shared memory, transformed by a block.
#ifndef COTANGENT_KERNELS_FFT_PASS_TILE_H
#define COTANGENT_KERNELS_FFT_PASS_TILE_H

#include "native/kernels/fft/butterflies.h"

namespace cotangent::cuda {

__device__ __forceinline__ int32_t slot(const Pass& pass, int32_t i, int32_t column) {
  return (i + (i >> pass.pad)) * pass.stride + column;
}

template <int kRadix>
__device__ __forceinline__ void step(const Pass& pass, const Factor& factor, const Number* from, Number* to) {
  const int32_t apart = pass.radix / kRadix;
  for (int32_t u = static_cast<int32_t>(threadIdx.x); u < apart << pass.log_width;
       u += static_cast<int32_t>(blockDim.x)) {
    const int32_t q = u >> pass.log_width, column = u - (q << pass.log_width);
    const int32_t j = static_cast<int32_t>(factor.by_done.quotient(static_cast<uint32_t>(q)));
    const int32_t k = q - j * factor.done;
    Number x[kRadix];
#pragma unroll
    for (int32_t i = 0; i < kRadix; ++i) x[i] = from[slot(pass, q + i * apart, column)];
    if (factor.done > 1) {
#pragma unroll
      for (int32_t i = 1; i < kRadix; ++i) x[i] = multiply(x[i], pass.roots[k * i * factor.reach]);
    }
    Butterfly<kRadix>::run(x);
#pragma unroll
    for (int32_t i = 0; i < kRadix; ++i) to[slot(pass, j * factor.done * kRadix + k + i * factor.done, column)] = x[i];
  }
}

// A thread a result: the twiddle and the root of the factor are one root of the product.
__device__ __forceinline__ void step_by_definition(const Pass& pass, const Factor& factor, const Number* from,
                                                   Number* to) {
  const int32_t apart = pass.radix / factor.radix;
  for (int32_t u = static_cast<int32_t>(threadIdx.x); u < pass.radix << pass.log_width;
       u += static_cast<int32_t>(blockDim.x)) {
    const int32_t v = u >> pass.log_width, column = u - (v << pass.log_width);
    const int32_t o = v / apart, q = v - o * apart;
    const int32_t j = static_cast<int32_t>(factor.by_done.quotient(static_cast<uint32_t>(q)));
    const int32_t k = q - j * factor.done + o * factor.done, turn = k * factor.reach;
    Number sum = from[slot(pass, q, column)];
    int32_t m = 0;
    for (int32_t i = 1; i < factor.radix; ++i) {
      m += turn;
      if (m >= pass.radix) m -= pass.radix;
      sum = sum + multiply(from[slot(pass, q + i * apart, column)], pass.roots[m]);
    }
    to[slot(pass, j * factor.done * factor.radix + k, column)] = sum;
  }
}

// All columns from `from`, which the block has filled, to where the answer says; the other buffer is free.
__device__ __forceinline__ void transform_tile(const Pass& pass, Number*& from, Number*& to) {
  for (int32_t f = 0; f < pass.factors; ++f) {
    const Factor& factor = pass.factor[f];
    switch (factor.radix) {
      case 2:
        step<2>(pass, factor, from, to);
        break;
      case 3:
        step<3>(pass, factor, from, to);
        break;
      case 4:
        step<4>(pass, factor, from, to);
        break;
      case 5:
        step<5>(pass, factor, from, to);
        break;
      case 8:
        step<8>(pass, factor, from, to);
        break;
      default:
        step_by_definition(pass, factor, from, to);
    }
    __syncthreads();
    Number* const free = from;
    from = to;
    to = free;
  }
}

struct Cell {
  int32_t i, column;
};

// Cell `e` of a tile, along columns or across them, whichever is contiguous in memory.
__device__ __forceinline__ Cell cell(const Pass& pass, int32_t e, bool along) {
  if (along) {
    const int32_t column = static_cast<int32_t>(pass.by_radix.quotient(static_cast<uint32_t>(e)));
    return {e - column * pass.radix, column};
  }
  const int32_t i = e >> pass.log_width;
  return {i, e - (i << pass.log_width)};
}

struct Place {
  int64_t line;
  int32_t column;  // of the line
};

__device__ __forceinline__ Place place(const Pass& pass, int64_t column) {
  const int64_t line = static_cast<int64_t>(pass.by_count.quotient(static_cast<uint64_t>(column)));
  return {line, static_cast<int32_t>(column - line * pass.count)};
}

}  // namespace cotangent::cuda

#endif
