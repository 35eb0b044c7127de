// Copies, transpositions and small reductions around the factorisations. One pass each over what they read; maxima are
// taken by atomics, whose order does not matter.
#include <limits>
#include <type_traits>

#include "native/backend/cuda/device_code.h"
#include "native/backend/cuda/dispatch.h"
#include "native/backend/cuda/warp.h"
#include "native/kernels/linalg/matrices_cuda.h"
#include "native/kernels/linalg/spectrum.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;
constexpr int kTile = 32, kTileRows = 8;
constexpr int64_t kSmallMatrix = 1024;  // elements up to which tiles would stay half empty

template <class T>
__device__ __forceinline__ T scaled(T value, const Factors<T>& factors, int64_t matrix, int64_t row, int64_t column) {
  if (factors.data == nullptr) return value;
  const T factor =
      factors.data[matrix * factors.matrix_stride + row * factors.row_stride + column * factors.column_stride];
  return factor == T(0) ? T(0) : value * factor;
}

struct Arrangement {
  int64_t count, rows, columns;  // of all matrices: elements
  Placement from, to;
  bool transpose;
};

// A thread an element of the result.
template <class T>
__global__ void __launch_bounds__(kBlock)
    copy_kernel(const T* __restrict__ from, T* __restrict__ to, Arrangement p, Factors<T> factors) {
  const int64_t size = p.rows * p.columns, width = p.transpose ? p.rows : p.columns;
  for (int64_t i = grid_start(); i < p.count; i += grid_step()) {
    const int64_t matrix = i / size, rest = i - matrix * size, outer = rest / width, inner = rest - outer * width;
    const int64_t row = p.transpose ? inner : outer, column = p.transpose ? outer : inner;
    const T value = from[matrix * p.from.stride + row * p.from.row + column];
    to[matrix * p.to.stride + outer * p.to.row + inner] = scaled(value, factors, matrix, row, column);
  }
}

// A block a tile: read along rows, written along columns.
template <class T>
__global__ void __launch_bounds__(kTile* kTileRows)
    transpose_kernel(const T* __restrict__ from, T* __restrict__ to, Arrangement p, Factors<T> factors, int64_t tiles,
                     int64_t row_tiles, int64_t column_tiles) {
  auto& tile = SHARED(T[kTile][kTile + 1]);
  const int64_t x = threadIdx.x, y = threadIdx.y;
  for (int64_t t = blockIdx.x; t < tiles; t += gridDim.x) {
    const int64_t line = t / column_tiles, column = (t - line * column_tiles) * kTile;
    const int64_t matrix = line / row_tiles, row = (line - matrix * row_tiles) * kTile;
    const T* const source = from + matrix * p.from.stride;
    T* const target = to + matrix * p.to.stride;
    for (int64_t k = y; k < kTile; k += kTileRows) {
      if (row + k < p.rows && column + x < p.columns) {
        tile[k][x] = scaled(source[(row + k) * p.from.row + column + x], factors, matrix, row + k, column + x);
      }
    }
    __syncthreads();
    for (int64_t k = y; k < kTile; k += kTileRows) {
      if (column + k < p.columns && row + x < p.rows) target[(column + k) * p.to.row + row + x] = tile[x][k];
    }
    __syncthreads();
  }
}

// The order of non-negative floats is that of their bits, and NaN comes after infinity.
__device__ __forceinline__ unsigned magnitude_bits(float x) { return __float_as_uint(fabsf(x)); }
__device__ __forceinline__ unsigned long long magnitude_bits(double x) {
  return static_cast<unsigned long long>(__double_as_longlong(fabs(x)));
}
__device__ __forceinline__ float from_bits(unsigned bits) { return __uint_as_float(bits); }
__device__ __forceinline__ double from_bits(unsigned long long bits) {
  return __longlong_as_double(static_cast<long long>(bits));
}

template <class T, class Bits>
__global__ void __launch_bounds__(kBlock)
    magnitude_kernel(const T* __restrict__ a, Bits* __restrict__ largest, int64_t count, int64_t batch) {
  for (int64_t matrix = blockIdx.y; matrix < batch; matrix += gridDim.y) {
    Bits most = 0;
    for (int64_t i = grid_start(); i < count; i += grid_step()) {
      const Bits bits = magnitude_bits(a[matrix * count + i]);
      most = most < bits ? bits : most;
    }
    most = warp_max(most);
    if (threadIdx.x % kWarp == 0 && most > 0) atomicMax(largest + matrix, most);
  }
}

template <class T, class Bits>
__global__ void __launch_bounds__(kBlock)
    condition_kernel(const Bits* __restrict__ largest, T* scale, int* info, int64_t batch, bool scaled) {
  for (int64_t i = grid_start(); i < batch; i += grid_step()) {
    const T most = from_bits(largest[i]);
    const bool finite = most - most == T(0);
    scale[i] = !finite ? T(0) : scaled ? safe_scale(most) : T(1);
    info[i] = finite ? 0 : 1;
  }
}

