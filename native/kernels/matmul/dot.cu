// Inner products c[i] = <a_i, b_i>: a warp sums a chunk of a fixed length in double, lane by lane and then across the
// lanes, and a second kernel the chunks of each product. Reads both operands once; the order of the sums, and so the
// bits, depend on the length alone, not on where the operands lie.
#include "native/backend/cuda/packed.h"
#include "native/backend/cuda/vector_access.h"
#include "native/backend/cuda/warp.h"
#include "native/kernels/matmul/matmul_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;
constexpr int64_t kChunk = 4096;

// Consecutive elements, one at a time where the address is no multiple of 16 bytes.
template <class T>
__device__ __forceinline__ void load_elements(T (&to)[kPerVector<T>], const T* from, bool aligned) {
  if (aligned) return load_vector(to, from);
#pragma unroll
  for (int e = 0; e < kPerVector<T>; ++e) to[e] = from[e];
}

// One warp a chunk; `aligned`: every chunk begins at a multiple of 16 bytes.
template <class T>
__global__ void __launch_bounds__(kBlock)
    dot_kernel(const T* __restrict__ a, const T* __restrict__ b, double* __restrict__ sums, T* __restrict__ c,
               int64_t k, int64_t chunks, int64_t count, bool aligned) {
  constexpr int64_t kWidth = kPerVector<T>;
  const int64_t lane = threadIdx.x % kWarp;
  for (int64_t i = grid_start() / kWarp; i < count; i += grid_step() / kWarp) {
    const int64_t product = i / chunks, first = i % chunks * kChunk;
    const int64_t length = k - first < kChunk ? k - first : kChunk;
    const T* const x = a + product * k + first;
    const T* const y = b + product * k + first;
    const int64_t vectors = length / kWidth;
    double sum = 0;
    for (int64_t v = lane; v < vectors; v += kWarp) {
      T p[kPerVector<T>], q[kPerVector<T>];
      load_elements(p, x + v * kWidth, aligned);
      load_elements(q, y + v * kWidth, aligned);
#pragma unroll
      for (int e = 0; e < kPerVector<T>; ++e) sum += static_cast<double>(p[e]) * static_cast<double>(q[e]);
    }
    for (int64_t e = vectors * kWidth + lane; e < length; e += kWarp) {
      sum += static_cast<double>(x[e]) * static_cast<double>(y[e]);
    }
    sum = warp_sum(sum);
    if (lane == 0 && chunks > 1) sums[i] = sum;
    if (lane == 0 && chunks == 1) c[i] = static_cast<T>(sum);
  }
}

// One warp a product.
template <class T>
__global__ void __launch_bounds__(kBlock)
    dot_sum_kernel(const double* __restrict__ sums, T* __restrict__ c, int64_t chunks, int64_t count) {
  const int64_t lane = threadIdx.x % kWarp;
  for (int64_t i = grid_start() / kWarp; i < count; i += grid_step() / kWarp) {
    double sum = 0;
    for (int64_t chunk = lane; chunk < chunks; chunk += kWarp) sum += sums[i * chunks + chunk];
    sum = warp_sum(sum);
    if (lane == 0) c[i] = static_cast<T>(sum);
  }
}

int64_t chunks_of(int64_t k) { return (k + kChunk - 1) / kChunk; }

}  // namespace

uint64_t dot_workspace(int64_t batch, int64_t k) {
  const int64_t chunks = chunks_of(k);
  return chunks > 1 ? static_cast<uint64_t>(batch * chunks) * sizeof(double) : 0;
}

template <class T>
ct_code launch_dots(Device& device, int64_t batch, int64_t k, const T* a, const T* b, T* c, double* sums,
                    ct_error* error) {
  const int64_t chunks = chunks_of(k);
  const bool aligned = (k % kPerVector<T> == 0 || batch == 1) && aligned_to(16, a, b);
  const unsigned blocks = device.grid(dot_kernel<T>, batch * chunks * kWarp, kBlock);
  const ct_code code = check(
      launch(blocks, kBlock, 0, device.stream(), dot_kernel<T>, a, b, sums, c, k, chunks, batch * chunks, aligned),
      error, "matmul");
  if (code != CT_OK || chunks == 1) return code;
  const unsigned ends = device.grid(dot_sum_kernel<T>, batch * kWarp, kBlock);
  return check(launch(ends, kBlock, 0, device.stream(), dot_sum_kernel<T>, sums, c, chunks, batch), error, "matmul");
}

template ct_code launch_dots(Device&, int64_t, int64_t, const float*, const float*, float*, double*, ct_error*);
template ct_code launch_dots(Device&, int64_t, int64_t, const double*, const double*, double*, double*, ct_error*);

}  // namespace cotangent::cuda
