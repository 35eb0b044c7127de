// Cases of emulation_faults_test.cu: memory, limits, and operations that stop a kernel.
#ifndef COTANGENT_TEST_EMULATION_FAULTS_MEMORY_H
#define COTANGENT_TEST_EMULATION_FAULTS_MEMORY_H

#include <unistd.h>

#include <cstdlib>

#include "test/native/emulation_faults_lanes.h"

namespace cotangent::testing {
namespace {

// Past the last page, and past the last element only: 64 floats fill a unit of allocation, 60 do not.
void write_past_pages(bool wrong) {
  const Array<float> x(1024);
  OK(launch(1, 32, 0, nullptr, fill_kernel, x.data(), wrong ? 1025 : 1024, 1.0f));
  OK(cudaDeviceSynchronize());
}

void write_past_end(bool wrong) {
  const Array<float> x(60);
  OK(launch(1, 32, 0, nullptr, fill_kernel, x.data(), wrong ? 61 : 60, 1.0f));
  OK(cudaDeviceSynchronize());
}

__global__ void shift_kernel(const float* x, float* y, int by) {
  y[threadIdx.x] = x[static_cast<int>(threadIdx.x) - by];
}

void read_before_start(bool wrong) {
  const Array<float> x(std::vector<float>(1024, 1.0f)), y(32);
  OK(launch(1, 32, 0, nullptr, shift_kernel, x.data(), y.data(), wrong ? 1 : 0));
  expect(y.get(), 1.0f);
}

template <class T>
__global__ void shared_bounds_kernel(float* out, int first_count, int last_count) {
  T* first = SHARED(T[31]);
  T* last = SHARED(T[31]);
  if (threadIdx.x == 0) {
    for (int i = 0; i < first_count; ++i) first[i] = 1;
    for (int i = 0; i < last_count; ++i) last[i] = 1;
  }
  __syncthreads();
  out[threadIdx.x] = static_cast<float>(first[threadIdx.x % 31] * last[threadIdx.x % 31]);
}

template <class T>
void fill_shared(int first_count, int last_count) {
  const Array<float> out(32);
  OK(launch(1, 32, 0, nullptr, shared_bounds_kernel<T>, out.data(), first_count, last_count));
  expect(out.get(), 1.0f);
}

void shared_out_of_bounds(bool wrong) { fill_shared<float>(wrong ? 32 : 31, 31); }
void last_shared_out_of_bounds(bool wrong) { fill_shared<float>(31, wrong ? 32 : 31); }
void shared_bytes_out_of_bounds(bool wrong) { fill_shared<unsigned char>(31, wrong ? 32 : 31); }

__global__ void shared_read_kernel(float* out, unsigned count) {
  float* values = SHARED(float[31]);
  if (threadIdx.x < 31) values[threadIdx.x] = 1.0f;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x % count];
}

void shared_read_out_of_bounds(bool wrong) {
  const Array<float> out(32);
  OK(launch(1, 32, 0, nullptr, shared_read_kernel, out.data(), wrong ? 32u : 31u));
  expect(out.get(), 1.0f);
}

template <class T>
__global__ void partial_kernel(T* out, unsigned written) {
  auto& values = SHARED(T[64]);
  if (threadIdx.x < written) values[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x] + values[63 - threadIdx.x];
}

template <class T>
void uninitialised_shared(bool wrong) {
  emulation::trap_invalid_operations(true);
  const Array<T> out(64);
  OK(launch(1, 64, 0, nullptr, partial_kernel<T>, out.data(), wrong ? 63u : 64u));
  expect(out.get(), T{2});
}

// Without traps the poison goes through the arithmetic as NaN.
void uninitialised_shared_value(bool wrong) {
  const Array<double> out(64);
  OK(launch(1, 64, 0, nullptr, partial_kernel<double>, out.data(), wrong ? 63u : 64u));
  expect(out.get(), 2.0);
}

void uninitialised_global(bool wrong) {
  const Array<double> x(std::vector<double>(32, 1.0)), y(32), z(32);
  if (!wrong) y.set(std::vector<double>(32, 2.0));
  OK(launch(1, 32, 0, nullptr, add_kernel<double>, x.data(), y.data(), z.data()));
  expect(z.get(), 3.0);
}

void uninitialised_global_trap(bool wrong) {
  emulation::trap_invalid_operations(true);
  const Array<float> x(std::vector<float>(32, 1.0f)), y(32), z(32);
  if (!wrong) y.set(std::vector<float>(32, 2.0f));
  OK(launch(1, 32, 0, nullptr, add_kernel<float>, x.data(), y.data(), z.data()));
  expect(z.get(), 3.0f);
}

void host_touches_device(bool wrong) {
  const Array<float> x(std::vector<float>(32, 1.0f));
  float value = 0;
  if (wrong) {
    value = *static_cast<volatile float*>(x.data());
  } else {
    OK(cudaMemcpy(&value, x.data(), sizeof value, cudaMemcpyDeviceToHost));
  }
  values_wrong = value != 1.0f;
}

void device_touches_host(bool wrong) {
  std::vector<float> pageable(1024);
  float* pinned = nullptr;
  OK(cudaHostAlloc(&pinned, 1024 * sizeof(float), cudaHostAllocDefault));
  OK(launch(1, 32, 0, nullptr, fill_kernel, wrong ? pageable.data() : pinned, 1024, 1.0f));
  OK(cudaDeviceSynchronize());
  OK(cudaFreeHost(pinned));
}

__global__ void null_kernel(const float* const* table, float* out) { out[threadIdx.x] = table[0][threadIdx.x]; }

void null_pointer(bool wrong) {
  const Array<float> x(std::vector<float>(32, 1.0f)), out(32);
  const Array<const float*> table(std::vector<const float*>{wrong ? nullptr : x.data()});
  OK(launch(1, 32, 0, nullptr, null_kernel, table.data(), out.data()));
  expect(out.get(), 1.0f);
}

__global__ void vector_kernel(const float* x, float* y) {
  const float4 v = *reinterpret_cast<const float4*>(x);
  y[threadIdx.x] = v.x + v.y + v.z + v.w;
}

void misaligned_vector(bool wrong) {
  const Array<float> x(std::vector<float>(64, 1.0f)), y(32);
  OK(launch(1, 32, 0, nullptr, vector_kernel, x.data() + (wrong ? 1 : 4), y.data()));
  expect(y.get(), 4.0f);
}

// The alignment of a shared array is that of its type: nvcc promises no more.
__global__ void shared_vector_kernel(float* y, bool wrong) {
  auto& loose = SHARED(float[8]);
  auto& tight = SHARED(float4[2]);
  float* values = wrong ? loose : reinterpret_cast<float*>(tight);
  if (threadIdx.x < 8) values[threadIdx.x] = 1;
  __syncthreads();
  const float4 v = *reinterpret_cast<const float4*>(values);
  y[threadIdx.x] = v.x + v.y + v.z + v.w;
}

void misaligned_shared_vector(bool wrong) {
  const Array<float> y(32);
  OK(launch(1, 32, 0, nullptr, shared_vector_kernel, y.data(), wrong));
  expect(y.get(), 4.0f);
}

void too_many_threads(bool wrong) {
  const Array<float> x(64);
  const cudaError_t status = launch(1, wrong ? 1056 : 1024, 0, nullptr, fill_kernel, x.data(), 64, 1.0f);
  if (status != cudaSuccess) std::fprintf(stderr, "%s\n", cudaGetErrorName(status));
  values_wrong = status != cudaSuccess || cudaGetLastError() != cudaSuccess;
}

__global__ void dynamic_kernel(float* x) {
  auto* values = dynamic_shared<float>();
  values[threadIdx.x] = 1;
  x[threadIdx.x] = values[threadIdx.x];
}

void too_much_shared(bool wrong) {
  const Array<float> x(32);
  if (!wrong) OK(cudaFuncSetAttribute(dynamic_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 * 1024));
  const cudaError_t status = launch(1, 32, 64 * 1024, nullptr, dynamic_kernel, x.data());
  if (status != cudaSuccess) std::fprintf(stderr, "%s\n", cudaGetErrorName(status));
  values_wrong = status != cudaSuccess;
}

template <int kFloats>
__global__ void static_kernel(float* x) {
  auto& values = SHARED(float[kFloats]);
  values[threadIdx.x] = 1;
  x[threadIdx.x] = values[threadIdx.x];
}

void too_much_static_shared(bool wrong) {
  const Array<float> x(32);
  OK(wrong ? launch(1, 32, 0, nullptr, static_kernel<12 * 1024 + 1>, x.data())
           : launch(1, 32, 0, nullptr, static_kernel<12 * 1024>, x.data()));
  expect(x.get(), 1.0f);
}

void use_after_free(bool wrong) {
  float* x = nullptr;
  OK(cudaMalloc(&x, 1024 * sizeof(float)));
  if (wrong) OK(cudaFree(x));
  OK(launch(1, 32, 0, nullptr, fill_kernel, x, 1024, 1.0f));
  OK(cudaDeviceSynchronize());
  if (!wrong) OK(cudaFree(x));
}

void failed_allocation(bool wrong) {
  emulation::fail_allocation(2);
  float *x = nullptr, *y = nullptr;
  cudaMalloc(&x, 256);
  const cudaError_t status = cudaMalloc(&y, 256);
  if (status != cudaErrorMemoryAllocation) values_wrong = true;
  if (!wrong && status != cudaSuccess) {
    if (cudaGetLastError() != cudaErrorMemoryAllocation) values_wrong = true;  // and clears it
    OK(cudaMalloc(&y, 256));
  }
  OK(launch(1, 32, 0, nullptr, fill_kernel, y, 64, 1.0f));
  OK(cudaDeviceSynchronize());
}

__global__ void divide_kernel(int* x, int by) { x[threadIdx.x] = 6 / (by - static_cast<int>(threadIdx.x)); }

void integer_division(bool wrong) {
  const Array<int> x(2);
  OK(launch(1, 2, 0, nullptr, divide_kernel, x.data(), wrong ? 1 : 2));
  OK(cudaDeviceSynchronize());
}

__attribute__((noinline)) int descend(int depth) {
  volatile char frame[1024];
  frame[0] = static_cast<char>(depth);
  return depth == 0 ? frame[0] : descend(depth - 1) + frame[0];
}
__global__ void depth_kernel(int* out, int depth) { *out = descend(depth); }

void stack_overflow(bool wrong) {
  const Array<int> out(1);
  OK(launch(1, 1, 0, nullptr, depth_kernel, out.data(), wrong ? 100000 : 10));
  OK(cudaDeviceSynchronize());
}

// The environment is read once: a corrected twin runs again, in this process, with the setting.
void run_again_with(const char* setting, const char* value) {
  setenv(setting, value, 1);
  execl("/proc/self/exe", "emulation_faults_test", "use_after_free", "right", static_cast<char*>(nullptr));
}

void mistyped_order(bool wrong) { run_again_with("COTANGENT_EMULATION_ORDER", wrong ? "backwards" : "random:7"); }
void mistyped_memory(bool wrong) { run_again_with("COTANGENT_EMULATION_MEMORY", wrong ? "1MiB" : "1048576"); }
void mistyped_failure(bool wrong) { run_again_with("COTANGENT_EMULATION_FAIL_ALLOC", wrong ? "-1" : "0"); }

}  // namespace
}  // namespace cotangent::testing

#endif
