// Device code under emulation: built-in variables, shared memory, barriers, warp operations, atomics, arithmetic.
#include <algorithm>
#include <cmath>
#include <ctime>

#include "test/native/emulation_testing.h"

namespace cotangent::testing {
namespace {

using cuda::dynamic_shared;
using cuda::launch;

__global__ void index_kernel(unsigned* out) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  out[thread + blockDim.x * blockDim.y * blockDim.z * block] += thread + 1000 * block;
}

void indices() {
  in_every_order([](const char* order) {
    const Array<unsigned> out(std::vector<unsigned>(24 * 30, 0));
    OK(launch(dim3(2, 3, 5), dim3(4, 3, 2), 0, nullptr, index_kernel, out.data()));
    const std::vector<unsigned> values = out.get();
    for (unsigned i = 0; i < values.size(); ++i) {
      CHECK(values[i] == i % 24 + 1000 * (i / 24), "%s: [%u] = %u", order, i, values[i]);
    }
  });
}

// Two calls of a function share its array, as on the device; two instantiations do not.
template <class T>
__device__ T block_sum(T value) {
  auto& parts = SHARED(T[32]);
  for (int delta = 16; delta > 0; delta /= 2) value += __shfl_down_sync(kAllLanes, value, delta);
  __syncthreads();
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  T sum = 0;
  for (unsigned i = 0; i < blockDim.x / 32; ++i) sum += parts[i];
  return sum;
}

__global__ void reduce_kernel(const float* x, float* sums, double* squares, int64_t count) {
  const int64_t i = blockIdx.x * blockDim.x + threadIdx.x;
  const float value = i < count ? x[i] : 0.0f;
  const float sum = block_sum(value);
  const double square = block_sum(static_cast<double>(value) * value);
  const float again = block_sum(2 * value);
  if (threadIdx.x == 0) {
    sums[blockIdx.x] = again - sum;
    squares[blockIdx.x] = square;
  }
}

void reductions() {
  std::vector<float> values(1000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7);
  in_every_order([&](const char* order) {
    const Array<float> x(values), sums(4);
    const Array<double> squares(4);
    OK(launch(4, 256, 0, nullptr, reduce_kernel, x.data(), sums.data(), squares.data(), 1000));
    for (size_t b = 0; b < 4; ++b) {
      float sum = 0;
      double square = 0;
      for (size_t i = 256 * b; i < std::min(256 * (b + 1), values.size()); ++i) {
        sum += values[i];
        square += static_cast<double>(values[i]) * static_cast<double>(values[i]);
      }
      CHECK(sums.get()[b] == sum && squares.get()[b] == square, "%s: block %zu: %g", order, b, sums.get()[b]);
    }
  });
}

__global__ void transpose_kernel(const int* in, int* out, int rows, int columns) {
  auto& tile = SHARED(int[32][33]);
  const int x = static_cast<int>(blockIdx.x * 32 + threadIdx.x);
  for (int j = static_cast<int>(threadIdx.y); j < 32; j += static_cast<int>(blockDim.y)) {
    const int y = static_cast<int>(blockIdx.y) * 32 + j;
    if (x < columns && y < rows) tile[j][threadIdx.x] = in[y * columns + x];
  }
  __syncthreads();
  const int y = static_cast<int>(blockIdx.y * 32 + threadIdx.x);
  for (int j = static_cast<int>(threadIdx.y); j < 32; j += static_cast<int>(blockDim.y)) {
    const int column = static_cast<int>(blockIdx.x) * 32 + j;
    if (column < columns && y < rows) out[column * rows + y] = tile[threadIdx.x][j];
  }
}

void transpose() {
  const int rows = 45, columns = 70;
  std::vector<int> values(static_cast<size_t>(rows * columns));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int>(i);
  in_every_order([&](const char* order) {
    const Array<int> in(values), out(values.size());
    OK(launch(dim3(3, 2), dim3(32, 8), 0, nullptr, transpose_kernel, in.data(), out.data(), rows, columns));
    const std::vector<int> result = out.get();
    int wrong = 0;
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < columns; ++c) wrong += result[static_cast<size_t>(c * rows + r)] != r * columns + c;
    }
    CHECK(wrong == 0, "%s: %d wrong", order, wrong);
  });
}

