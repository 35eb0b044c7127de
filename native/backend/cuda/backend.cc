// CUDA behind the backend ABI: nothing in here computes; kernels are found by name in the registry.
#include "native/backend/backend.h"

#include <cuda_runtime.h>

#include <cstring>
#include <memory>
#include <string>

#include "native/backend/cuda/device.h"
#include "native/backend/cuda/kernel.h"
#include "native/backend/guard.h"
#include "native/kernels/elementwise/formulas.h"

struct ct_device {
  cotangent::cuda::Device device;
  cotangent::cuda::Registry registry;

  explicit ct_device(int index) : device(index) {}
};

struct ct_queue {
  cotangent::cuda::Device& device;
};

struct ct_marker {
  cotangent::cuda::Device& device;
  cotangent::cuda::Event event;
};

struct ct_op {
  std::string name;
  std::unique_ptr<cotangent::cuda::Kernel> kernel;
};

namespace cotangent::cuda {
namespace {

#if defined(COTANGENT_CUDA_EMULATED)
constexpr const char* kName = "cuda:emulated";
#else
constexpr const char* kName = "cuda";
#endif

int32_t formula(const char* kernel) { return formula_row(kernel); }

// "13.0" from 13000.
std::string version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

// How many devices there are. Throws in the words of the one who has to do something about it.
int count_devices() {
  int driver = 0, runtime = 0, count = 0;
  require(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  require(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  if (driver == 0) {
    throw KernelError{CT_DEVICE, "Expected an NVIDIA driver, received none. Hint: install one that supports CUDA " +
                                     version(runtime) + "."};
  }
  const cudaError_t counted = cudaGetDeviceCount(&count);
  cudaGetLastError();  // it is told below
  if (counted == cudaErrorInsufficientDriver) {
    throw KernelError{CT_DEVICE, "Expected a driver for CUDA " + version(runtime) + ", received one for CUDA " +
                                     version(driver) + ". Hint: update the NVIDIA driver."};
  }
  if (counted == cudaErrorNoDevice || (counted == cudaSuccess && count == 0)) {
    throw KernelError{CT_DEVICE,
                      "Expected a CUDA device, received none. Hint: CUDA_VISIBLE_DEVICES may hide the ones there are."};
  }
  require(counted, "cudaGetDeviceCount");
  return count;
}

int32_t device_count(int32_t* count, ct_error* error) {
  return guarded(error, "device", [&]() -> int32_t {
    *count = count_devices();
    return CT_OK;
  });
}

int32_t device_open(int32_t index, ct_device** device, ct_error* error) {
  return guarded(error, "device", [&]() -> int32_t {
    const int count = count_devices();
    if (index < 0 || index >= count) {
      fail(CT_DEVICE, "a device number from 0 to " + std::to_string(count - 1), std::to_string(index));
    }
    auto opened = std::make_unique<ct_device>(index);
    Registry& registry = opened->registry;
    register_elementwise(registry);
    register_movement(registry);
    register_reduce(registry);
    register_cumulative(registry);
    register_sort(registry);
    register_random(registry);
    register_pooling(registry);
    register_matmul(registry);
    register_linalg(registry);
    register_convolution(registry);
    register_fft(registry);
    *device = opened.release();
    return CT_OK;
  });
}

void device_close(ct_device* device) { delete device; }

void describe_device(ct_device* device, char* text, uint64_t size) {
  const cudaDeviceProp& properties = device->device.properties();
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  std::snprintf(text, size, "%s, compute capability %d.%d, driver for CUDA %s, runtime %s", properties.name,
                properties.major, properties.minor, version(driver).c_str(), version(runtime).c_str());
}

uint64_t memory_bytes(ct_device* device) { return device->device.properties().totalGlobalMem; }

// In the stream's order, like every use of the memory, so that neither call waits for the device.
int32_t allocate(ct_device* device, uint64_t bytes, void** pointer, ct_error* error) {
  if (const ct_code code = device->device.select(error); code != CT_OK) return code;
  return check(cudaMallocAsync(pointer, bytes, device->device.stream()), error, "cudaMallocAsync");
}

void release(ct_device* device, void* pointer, uint64_t) {
  if (device->device.select(nullptr) != CT_OK) return;
  check(cudaFreeAsync(pointer, device->device.stream()), nullptr, "cudaFreeAsync");
}

int32_t write(ct_queue* queue, void* to, const void* from, uint64_t bytes, ct_error* error) {
  if (const ct_code code = queue->device.select(error); code != CT_OK) return code;
  return queue->device.writing().write(queue->device.stream(), to, from, bytes, error);
}

int32_t read(ct_queue* queue, void* to, const void* from, uint64_t bytes, ct_error* error) {
  if (const ct_code code = queue->device.select(error); code != CT_OK) return code;
  return queue->device.reading().read(queue->device.stream(), to, from, bytes, error);
}

int32_t fetch(ct_device* device, void* to, const void* from, uint64_t bytes, ct_error* error) {
  if (const ct_code code = device->device.select(error); code != CT_OK) return code;
  return device->device.fetching().read(device->device.fetch_stream(), to, from, bytes, error);
}

int32_t copy(ct_queue* queue, void* to, const void* from, uint64_t bytes, ct_error* error) {
  if (const ct_code code = queue->device.select(error); code != CT_OK) return code;
  return check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, queue->device.stream()), error,
               "cudaMemcpyAsync");
}

int32_t prepare(ct_device* device, const ct_op_desc* desc, ct_op** op, ct_op_info* info, ct_error* error) {
  return guarded(error, desc->kernel, [&]() -> int32_t {
    const Prepare kernel = device->registry.find(desc->kernel);
    if (!kernel) throw KernelError{CT_INTERNAL, "Expected a kernel of the CUDA device, received an unknown name."};
    check_description(*desc);
    require(cudaSetDevice(device->device.index()), "cudaSetDevice");
    auto prepared = std::make_unique<ct_op>();
    prepared->name = desc->kernel;
    prepared->kernel = kernel(OpDesc(*desc), device->device);
    info->estimated_ns = prepared->kernel->estimated_ns;
    std::memcpy(info->in_place, prepared->kernel->in_place, sizeof info->in_place);
    *op = prepared.release();
    return CT_OK;
  });
}

void op_destroy(ct_op* op) { delete op; }

uint64_t workspace_bytes(const ct_op* op, int32_t) { return op->kernel->workspace_bytes(); }

// The stream takes launches faster than the device runs them: nothing is gained by cutting one.
int32_t pieces(const ct_op*, int32_t) { return 1; }

int32_t queue_create(ct_device* device, int32_t, ct_queue** queue, ct_error* error) {
  return guarded(error, "queue", [&]() -> int32_t {
    *queue = new ct_queue{device->device};
    return CT_OK;
  });
}

void queue_destroy(ct_queue* queue) { delete queue; }

int32_t run(const ct_op* op, ct_queue* queue, const void* const* in, void* const* out, void* workspace, int32_t,
            ct_error* error) {
  return guarded(error, op->name, [&]() -> int32_t {
    ct_code code = queue->device.select(error);
    if (code == CT_OK) code = op->kernel->run(Launch{in, out, workspace, queue->device}, error);
    if (code != CT_OK && error) {
      error->code = code;
      std::snprintf(error->op, sizeof error->op, "%s", op->name.c_str());
    }
    return code;
  });
}

int32_t synchronize(ct_queue* queue, ct_error* error) {
  if (const ct_code code = queue->device.select(error); code != CT_OK) return code;
  return check(cudaStreamSynchronize(queue->device.stream()), error, "cudaStreamSynchronize");
}

int32_t marker_create(ct_device* device, ct_marker** marker, ct_error* error) {
  return guarded(error, "marker", [&]() -> int32_t {
    require(cudaSetDevice(device->device.index()), "cudaSetDevice");
    cudaEvent_t event = nullptr;
    require(cudaEventCreateWithFlags(&event, cudaEventBlockingSync), "cudaEventCreateWithFlags");
    *marker = new ct_marker{device->device, Event(event)};
    return CT_OK;
  });
}

void marker_destroy(ct_marker* marker) {
  marker->device.select(nullptr);
  delete marker;
}

int32_t record(ct_queue* queue, ct_marker* marker, ct_error* error) {
  if (const ct_code code = queue->device.select(error); code != CT_OK) return code;
  return check(cudaEventRecord(marker->event.get(), queue->device.stream()), error, "cudaEventRecord");
}

int32_t wait(ct_marker* marker, ct_error* error) {
  if (const ct_code code = marker->device.select(error); code != CT_OK) return code;
  return check(cudaEventSynchronize(marker->event.get()), error, "cudaEventSynchronize");
}

int32_t elapsed(ct_marker* from, ct_marker* to, double* ns, ct_error* error) {
  if (const int32_t code = wait(from, error); code != CT_OK) return code;
  if (const int32_t code = wait(to, error); code != CT_OK) return code;
  float milliseconds = 0;
  const ct_code code =
      check(cudaEventElapsedTime(&milliseconds, from->event.get(), to->event.get()), error, "cudaEventElapsedTime");
  *ns = double{milliseconds} * 1e6;
  return code;
}

int32_t has_kernel(ct_device* device, const char* kernel) { return device->registry.find(kernel) != nullptr; }

constexpr ct_backend make_backend() {
  ct_backend backend{};
  backend.abi = CT_BACKEND_ABI;
  backend.synchronous = 0;
  backend.name = kName;
  backend.formula = formula;
  backend.device_count = device_count;
  backend.device_open = device_open;
  backend.device_close = device_close;
  backend.describe = describe_device;
  backend.memory_bytes = memory_bytes;
  backend.allocate = allocate;
  backend.release = release;
  backend.write = write;
  backend.read = read;
  backend.fetch = fetch;
  backend.copy = copy;
  backend.prepare = prepare;
  backend.op_destroy = op_destroy;
  backend.workspace_bytes = workspace_bytes;
  backend.pieces = pieces;
  backend.queue_create = queue_create;
  backend.queue_destroy = queue_destroy;
  backend.run = run;
  backend.synchronize = synchronize;
  backend.has_kernel = has_kernel;
  backend.marker_create = marker_create;
  backend.marker_destroy = marker_destroy;
  backend.record = record;
  backend.wait = wait;
  backend.elapsed = elapsed;
  return backend;
}

constexpr ct_backend kBackend = make_backend();

}  // namespace
}  // namespace cotangent::cuda

extern "C" __attribute__((visibility("default"))) const ct_backend* cotangent_backend(void) {
  return &cotangent::cuda::kBackend;
}
