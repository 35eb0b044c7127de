// Wrong code that the emulator must catch, one case per kind of fault, each with its corrected twin that must pass.
//
// Every case runs in a process of its own: this program calls itself with the case's name and `wrong` or `right`. It is
// built plain, with AddressSanitizer and UndefinedBehaviourSanitizer, and with ThreadSanitizer; a case names the
// flavours that catch it and what they say.
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "test/native/emulation_testing.h"

namespace cotangent::testing {
namespace {

using cuda::dynamic_shared;
using cuda::launch;

enum Flavour { kPlain = 1, kAddress = 2, kThread = 4 };
#if defined(__SANITIZE_ADDRESS__)
constexpr Flavour kFlavour = kAddress;
#elif defined(__SANITIZE_THREAD__)
constexpr Flavour kFlavour = kThread;
#else
constexpr Flavour kFlavour = kPlain;
#endif

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

__global__ void fill_kernel(float* x, int64_t count, float value) {
  for (int64_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) x[i] = value;
}

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

__global__ void shared_bounds_kernel(float* out, int count) {
  float* values = SHARED(float[30]);
  auto& others = SHARED(float[30]);
  if (threadIdx.x == 0) {
    for (int i = 0; i < count; ++i) values[i] = others[i % 30] = 1.0f;
  }
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x % 30];
}

void shared_out_of_bounds(bool wrong) {
  const Array<float> out(32);
  OK(launch(1, 32, 0, nullptr, shared_bounds_kernel, out.data(), wrong ? 31 : 30));
  expect(out.get(), 1.0f);
}

template <class T>
__global__ void partial_kernel(T* out, unsigned written) {
  auto& values = SHARED(T[64]);
  if (threadIdx.x < written) values[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = values[threadIdx.x] + values[63 - threadIdx.x];
}

void uninitialised_shared(bool wrong) {
  emulation::trap_invalid_operations(true);
  const Array<float> out(64);
  OK(launch(1, 64, 0, nullptr, partial_kernel<float>, out.data(), wrong ? 63u : 64u));
  OK(cudaDeviceSynchronize());
  const Array<double> out64(64);
  OK(launch(1, 64, 0, nullptr, partial_kernel<double>, out64.data(), wrong ? 63u : 64u));
  OK(cudaDeviceSynchronize());
}

// Without traps the poison goes through the arithmetic as NaN.
void uninitialised_shared_value(bool wrong) {
  const Array<double> out(64);
  OK(launch(1, 64, 0, nullptr, partial_kernel<double>, out.data(), wrong ? 63u : 64u));
  expect(out.get(), 2.0);
}

template <class T>
__global__ void add_kernel(const T* x, const T* y, T* z) {
  z[threadIdx.x] = x[threadIdx.x] + y[threadIdx.x];
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
  OK(cudaMallocHost(&pinned, 1024 * sizeof(float)));
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
  Pinned() { OK(cudaMallocHost(&data, 64 * sizeof(float))); }
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

__global__ void trap_kernel(const int* index, int* out, int count) {
  if (index[threadIdx.x] >= count) __trap();
  out[threadIdx.x] = index[threadIdx.x];
}

void trap(bool wrong) {
  const Array<int> index(std::vector<int>(32, 3)), out(32);
  OK(launch(1, 32, 0, nullptr, trap_kernel, index.data(), out.data(), wrong ? 3 : 4));
  expect(out.get(), 3);
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

struct Case {
  const char* name;
  void (*run)(bool wrong);
  int flavours;
  const char* says;  // in the output of the wrong twin
};

// Where the processor stops at such operations.
#if defined(__x86_64__)
constexpr int kTrapping = kPlain;
#else
constexpr int kTrapping = 0;
#endif

#define CASE(name, flavours, says) {#name, name, flavours, says}
constexpr const char *kWrongValue = "wrong value", *kRace = "ThreadSanitizer: data race",
                     *kPoisoned = "AddressSanitizer: use-after-poison";
const Case kCases[] = {
    CASE(missing_barrier, kPlain, kWrongValue),
    CASE(missing_barrier, kThread, kRace),
    CASE(missing_warp_barrier, kThread, kRace),
    CASE(race_between_blocks, kThread, kRace),
    CASE(missing_fence, kThread, kRace),
    CASE(write_past_pages, kPlain, "byte 4096 of a device allocation of 4096 bytes, in kernel"),
    CASE(write_past_pages, kAddress, "an access to"),
    CASE(write_past_end, kPlain, "a write past the end of"),
    CASE(write_past_end, kAddress, kPoisoned),
    CASE(read_before_start, kPlain, "byte -4 of a device allocation"),
    CASE(shared_out_of_bounds, kPlain, "a write past the end of a shared array of 120 bytes"),
    CASE(shared_out_of_bounds, kAddress, kPoisoned),
    CASE(uninitialised_shared, kTrapping, "an invalid floating-point operation"),
    CASE(uninitialised_shared_value, kPlain | kAddress, kWrongValue),
    CASE(uninitialised_global, kPlain | kAddress, kWrongValue),
    CASE(uninitialised_global_trap, kTrapping, "an invalid floating-point operation"),
    CASE(divergent_barrier, kPlain | kAddress | kThread, "a divergent __syncthreads"),
    CASE(deadlock, kPlain | kAddress | kThread, "a deadlock"),
    CASE(unequal_masks, kPlain | kAddress | kThread, "unequal warp operations: a shuffle with mask 0x"),
    CASE(unequal_operations, kPlain, "unequal warp operations"),
    CASE(exited_lanes, kPlain, "for lanes 0x80000000, which have ended"),
    CASE(absent_lanes, kPlain, "which names lanes 0x80000000 that the block does not have"),
    CASE(caller_not_in_mask, kPlain, "by a thread that is not in it"),
    CASE(host_touches_device, kPlain | kAddress | kThread, "host code touched device memory"),
    CASE(device_touches_host, kPlain, "points to host memory"),
    CASE(null_pointer, kPlain, "an access to (nil), which is not device memory, in kernel"),
    CASE(misaligned_vector, kAddress, "misaligned address"),
    CASE(misaligned_shared_vector, kAddress, "misaligned address"),
    CASE(order_dependent, kPlain | kAddress, kWrongValue),
    CASE(too_many_threads, kPlain, "cudaErrorInvalidConfiguration"),
    CASE(too_much_shared, kPlain, "cudaErrorInvalidValue"),
    CASE(too_much_static_shared, kPlain, "49156 bytes of static and 0 of dynamic shared memory"),
    CASE(use_after_free, kPlain, "in device memory that is not allocated"),
    CASE(use_after_free, kAddress, kPoisoned),
    CASE(missing_event, kPlain, kWrongValue),
    CASE(allocation_of_another_stream, kPlain, "not yet allocated in stream order"),
    CASE(missing_synchronisation, kPlain, kWrongValue),
    CASE(staging_reused_early, kPlain, kWrongValue),
    CASE(failed_allocation, kPlain, "an access to (nil)"),
    CASE(trap, kPlain, "__trap at"),
    CASE(integer_division, kTrapping, "an integer division by zero"),
    CASE(stack_overflow, kPlain, "the lane's stack overflowed"),
};

// In the child: what went wrong is written, and decides the status.
int run_case(const Case& c, bool wrong) {
  c.run(wrong);
  const std::string fault = emulation::last_fault();
  if (!fault.empty()) std::fprintf(stderr, "fault: %s\n", fault.c_str());
  if (values_wrong) std::fprintf(stderr, "wrong value\n");
  return fault.empty() && !values_wrong && failures == 0 ? 0 : 3;
}

struct Result {
  bool clean;
  std::string output;
};

Result run_child(const char* program, const char* name, bool wrong) {
  int ends[2];
  if (pipe(ends) != 0) return {false, "no pipe"};
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    setenv("TSAN_OPTIONS", "halt_on_error=1:exitcode=66:report_signal_unsafe=0", 1);
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);  // a lane that failed is given up with what it holds
    execl(program, program, name, wrong ? "wrong" : "right", static_cast<char*>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  std::string output;
  char buffer[4096];
  for (ssize_t size; (size = read(ends[0], buffer, sizeof buffer)) > 0;)
    output.append(buffer, static_cast<size_t>(size));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) && WEXITSTATUS(status) == 0, output};
}

int run_all(const char* program) {
  int count = 0;
  for (const Case& c : kCases) {
    if (!(c.flavours & kFlavour)) continue;
    ++count;
    const Result wrong = run_child(program, c.name, true), right = run_child(program, c.name, false);
    CHECK(!wrong.clean, "%s is not caught", c.name);
    CHECK(wrong.output.find(c.says) != std::string::npos, "%s says:\n%s", c.name, wrong.output.c_str());
    CHECK(right.clean && right.output.empty(), "the corrected %s says:\n%s", c.name, right.output.c_str());
  }
  std::printf("%d faults\n", count);
  return finish();
}

}  // namespace
}  // namespace cotangent::testing

int main(int count, char** arguments) {
  using namespace cotangent::testing;
  if (count < 3) return run_all("/proc/self/exe");
  for (const Case& c : kCases) {
    if (std::strcmp(c.name, arguments[1]) == 0) return run_case(c, std::strcmp(arguments[2], "wrong") == 0);
  }
  return 2;
}