// Threads that have ended do not keep the others at a barrier.
__global__ void early_end_kernel(int* out, int members) {
  auto* values = dynamic_shared<int>();
  const int i = static_cast<int>(threadIdx.x);
  if (i >= members) return;
  values[i] = i;
  __syncthreads();
  out[i] = values[(i + 1) % members];
}

void early_ends() {
  in_every_order([](const char* order) {
    const Array<int> out(70);
    OK(launch(1, 96, 70 * sizeof(int), nullptr, early_end_kernel, out.data(), 70));
    const std::vector<int> v = out.get();
    for (int i = 0; i < 70; ++i) {
      CHECK(v[static_cast<size_t>(i)] == (i + 1) % 70, "%s: %d: %d", order, i, v[static_cast<size_t>(i)]);
    }
  });
}

template <class T>
__global__ void shuffle_kernel(T* out) {
  const int lane = static_cast<int>(threadIdx.x);
  const T value = static_cast<T>(100 + lane);
  out[lane] = __shfl_sync(kAllLanes, value, 5);
  out[32 + lane] = __shfl_sync(kAllLanes, value, 9, 8);
  out[64 + lane] = __shfl_up_sync(kAllLanes, value, 3, 16);
  out[96 + lane] = __shfl_down_sync(kAllLanes, value, 4);
  out[128 + lane] = __shfl_xor_sync(kAllLanes, value, 6);
}

template <class T>
void shuffles() {
  in_every_order([](const char* order) {
    const Array<T> out(160);
    OK(launch(1, 32, 0, nullptr, shuffle_kernel<T>, out.data()));
    const std::vector<T> v = out.get();
    for (int i = 0; i < 32; ++i) {
      const auto at = [&](int k) { return static_cast<int>(v[static_cast<size_t>(32 * k + i)]) - 100; };
      CHECK(at(0) == 5, "%s: %d", order, at(0));
      CHECK(at(1) == i / 8 * 8 + 1, "%s: %d", order, at(1));
      CHECK(at(2) == (i % 16 < 3 ? i : i - 3), "%s: %d", order, at(2));
      CHECK(at(3) == (i > 27 ? i : i + 4), "%s: %d", order, at(3));
      CHECK(at(4) == (i ^ 6), "%s: %d", order, at(4));
    }
  });
}

// Lanes 0 and 1 meet first, lanes 1 to 31 after that, and lane 0 joins all at the end.
__global__ void overlapping_kernel(unsigned* out) {
  const unsigned lane = threadIdx.x;
  unsigned sum = 0;
  if (lane < 2) sum += __shfl_xor_sync(3u, lane + 1, 1);
  if (lane > 0) sum += 10 * __shfl_sync(0xfffffffeu, lane, 1 + lane % 3);
  out[lane] = sum + 100 * __shfl_down_sync(kAllLanes, lane, 1);
}

void overlapping_masks() {
  in_every_order([](const char* order) {
    const Array<unsigned> out(32);
    OK(launch(1, 32, 0, nullptr, overlapping_kernel, out.data()));
    for (unsigned i = 0; i < 32; ++i) {
      const unsigned expected = (i == 0   ? 2
                                 : i == 1 ? 1
                                          : 0) +
                                (i > 0 ? 10 * (1 + i % 3) : 0) + 100 * (i < 31 ? i + 1 : i);
      CHECK(out.get()[i] == expected, "%s: [%u] = %u", order, i, out.get()[i]);
    }
  });
}

