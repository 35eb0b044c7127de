// The emulated CUDA runtime: memory, copies, streams, events, errors, the device and its limits.
#include <cstring>

#include "test/native/emulation_testing.h"

namespace cotangent::testing {
namespace {

using cuda::dynamic_shared;
using cuda::launch;

__global__ void add_kernel(int* x, int64_t count, int value) {
  for (int64_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) x[i] += value;
}

__global__ void scale_kernel(int* x, int64_t count, int factor) {
  for (int64_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) x[i] *= factor;
}

struct Stream {
  cudaStream_t handle = nullptr;
  explicit Stream(unsigned flags = cudaStreamNonBlocking) { OK(cudaStreamCreateWithFlags(&handle, flags)); }
  ~Stream() { OK(cudaStreamDestroy(handle)); }
};

struct Pinned {
  int* data = nullptr;
  explicit Pinned(size_t count) { OK(cudaHostAlloc(&data, count * sizeof(int), cudaHostAllocDefault)); }
  ~Pinned() { OK(cudaFreeHost(data)); }
};

void device() {
  int count = 0, value = 0;
  OK(cudaGetDeviceCount(&count));
  CHECK(count == 1, "%d devices", count);
  OK(cudaSetDevice(0));
  CHECK(cudaSetDevice(1) == cudaErrorInvalidDevice, "a second device");
  CHECK(cudaGetLastError() == cudaErrorInvalidDevice && cudaGetLastError() == cudaSuccess, "errors are told once");
  cudaDeviceProp properties;
  OK(cudaGetDeviceProperties(&properties, 0));
  CHECK(properties.major == 9 && properties.maxThreadsPerBlock == 1024, "%d", properties.major);
  CHECK(properties.sharedMemPerBlock == 48 * 1024 && properties.sharedMemPerBlockOptin == 227 * 1024, "%zu",
        properties.sharedMemPerBlockOptin);
  OK(cudaRuntimeGetVersion(&value));
  CHECK(value == CUDART_VERSION, "%d", value);
  CHECK(std::strcmp(cudaGetErrorName(cudaErrorLaunchFailure), "cudaErrorLaunchFailure") == 0, "name");
  CHECK(std::strcmp(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory") == 0, "text");
}

void memory() {
  const size_t before = emulation::statistics().bytes;
  cudaDeviceProp properties;
  OK(cudaGetDeviceProperties(&properties, 0));
  int* x = nullptr;
  OK(cudaMalloc(&x, 1000));
  CHECK(reinterpret_cast<uintptr_t>(x) % 256 == 0, "%p", static_cast<void*>(x));
  CHECK(emulation::statistics().bytes - before == 1000, "%zu", static_cast<size_t>(emulation::statistics().bytes));
  CHECK(cudaFree(x + 1) == cudaErrorInvalidValue, "inside of an allocation");
  OK(cudaFree(x));
  CHECK(cudaFree(x) == cudaErrorInvalidValue, "twice");
  OK(cudaFree(nullptr));
  void* huge = nullptr;
  CHECK(cudaMalloc(&huge, properties.totalGlobalMem + 1) == cudaErrorMemoryAllocation && huge == nullptr,
        "more than there is");
  OK(cudaMalloc(&huge, 0));
  CHECK(huge == nullptr, "nothing");
  // An address comes back late.
  OK(cudaMalloc(&huge, 1000));
  CHECK(huge != x, "%p at once again", huge);
  OK(cudaFree(huge));
  emulation::fail_allocation(1);
  CHECK(cudaMalloc(&huge, 4) == cudaErrorMemoryAllocation, "asked to fail");
  OK(cudaMalloc(&huge, 4));
  OK(cudaFree(huge));
  cudaGetLastError();
}

void copies() {
  const std::vector<int> values = {1, 2, 3, 4, 5, 6};
  const Array<int> x(values), y(6);
  OK(cudaMemcpy(y.data(), x.data(), 6 * sizeof(int), cudaMemcpyDeviceToDevice));
  CHECK(y.get() == values, "device to device");
  OK(cudaMemsetAsync(y.data(), 0, 3 * sizeof(int)));
  CHECK((y.get() == std::vector<int>{0, 0, 0, 4, 5, 6}), "set");
  std::vector<int> part(4);
  OK(cudaMemcpy(part.data(), x.data() + 1, 16, cudaMemcpyDeviceToHost));
  CHECK((part == std::vector<int>{2, 3, 4, 5}), "a part");
  CHECK(cudaMemcpy(part.data(), x.data(), 28, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue, "too long");
  CHECK(cudaMemcpy(part.data(), x.data(), 8, cudaMemcpyHostToDevice) == cudaErrorInvalidValue, "wrong way");
  CHECK(cudaMemcpy(part.data(), part.data(), 8, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue, "host to host");
  cudaGetLastError();
}

// A stream runs when somebody waits; pageable memory is staged at once, page-locked memory is read late.
void lazy_streams() {
  const Stream stream;
  const Array<int> x(4);
  const Pinned pinned(4), result(4);
  std::vector<int> pageable(4, 1);
  OK(cudaMemcpyAsync(x.data(), pageable.data(), 16, cudaMemcpyHostToDevice, stream.handle));
  pageable.assign(4, 9);
  OK(launch(1, 32, 0, stream.handle, add_kernel, x.data(), 4, 10));
  OK(cudaMemcpyAsync(result.data, x.data(), 16, cudaMemcpyDeviceToHost, stream.handle));
  CHECK(result.data[0] != 11, "the stream ran before anybody waited");
  OK(cudaStreamSynchronize(stream.handle));
  CHECK(result.data[0] == 11 && result.data[3] == 11, "%d", result.data[0]);
  // A copy to pageable memory returns when it is done.
  OK(launch(1, 32, 0, stream.handle, scale_kernel, x.data(), 4, 2));
  OK(cudaMemcpyAsync(pageable.data(), x.data(), 16, cudaMemcpyDeviceToHost, stream.handle));
  CHECK(pageable[2] == 22, "%d", pageable[2]);
  // A long queue does not grow without end.
  const uint64_t launched = emulation::statistics().launches;
  for (int i = 0; i < 600; ++i) OK(launch(1, 4, 0, stream.handle, add_kernel, x.data(), 4, 1));
  CHECK(emulation::statistics().launches - launched >= 300, "the queue grows without end");
  OK(cudaStreamSynchronize(stream.handle));
  CHECK(x.get()[1] == 622, "%d", x.get()[1]);
}

// The legacy stream and blocking streams wait for each other; a non-blocking one needs an event.
void stream_order() {
  in_every_order([](const char* order) {
    const Stream blocking(cudaStreamDefault), first, second;
    const Array<int> x(std::vector<int>(4, 1));
    OK(launch(1, 32, 0, blocking.handle, add_kernel, x.data(), 4, 1));
    OK(launch(1, 32, 0, nullptr, scale_kernel, x.data(), 4, 10));
    OK(launch(1, 32, 0, blocking.handle, add_kernel, x.data(), 4, 3));
    CHECK(x.get()[0] == 23, "%s: %d", order, x.get()[0]);
    cudaEvent_t event;
    OK(cudaEventCreateWithFlags(&event, cudaEventDefault));
    OK(cudaStreamWaitEvent(second.handle, event));  // never recorded: nothing to wait for
    OK(launch(1, 32, 0, first.handle, add_kernel, x.data(), 4, 1));
    OK(cudaEventRecord(event, first.handle));
    OK(cudaStreamWaitEvent(second.handle, event));
    OK(launch(1, 32, 0, second.handle, scale_kernel, x.data(), 4, 2));
    OK(cudaStreamSynchronize(second.handle));
    CHECK(x.get()[0] == 48, "%s: %d", order, x.get()[0]);
    OK(cudaEventDestroy(event));
  });
}

void events() {
  const Stream stream;
  const Array<int> x(std::vector<int>(4, 0));
  cudaEvent_t start, end, untimed;
  OK(cudaEventCreateWithFlags(&start, cudaEventDefault));
  OK(cudaEventCreateWithFlags(&end, cudaEventDefault));
  OK(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming));
  OK(cudaEventSynchronize(start));  // never recorded
  OK(cudaEventRecord(start, stream.handle));
  OK(launch(1, 32, 0, stream.handle, add_kernel, x.data(), 4, 1));
  OK(cudaEventRecord(end, stream.handle));
  OK(cudaEventRecord(untimed, stream.handle));
  float milliseconds = -1;
  CHECK(cudaEventElapsedTime(&milliseconds, start, end) == cudaErrorNotReady, "too early");
  OK(cudaEventSynchronize(end));
  OK(cudaEventElapsedTime(&milliseconds, start, end));
  CHECK(milliseconds >= 0, "%g", milliseconds);
  CHECK(cudaEventElapsedTime(&milliseconds, start, untimed) == cudaErrorInvalidResourceHandle, "not timed");
  CHECK(x.get()[0] == 1, "%d", x.get()[0]);
  for (cudaEvent_t event : {start, end, untimed}) OK(cudaEventDestroy(event));
  CHECK(cudaEventRecord(start, stream.handle) == cudaErrorInvalidResourceHandle, "destroyed");
  CHECK(cudaStreamSynchronize(reinterpret_cast<cudaStream_t>(uintptr_t{4096})) == cudaErrorInvalidResourceHandle,
        "no stream");
  cudaGetLastError();
}

void stream_ordered_memory() {
  const Stream stream;
  int* x = nullptr;
  OK(cudaMallocAsync(&x, 64, stream.handle));
  OK(cudaMemsetAsync(x, 0, 64, stream.handle));
  OK(launch(1, 32, 0, stream.handle, add_kernel, x, 16, 5));
  std::vector<int> values(16);
  OK(cudaMemcpyAsync(values.data(), x, 64, cudaMemcpyDeviceToHost, stream.handle));
  OK(cudaFreeAsync(x, stream.handle));
  CHECK(values[15] == 5, "%d", values[15]);
  CHECK(cudaFreeAsync(x, stream.handle) == cudaErrorInvalidValue, "twice");
  OK(cudaStreamSynchronize(stream.handle));
  cudaGetLastError();
}

void host_functions() {
  const Stream stream;
  struct Seen {
    cudaError_t status = cudaSuccess;
    int calls = 0;
  } seen;
  OK(cudaLaunchHostFunc(
      stream.handle,
      [](void* data) {
        auto* result = static_cast<Seen*>(data);
        ++result->calls;
        result->status = cudaDeviceSynchronize();
      },
      &seen));
  CHECK(seen.calls == 0, "early");
  OK(cudaStreamSynchronize(stream.handle));
  CHECK(seen.calls == 1 && seen.status == cudaErrorNotPermitted, "%d, %s", seen.calls, cudaGetErrorName(seen.status));
  cudaGetLastError();
}

__global__ void shared_kernel(int* x) {
  auto& values = SHARED(int[1024]);
  values[threadIdx.x] = 1;
  x[threadIdx.x] = values[threadIdx.x];
}

__global__ void opted_kernel(int* x) {
  auto& values = SHARED(int[1024]);
  auto* more = dynamic_shared<int>();
  values[threadIdx.x] = more[threadIdx.x] = 1;
  x[threadIdx.x] = values[threadIdx.x] + more[threadIdx.x];
}

void limits() {
  const Array<int> x(64);
  const auto refused = [&](dim3 grid, dim3 block, size_t shared, cudaError_t expected, const char* what) {
    const cudaError_t status = launch(grid, block, shared, nullptr, add_kernel, x.data(), 64, 1);
    CHECK(status == expected, "%s: %s", what, cudaGetErrorName(status));
    CHECK(cudaGetLastError() == expected, "%s", what);
  };
  refused(1, 0, 0, cudaErrorInvalidConfiguration, "no threads");
  refused(0, 1, 0, cudaErrorInvalidConfiguration, "no blocks");
  refused(1, 1025, 0, cudaErrorInvalidConfiguration, "threads");
  refused(1, dim3(1, 1, 65), 0, cudaErrorInvalidConfiguration, "third dimension");
  refused(dim3(1, 65536), 1, 0, cudaErrorInvalidConfiguration, "rows of blocks");
  refused(1, 1, 48 * 1024 + 1, cudaErrorInvalidValue, "shared memory");
  OK(launch(1, 1, 48 * 1024, nullptr, add_kernel, x.data(), 0, 1));
  CHECK(cudaFuncSetAttribute(add_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 227 * 1024 + 1) ==
            cudaErrorInvalidValue,
        "more than the device has");
  OK(cudaFuncSetAttribute(add_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 227 * 1024));
  OK(launch(1, 1, 227 * 1024, nullptr, add_kernel, x.data(), 0, 1));
  // Static memory counts once the kernel has run.
  OK(launch(1, 64, 0, nullptr, shared_kernel, x.data()));
  OK(cudaDeviceSynchronize());
  CHECK(launch(1, 64, 44 * 1024 + 1, nullptr, shared_kernel, x.data()) == cudaErrorInvalidValue, "static and dynamic");
  OK(launch(1, 64, 44 * 1024, nullptr, shared_kernel, x.data()));
  // What is allowed is dynamic memory alone, whether or not the static arrays are known by then.
  OK(cudaFuncSetAttribute(opted_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 100 * 1024));
  for (int round = 0; round < 2; ++round) {
    OK(launch(1, 64, 100 * 1024, nullptr, opted_kernel, x.data()));
    CHECK(x.get()[63] == 2, "%d", x.get()[63]);
    CHECK(launch(1, 64, 100 * 1024 + 4, nullptr, opted_kernel, x.data()) == cudaErrorInvalidValue, "more dynamic");
  }
  CHECK(cudaFuncSetAttribute(opted_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 224 * 1024) ==
            cudaErrorInvalidValue,
        "more than the device has beside the static arrays");
  cudaGetLastError();
  int blocks = 0;
  OK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, shared_kernel, 256, 0));
  CHECK(blocks == 8, "%d", blocks);
  OK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, shared_kernel, 32, 24 * 1024));
  CHECK(blocks == 7, "%d", blocks);  // 29 KiB each, with the reserved one
}

__global__ void bad_kernel(int* x) { x[1 << 20] = 1; }

// A fault sticks, names its place, and is gone with a reset.
void faults() {
  int* x = nullptr;
  OK(cudaMalloc(&x, 256));
  OK(launch(dim3(2, 3), dim3(1, 2), 0, nullptr, bad_kernel, x));
  CHECK(emulation::last_fault().empty(), "early");
  CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress, "not seen");
  CHECK_FAULT("in kernel cotangent::testing::bad_kernel(int*), block (0, 0, 0), thread (0, 0, 0)");
  CHECK(cudaMalloc(&x, 4) == cudaErrorIllegalAddress, "does not stick");
  CHECK(cudaGetLastError() == cudaErrorIllegalAddress && cudaGetLastError() == cudaErrorIllegalAddress, "forgotten");
  OK(cudaDeviceReset());
  CHECK(emulation::last_fault().empty() && cudaGetLastError() == cudaSuccess, "not forgotten");
  OK(cudaMalloc(&x, 4));
  OK(cudaFree(x));
}

int main() {
  device();
  memory();
  copies();
  lazy_streams();
  stream_order();
  events();
  stream_ordered_memory();
  host_functions();
  limits();
  faults();
  const emulation::Statistics s = emulation::statistics();
  CHECK(s.allocations == 0 && s.bytes == 0, "%llu allocations left", static_cast<unsigned long long>(s.allocations));
  return finish();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::main(); }
