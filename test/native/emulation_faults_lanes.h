// Cases of emulation_faults_test.cu: the order of lanes, blocks and streams.
#ifndef COTANGENT_TEST_EMULATION_FAULTS_LANES_H
#define COTANGENT_TEST_EMULATION_FAULTS_LANES_H

#include "test/native/emulation_testing.h"

namespace cotangent::testing {
namespace {

using cuda::dynamic_shared;
using cuda::launch;

// What a run found by itself: a wrong value is caught, too.
bool values_wrong = false;
template <class T>
void expect(const std::vector<T>& values, T expected) {
  for (const T& value : values) values_wrong = values_wrong || !(value == expected);
}

// Sums per block: shared memory, a tree, a barrier in each step.
template <int kBlock>
__global__ void tree_sum_kernel(const float* x, float* out, bool barrier) {
  auto& part = SHARED(float[kBlock]);
  part[threadIdx.x] = x[blockIdx.x * kBlock + threadIdx.x];
  __syncthreads();
  for (int width = kBlock / 2; width > 0; width /= 2) {
    if (static_cast<int>(threadIdx.x) < width) part[threadIdx.x] += part[threadIdx.x + width];
    if (barrier) __syncthreads();
  }
  if (threadIdx.x == 0) out[blockIdx.x] = part[0];
}

void missing_barrier(bool wrong) {
  const Array<float> x(std::vector<float>(64, 1.0f)), out(2);
  // Without the barrier the sum is right in one order at most.
  in_every_order([&](const char*) {
    OK(launch(2, 32, 0, nullptr, tree_sum_kernel<32>, x.data(), out.data(), !wrong));
    expect(out.get(), 32.0f);
  });
}

__global__ void exchange_kernel(const int* x, int* y, bool barrier) {
  auto* values = dynamic_shared<int>();
  values[threadIdx.x] = x[threadIdx.x];
  if (barrier) __syncwarp();
  y[threadIdx.x] = values[threadIdx.x ^ 1];
}

void missing_warp_barrier(bool wrong) {
  const Array<int> x(std::vector<int>(32, 5)), y(32);
  OK(launch(1, 32, 32 * sizeof(int), nullptr, exchange_kernel, x.data(), y.data(), !wrong));
  expect(y.get(), 5);
}

__global__ void count_kernel(int* total, bool atomic) {
  if (atomic) {
    atomicAdd(total, 1);
  } else {
    *total = *total + 1;
  }
}

void race_between_blocks(bool wrong) {
  const Array<int> total(std::vector<int>{0});
  OK(launch(4, 1, 0, nullptr, count_kernel, total.data(), !wrong));
  expect(total.get(), 4);
}

// Partial results by all blocks, summed by the last one: the data need a fence on both sides of the counter.
__global__ void last_block_kernel(float* parts, int* arrived, float* out, bool fence) {
  if (threadIdx.x != 0) return;
  parts[blockIdx.x] = 1;
  if (fence) __threadfence();
  if (atomicAdd(arrived, 1) != static_cast<int>(gridDim.x) - 1) return;
  if (fence) __threadfence();
  float sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum += parts[i];
  *out = sum;
}

void missing_fence(bool wrong) {
  const Array<float> parts(4), out(1);
  const Array<int> arrived(std::vector<int>{0});
  OK(launch(4, 32, 0, nullptr, last_block_kernel, parts.data(), arrived.data(), out.data(), !wrong));
  expect(out.get(), 4.0f);
}

// From the first block to the second: either fence alone orders nothing.
__global__ void handover_kernel(float* data, int* ready, float* out, bool writer_fence, bool reader_fence) {
  if (blockIdx.x == 0) {
    *data = 4;
    if (writer_fence) __threadfence();
    atomicExch(ready, 1);
  } else if (atomicAdd(ready, 0) == 1) {
    if (reader_fence) __threadfence();
    *out = *data;
  }
}

void hand_over(bool writer_fence, bool reader_fence) {
  emulation::set_order("forward");
  const Array<float> data(1), out(1);
  const Array<int> ready(std::vector<int>{0});
  OK(launch(2, 1, 0, nullptr, handover_kernel, data.data(), ready.data(), out.data(), writer_fence, reader_fence));
  expect(out.get(), 4.0f);
}

void missing_writer_fence(bool wrong) { hand_over(!wrong, true); }
void missing_reader_fence(bool wrong) { hand_over(true, !wrong); }

// A shuffle or a vote makes lanes meet, and orders nothing of what they wrote before.
__global__ void meeting_kernel(const int* x, int* y, bool vote, bool barrier) {
  auto* values = dynamic_shared<int>();
  values[threadIdx.x] = x[threadIdx.x];
  const int one = vote ? __any_sync(kAllLanes, 1) : __shfl_xor_sync(kAllLanes, 1, 1);
  if (barrier) __syncwarp();
  y[threadIdx.x] = one * values[threadIdx.x ^ 1];
}

void meet(bool vote, bool barrier) {
  const Array<int> x(std::vector<int>(32, 5)), y(32);
  OK(launch(1, 32, 32 * sizeof(int), nullptr, meeting_kernel, x.data(), y.data(), vote, barrier));
  expect(y.get(), 5);
}

void shuffle_for_barrier(bool wrong) { meet(false, !wrong); }
void vote_for_barrier(bool wrong) { meet(true, !wrong); }

__global__ void divergent_kernel(int* x, bool divergent) {
  if (divergent && threadIdx.x < 32) {
    x[threadIdx.x] = 1;
    __syncthreads();
  } else {
    x[threadIdx.x] = 1;
    __syncthreads();
  }
}

void divergent_barrier(bool wrong) {
  const Array<int> x(64);
  OK(launch(1, 64, 0, nullptr, divergent_kernel, x.data(), wrong));
  expect(x.get(), 1);
}

// A barrier that half of the block does not reach, while the other half waits for it in a shuffle.
__global__ void deadlock_kernel(int* x, bool wrong) {
  const int lane = static_cast<int>(threadIdx.x);
  if (wrong && lane == 0) __syncthreads();
  x[lane] = __shfl_sync(kAllLanes, lane, 3);
  __syncthreads();
}

void deadlock(bool wrong) {
  const Array<int> x(32);
  OK(launch(1, 32, 0, nullptr, deadlock_kernel, x.data(), wrong));
  expect(x.get(), 3);
}

__global__ void mask_kernel(float* x, bool wrong) {
  const unsigned mask = wrong && threadIdx.x % 2 == 1 ? 0xfffffffeu : kAllLanes;
  x[threadIdx.x] = __shfl_xor_sync(mask, 2.0f, 1);
}

void unequal_masks(bool wrong) {
  const Array<float> x(32);
  OK(launch(1, 32, 0, nullptr, mask_kernel, x.data(), wrong));
  expect(x.get(), 2.0f);
}

__global__ void operations_kernel(unsigned* x, bool wrong) {
  if (wrong && threadIdx.x == 7) {
    __syncwarp();
  } else {
    x[threadIdx.x] = __ballot_sync(kAllLanes, 1);
  }
  if (!wrong) return;
  x[threadIdx.x] = 0;
}

void unequal_operations(bool wrong) {
  const Array<unsigned> x(32);
  OK(launch(1, 32, 0, nullptr, operations_kernel, x.data(), wrong));
  expect(x.get(), kAllLanes);
}

// The tail of the data ends early and is still named in the mask.
__global__ void early_exit_kernel(int* x, int count) {
  const int i = static_cast<int>(threadIdx.x);
  if (i >= count) return;
  x[i] = __shfl_sync(kAllLanes, 4, 0);
}

void exited_lanes(bool wrong) {
  const Array<int> x(std::vector<int>(32, 4));
  OK(launch(1, 32, 0, nullptr, early_exit_kernel, x.data(), wrong ? 31 : 32));
  expect(x.get(), 4);
}

void absent_lanes(bool wrong) {
  const Array<int> x(std::vector<int>(32, 4));
  OK(launch(1, wrong ? 31 : 32, 0, nullptr, early_exit_kernel, x.data(), 32));
  expect(x.get(), 4);
}

__global__ void outside_mask_kernel(int* x, unsigned mask) {
  if (threadIdx.x < 16) x[threadIdx.x] = __shfl_down_sync(mask, 1, 1, 16);
}

void caller_not_in_mask(bool wrong) {
  const Array<int> x(16);
  OK(launch(1, 32, 0, nullptr, outside_mask_kernel, x.data(), wrong ? 0xfffeu : 0xffffu));
  expect(x.get(), 1);
}

// The last block to arrive writes: which one that is, the device does not say.
__global__ void last_writer_kernel(int* out, bool wrong) {
  if (threadIdx.x != 0) return;
  if (wrong) {
    atomicExch(out, static_cast<int>(blockIdx.x));
  } else {
    atomicMax(out, static_cast<int>(blockIdx.x));
  }
}

void order_dependent(bool wrong) {
  in_every_order([&](const char*) {
    const Array<int> out(std::vector<int>{0});
    OK(launch(8, 32, 0, nullptr, last_writer_kernel, out.data(), wrong));
    expect(out.get(), 7);
  });
}

__global__ void fill_kernel(float* x, int64_t count, float value) {
  for (int64_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) x[i] = value;
}

template <class T>
__global__ void add_kernel(const T* x, const T* y, T* z) {
  z[threadIdx.x] = x[threadIdx.x] + y[threadIdx.x];
}

// Work on one stream with what another stream makes.
void missing_event(bool wrong) {
  const Array<float> x(64), y(64), z(64);
  cudaStream_t producer, consumer;
  cudaEvent_t ready;
  OK(cudaStreamCreateWithFlags(&producer, cudaStreamNonBlocking));
  OK(cudaStreamCreateWithFlags(&consumer, cudaStreamNonBlocking));
  OK(cudaEventCreateWithFlags(&ready, cudaEventDisableTiming));
  OK(launch(1, 32, 0, producer, fill_kernel, x.data(), 64, 1.0f));
  OK(launch(1, 32, 0, producer, fill_kernel, y.data(), 64, 2.0f));
  OK(cudaEventRecord(ready, producer));
  if (!wrong) OK(cudaStreamWaitEvent(consumer, ready));
  OK(launch(1, 64, 0, consumer, add_kernel<float>, x.data(), y.data(), z.data()));
  OK(cudaStreamSynchronize(consumer));
  expect(z.get(), 3.0f);
}

// Allocated in the order of one stream, used on another.
void allocation_of_another_stream(bool wrong) {
  cudaStream_t owner, other;
  float* x = nullptr;
  OK(cudaStreamCreateWithFlags(&owner, cudaStreamNonBlocking));
  OK(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  OK(cudaMallocAsync(&x, 1024, owner));
  if (!wrong) OK(cudaStreamSynchronize(owner));
  OK(launch(1, 32, 0, other, fill_kernel, x, 256, 1.0f));
  OK(cudaStreamSynchronize(other));
}

struct Pinned {
  float* data = nullptr;
  Pinned() { OK(cudaHostAlloc(&data, 64 * sizeof(float), cudaHostAllocDefault)); }
  ~Pinned() { cudaFreeHost(data); }
  std::vector<float> values() const { return std::vector<float>(data, data + 64); }
};

void missing_synchronisation(bool wrong) {
  const Array<float> x(64);
  const Pinned host;
  cudaStream_t stream;
  OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  OK(launch(1, 32, 0, stream, fill_kernel, x.data(), 64, 1.0f));
  OK(cudaMemcpyAsync(host.data, x.data(), 64 * sizeof(float), cudaMemcpyDeviceToHost, stream));
  if (!wrong) OK(cudaStreamSynchronize(stream));
  expect(host.values(), 1.0f);
  OK(cudaStreamSynchronize(stream));
}

void staging_reused_early(bool wrong) {
  const Array<float> x(64);
  const Pinned host;
  cudaStream_t stream;
  OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  for (int i = 0; i < 64; ++i) host.data[i] = 1;
  OK(cudaMemcpyAsync(x.data(), host.data, 64 * sizeof(float), cudaMemcpyHostToDevice, stream));
  if (!wrong) OK(cudaStreamSynchronize(stream));
  for (int i = 0; i < 64; ++i) host.data[i] = 2;
  OK(cudaStreamSynchronize(stream));
  expect(x.get(), 1.0f);
}

}  // namespace
}  // namespace cotangent::testing

#endif