// Groups of a warp work apart, and what is not in the mask is not known.
__global__ void masks_kernel(unsigned* out, float* outside) {
  const unsigned lane = threadIdx.x, mask = lane < 8 ? 0xffu : 0xffffff00u;
  if (lane < 8) {
    out[lane] = __ballot_sync(mask, lane % 2 == 1);
    __syncwarp(mask);
  } else {
    out[lane] = __ballot_sync(mask, lane > 20);
  }
  out[32 + lane] =
      static_cast<unsigned>(__any_sync(mask, lane == 3)) + 2u * static_cast<unsigned>(__all_sync(mask, lane > 7));
  out[64 + lane] = __match_any_sync(kAllLanes, lane % 3);
  outside[lane] = __shfl_sync(mask, 1.0f, lane < 8 ? 31 : 20);
}

void masks() {
  in_every_order([](const char* order) {
    const Array<unsigned> out(96);
    const Array<float> outside(32);
    OK(launch(1, 32, 0, nullptr, masks_kernel, out.data(), outside.data()));
    const std::vector<unsigned> v = out.get();
    const std::vector<float> unknown = outside.get();
    for (unsigned i = 0; i < 32; ++i) {
      CHECK(v[i] == (i < 8 ? 0xaau : 0xffe00000u), "%s: %x", order, v[i]);
      CHECK(v[32 + i] == (i < 8 ? 1u : 2u), "%s: %u", order, v[32 + i]);
      unsigned same = 0;
      for (unsigned j = i % 3; j < 32; j += 3) same |= 1u << j;
      CHECK(v[64 + i] == same, "%s: %x", order, v[64 + i]);
      CHECK(i < 8 ? std::isnan(unknown[i]) : unknown[i] == 1.0f, "%s: %g", order, unknown[i]);
    }
  });
}

__global__ void atomics_kernel(int* i, unsigned* u, unsigned long long* l) {
  const int lane = static_cast<int>(threadIdx.x);
  atomicAdd(i, lane);
  atomicMin(i + 1, -lane);
  atomicMax(i + 2, lane);
  const int before = atomicExch(i + 3, lane);
  if (before < 0) atomicAdd(i + 4, 1);
  atomicAdd(u, 1u << 28);
  atomicMax(u + 1, ~0u - static_cast<unsigned>(lane));
  atomicMax(l, static_cast<unsigned long long>(lane) << 33);
}

void atomics() {
  in_every_order([](const char* order) {
    const Array<int> i(std::vector<int>{0, 0, 0, -1, 0});
    const Array<unsigned> u(std::vector<unsigned>{7, 0});
    const Array<unsigned long long> l(std::vector<unsigned long long>{0});
    OK(launch(1, 32, 0, nullptr, atomics_kernel, i.data(), u.data(), l.data()));
    std::vector<int> values = i.get();
    values[3] = 0;  // whichever came last
    CHECK((values == std::vector<int>{496, -31, 31, 0, 1}), "%s: %d", order, values[0]);
    CHECK((u.get() == std::vector<unsigned>{7, ~0u}), "%s: %u", order, u.get()[0]);  // 2^33 and 7
    CHECK(l.get()[0] == 31ull << 33, "%s", order);
  });
}

__global__ void arithmetic_kernel(double* out) {
  int k = 0;
  const auto put = [&](double value) { out[k++] = value; };
  put(__popc(0xf0f0u));
  put(__umulhi(0x80000000u, 6u));
  put(__umul64hi(~0ull, ~0ull) == ~0ull - 1);
  put(__float_as_uint(1.0f) == 0x3f800000 && __uint_as_float(0x40000000) == 2.0f);
  put(__longlong_as_double(__double_as_longlong(2.5)));
  put(__fma_rn(1 + 0x1p-52, 1 - 0x1p-52, -1) == -0x1p-104);
  put(sizeof(float4) + alignof(float4) + sizeof(uint4) + alignof(uint4));
  const uint3 place = threadIdx;
  const dim3 size = blockDim;
  put(place.x + size.x + size.y + warpSize);  // 0 + 1 + 1 + 32
}