template <class T>
__global__ void __launch_bounds__(kBlock) symmetric_kernel(const T* __restrict__ a, T* __restrict__ to,
                                                           const T* __restrict__ factors, int64_t n, int64_t count) {
  const int64_t size = n * n;
  for (int64_t i = grid_start(); i < count; i += grid_step()) {
    const int64_t matrix = i / size, rest = i - matrix * size, row = rest / n, column = rest - row * n;
    const T value = a[i] / 2 + a[matrix * size + column * n + row] / 2;
    to[i] = scaled(value, {factors, 1, 0, 0}, matrix, row, column);
  }
}

template <class T>
__global__ void __launch_bounds__(kBlock) lower_kernel(const T* a, T* l, int64_t n, int64_t count) {
  for (int64_t i = grid_start(); i < count; i += grid_step()) {
    const int64_t line = i / n, column = i - line * n, row = line % n;
    l[i] = column <= row ? a[i] : T(0);
  }
}

template <class T>
__global__ void __launch_bounds__(kBlock) pointer_kernel(const T* a, int64_t a_stride, const T** a_pointers, const T* b,
                                                         int64_t b_stride, const T** b_pointers, int64_t batch) {
  for (int64_t i = grid_start(); i < batch; i += grid_step()) {
    a_pointers[i] = a + i * a_stride;
    if (b_pointers != nullptr) b_pointers[i] = b + i * b_stride;
  }
}

struct Vectors {
  int64_t count, vectors, length, stride, vector_stride, component_stride;
};

// A warp a vector.
template <class T>
__global__ void __launch_bounds__(kBlock)
    orientation_kernel(const T* __restrict__ v, const int* __restrict__ info, T* __restrict__ factors, Vectors p) {
  const int64_t lane = threadIdx.x % kWarp;
  for (int64_t i = grid_start() / kWarp; i < p.count; i += grid_step() / kWarp) {
    const int64_t matrix = i / p.vectors;
    const T* const vector = v + matrix * p.stride + (i - matrix * p.vectors) * p.vector_stride;
    T largest = 0;
    for (int64_t k = lane; k < p.length; k += kWarp) {
      const T size = fabs(vector[k * p.component_stride]);
      largest = largest < size ? size : largest;
    }
    largest = warp_max(largest);
    int64_t first = p.length;
    for (int64_t k = lane; k < p.length && first == p.length; k += kWarp) {
      if (fabs(vector[k * p.component_stride]) >= largest * T(kNearlyLargest)) first = k;
    }
    for (unsigned step = kWarp / 2; step > 0; step /= 2) {
      const int64_t other = __shfl_xor_sync(kAllLanes, first, static_cast<int>(step));
      first = other < first ? other : first;
    }
    if (lane != 0) continue;
    const bool turn = first < p.length && vector[first * p.component_stride] < 0;
    factors[i] = info[matrix] != 0 ? kNan<T> : turn ? T(-1) : T(1);
  }
}

template <class T>
__global__ void __launch_bounds__(kBlock)
    values_kernel(const T* __restrict__ found, const T* __restrict__ scale, const int* __restrict__ found_info,
                  const int* __restrict__ info, T* __restrict__ values, int64_t count, int64_t total) {
  for (int64_t i = grid_start(); i < total; i += grid_step()) {
    const int64_t matrix = i / count;
    const bool failed = info[matrix] != 0 || (found_info != nullptr && found_info[matrix] != 0);
    values[i] = failed ? kNan<T> : found[i] / scale[matrix];
  }
}

__global__ void __launch_bounds__(kBlock)
    info_kernel(const int* found_info, const int* info, int* result, int64_t batch) {
  for (int64_t i = grid_start(); i < batch; i += grid_step()) {
    result[i] = info[i] != 0 ? info[i] : found_info != nullptr ? found_info[i] : 0;
  }
}

template <class... P, class... A>
ct_code over(Device& device, int64_t items, ct_error* error, void (*kernel)(P...), A... arguments) {
  if (items == 0) return CT_OK;
  return check(launch(device.grid(kernel, items, kBlock), kBlock, 0, device.stream(), kernel, arguments...), error,
               "a kernel of linalg");
}

}  // namespace

template <class T>
ct_code launch_arrange(Device& device, bool transpose, int64_t batch, int64_t rows, int64_t columns, const T* from,
                       Placement from_at, T* to, Placement to_at, Factors<T> factors, ct_error* error) {
  const Arrangement p{batch * rows * columns, rows, columns, from_at, to_at, transpose};
  if (!transpose || rows * columns <= kSmallMatrix) {
    return over(device, p.count, error, copy_kernel<T>, from, to, p, factors);
  }
  const int64_t row_tiles = (rows + kTile - 1) / kTile, column_tiles = (columns + kTile - 1) / kTile;
  const int64_t tiles = batch * row_tiles * column_tiles;
  if (tiles == 0) return CT_OK;
  constexpr unsigned kThreads = kTile * kTileRows;
  const unsigned blocks = device.grid(transpose_kernel<T>, tiles * kThreads, kThreads);
  return check(launch(blocks, dim3(kTile, kTileRows), 0, device.stream(), transpose_kernel<T>, from, to, p, factors,
                      tiles, row_tiles, column_tiles),
               error, "a kernel of linalg");
}

template <class T>
ct_code launch_condition(Device& device, int64_t batch, int64_t count, const T* a, bool scaled, T* scale, int* info,
                         T* largest, ct_error* error) {
  using Bits = std::conditional_t<sizeof(T) == 4, unsigned, unsigned long long>;
  if (batch == 0) return CT_OK;
  Bits* const bits = reinterpret_cast<Bits*>(largest);
  ct_code code = check(cudaMemsetAsync(bits, 0, static_cast<size_t>(batch) * sizeof(Bits), device.stream()), error,
                       "cudaMemsetAsync");
  if (code != CT_OK) return code;
  const auto kernel = magnitude_kernel<T, Bits>;
  constexpr int64_t kEach = 4;  // elements of a thread, at least
  const dim3 grid(device.grid(kernel, (count + kEach - 1) / kEach, kBlock),
                  static_cast<unsigned>(std::min<int64_t>(batch, 65535)));
  code = check(launch(grid, kBlock, 0, device.stream(), kernel, a, bits, count, batch), error, "a kernel of linalg");
  if (code != CT_OK) return code;
  return over(device, batch, error, condition_kernel<T, Bits>, bits, scale, info, batch, scaled);
}

template <class T>
ct_code launch_symmetric_part(Device& device, int64_t batch, int64_t n, const T* a, T* to, const T* factors,
                              ct_error* error) {
  const int64_t count = batch * n * n;
  return over(device, count, error, symmetric_kernel<T>, a, to, factors, n, count);
}

template <class T>
ct_code launch_lower(Device& device, int64_t batch, int64_t n, const T* a, T* l, ct_error* error) {
  const int64_t count = batch * n * n;
  return over(device, count, error, lower_kernel<T>, a, l, n, count);
}

template <class T>
ct_code launch_pointers(Device& device, int64_t batch, const T* a, int64_t a_stride, const T** a_pointers, const T* b,
                        int64_t b_stride, const T** b_pointers, ct_error* error) {
  return over(device, batch, error, pointer_kernel<T>, a, a_stride, a_pointers, b, b_stride, b_pointers, batch);
}

template <class T>
ct_code launch_orientation(Device& device, int64_t batch, int64_t vectors, int64_t length, const T* v, int64_t stride,
                           int64_t vector_stride, int64_t component_stride, const int* info, T* factors,
                           ct_error* error) {
  const Vectors p{batch * vectors, vectors, length, stride, vector_stride, component_stride};
  return over(device, p.count * kWarp, error, orientation_kernel<T>, v, info, factors, p);
}

template <class T>
ct_code launch_values(Device& device, int64_t batch, int64_t count, const T* found, const T* scale,
                      const int* found_info, const int* info, T* values, int* result_info, ct_error* error) {
  const int64_t total = batch * count;
  const ct_code code =
      over(device, total, error, values_kernel<T>, found, scale, found_info, info, values, count, total);
  if (code != CT_OK) return code;
  return over(device, batch, error, info_kernel, found_info, info, result_info, batch);
}

#define COTANGENT_MATRICES_TYPE(T)                                                                                \
  template ct_code launch_arrange(Device&, bool, int64_t, int64_t, int64_t, const T*, Placement, T*, Placement,   \
                                  Factors<T>, ct_error*);                                                         \
  template ct_code launch_condition(Device&, int64_t, int64_t, const T*, bool, T*, int*, T*, ct_error*);          \
  template ct_code launch_symmetric_part(Device&, int64_t, int64_t, const T*, T*, const T*, ct_error*);           \
  template ct_code launch_lower(Device&, int64_t, int64_t, const T*, T*, ct_error*);                              \
  template ct_code launch_pointers(Device&, int64_t, const T*, int64_t, const T**, const T*, int64_t, const T**,  \
                                   ct_error*);                                                                    \
  template ct_code launch_orientation(Device&, int64_t, int64_t, int64_t, const T*, int64_t, int64_t, int64_t,    \
                                      const int*, T*, ct_error*);                                                 \
  template ct_code launch_values(Device&, int64_t, int64_t, const T*, const T*, const int*, const int*, T*, int*, \
                                 ct_error*);
COTANGENT_MATRICES_TYPE(float)
COTANGENT_MATRICES_TYPE(double)
#undef COTANGENT_MATRICES_TYPE

}  // namespace cotangent::cuda