void arithmetic() {
  const std::vector<double> expected = {8, 3, 1, 1, 2.5, 1, 64, 34};
  const Array<double> out(expected.size());
  OK(launch(1, 1, 0, nullptr, arithmetic_kernel, out.data()));
  const std::vector<double> values = out.get();
  for (size_t i = 0; i < expected.size(); ++i) CHECK(values[i] == expected[i], "[%zu] = %g", i, values[i]);
}

struct Parameters {
  const float* x;
  int64_t strides[4];
};
__global__ void __launch_bounds__(64) parameters_kernel(Parameters p, float* __restrict__ y, int64_t big) {
  y[threadIdx.x] =
      static_cast<float>(1 + threadIdx.x % 4) * p.x[threadIdx.x * p.strides[1]] + static_cast<float>(big >> 40);
}

// Parameters are copied at the launch, and convert to the kernel's types.
void parameters() {
  const Array<float> x(std::vector<float>(16, 2.0f)), y(8);
  Parameters p{x.data(), {1, 2, 3, 4}};
  OK(launch(1, 8, 0, nullptr, parameters_kernel, p, y.data(), int64_t{1} << 40));
  p.strides[1] = 1 << 30;
  CHECK(y.get()[2] == 7 && y.get()[3] == 9, "%g", y.get()[2]);
}

#if defined(__SANITIZE_THREAD__)  // a lane is a thread there: 1024 of them take seconds to start
void costs() {}
#else
__global__ void barriers_kernel(int count) {
  for (int i = 0; i < count; ++i) __syncthreads();
}
__global__ void loop_kernel(float* x, int64_t count) {
  for (int64_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) x[i] += 1;
}

// Processor time, printed, not judged. A kernel without barriers costs one switch in and out per block.
void costs() {
  const auto nanoseconds = [](auto&& work) {
    const std::clock_t start = std::clock();
    work();
    return static_cast<double>(std::clock() - start) * 1e9 / CLOCKS_PER_SEC;
  };
  for (const int threads : {32, 256, 1024}) {
    const uint64_t before = emulation::statistics().switches;
    const double time = nanoseconds([&] {
      OK(launch(1, threads, 0, nullptr, barriers_kernel, 1000));
      OK(cudaDeviceSynchronize());
    });
    std::printf("%d threads: %.0f ns a switch\n", threads,
                time / static_cast<double>(emulation::statistics().switches - before));
  }
  const Array<float> x(std::vector<float>(1024, 0.0f));
  const uint64_t before = emulation::statistics().switches;
  const double time = nanoseconds([&] {
    OK(launch(1000, 1024, 0, nullptr, loop_kernel, x.data(), 1024));
    OK(cudaDeviceSynchronize());
  });
  const uint64_t switches = emulation::statistics().switches - before;
  CHECK(switches == 2000, "%llu switches", static_cast<unsigned long long>(switches));
  std::printf("without barriers: %.1f ns a thread\n", time / 1024000);
  constexpr int kLaunches = 500;
  const double waited = nanoseconds([&] {
    for (int i = 0; i < kLaunches; ++i) {
      OK(launch(1, 32, 0, nullptr, loop_kernel, x.data(), 32));
      OK(cudaDeviceSynchronize());
    }
  });
  const double queued = nanoseconds([&] {
    for (int i = 0; i < kLaunches; ++i) OK(launch(1, 32, 0, nullptr, loop_kernel, x.data(), 32));
    OK(cudaDeviceSynchronize());
  });
  std::printf("launch: %.1f us with a synchronisation, %.1f us without\n", waited / kLaunches / 1e3,
              queued / kLaunches / 1e3);
}
#endif

int main() {
  indices();
  reductions();
  transpose();
  early_ends();
  shuffles<int>();
  shuffles<unsigned long long>();
  shuffles<float>();
  shuffles<double>();
  masks();
  overlapping_masks();
  atomics();
  arithmetic();
  parameters();
  costs();
  for (const char* order : {"", "sideways", "Reverse", "random", "random:", "random:x", "random:-1", "random: 1"}) {
    CHECK(!emulation::set_order(order), "%s", order);
  }
  return finish();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::main(); }
