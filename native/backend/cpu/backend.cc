// The CPU behind the backend ABI: nothing in here computes; kernels are found by name in the registry.
#include "native/backend/cpu/backend.h"

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "native/backend/cpu/blas.h"
#include "native/backend/cpu/kernel.h"
#include "native/backend/cpu/memory.h"
#include "native/backend/guard.h"
#include "native/core/pool.h"
#include "native/kernels/elementwise/formulas.h"
#include "native/kernels/simd.h"

struct ct_device {
  cotangent::cpu::Registry registry;
};

struct ct_queue {
  cotangent::Parallel& parallel;
};

struct ct_op {
  std::string name;
  std::unique_ptr<cotangent::cpu::Kernel> kernel;
};

namespace cotangent::cpu {
namespace {

int32_t formula(const char* kernel) { return formula_row(kernel); }

int32_t device_count(int32_t* count, ct_error*) {
  *count = 1;
  return CT_OK;
}

int32_t device_open(int32_t index, ct_device** device, ct_error* error) {
  return guarded(error, "device", [&]() -> int32_t {
    if (index != 0) fail(CT_DEVICE, "CPU device index 0", std::to_string(index));
    if (!target_error().empty()) throw KernelError{CT_DEVICE, target_error()};
    auto opened = std::make_unique<ct_device>();
    register_elementwise(opened->registry);
    register_movement(opened->registry);
    register_reduce(opened->registry);
    register_matmul(opened->registry);
    register_linalg(opened->registry);
    register_random(opened->registry);
    register_convolution(opened->registry);
    register_pooling(opened->registry);
    register_cumulative(opened->registry);
    register_sort(opened->registry);
    register_fft(opened->registry);
    set_thread_start_hook(blas::force_single_thread);
    *device = opened.release();
    return CT_OK;
  });
}

void device_close(ct_device* device) { delete device; }

void describe_device(ct_device*, char* text, uint64_t size) {
  std::snprintf(text, size, "%d hardware threads, %s kernels, %s", hardware_threads(), target_name(current_target()),
                blas::description().c_str());
}

uint64_t memory_bytes(ct_device*) { return machine_memory(); }

int32_t allocate(ct_device*, uint64_t bytes, void** pointer, ct_error* error) {
  *pointer = allocate_block(bytes);
  if (*pointer) return CT_OK;
  return guarded(error, "allocate", [&]() -> int32_t {
    fail(CT_OUT_OF_MEMORY, std::to_string(bytes) + " bytes from the system", "none");
  });
}

void release(ct_device*, void* pointer, uint64_t bytes) { release_block(pointer, bytes); }

int32_t copy(ct_queue* queue, void* to, const void* from, uint64_t bytes, ct_error*) {
  constexpr int64_t kGrain = 1 << 20;  // below that a second thread costs more than it brings
  constexpr int64_t kPage = 4096;
  queue->parallel.range(static_cast<int64_t>(bytes), kGrain, kPage, [&](int64_t begin, int64_t end) {
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                static_cast<size_t>(end - begin));
  });
  return CT_OK;
}

int32_t fetch(ct_device*, void* to, const void* from, uint64_t bytes, ct_error*) {
  std::memcpy(to, from, bytes);
  return CT_OK;
}

int32_t prepare(ct_device* device, const ct_op_desc* desc, ct_op** op, ct_op_info* info, ct_error* error) {
  return guarded(error, desc->kernel, [&]() -> int32_t {
    const Prepare kernel = device->registry.find(desc->kernel);
    if (!kernel) throw KernelError{CT_INTERNAL, "Expected a kernel of the CPU device, received an unknown name."};
    check_description(*desc);
    auto prepared = std::make_unique<ct_op>();
    prepared->name = desc->kernel;
    prepared->kernel = kernel(OpDesc(*desc));
    info->estimated_ns = prepared->kernel->estimated_ns;
    std::memcpy(info->in_place, prepared->kernel->in_place, sizeof info->in_place);
    *op = prepared.release();
    return CT_OK;
  });
}

void op_destroy(ct_op* op) { delete op; }

uint64_t workspace_bytes(const ct_op* op, int32_t threads) { return op->kernel->workspace_bytes(threads); }

int32_t pieces(const ct_op* op, int32_t threads) { return op->kernel->pieces(threads); }

int32_t queue_create(ct_device*, int32_t inline_, ct_queue** queue, ct_error* error) {
  return guarded(error, "queue", [&]() -> int32_t {
    *queue = new ct_queue{inline_ ? serial() : pool()};
    return CT_OK;
  });
}

void queue_destroy(ct_queue* queue) { delete queue; }

int32_t run(const ct_op* op, ct_queue* queue, const void* const* in, void* const* out, void* workspace, int32_t piece,
            ct_error* error) {
  return guarded(error, op->name, [&]() -> int32_t {
    const ct_code code = op->kernel->run(Launch{in, out, workspace, queue->parallel, piece}, error);
    if (code != CT_OK && error) {
      error->code = code;
      std::snprintf(error->op, sizeof error->op, "%s", op->name.c_str());
    }
    return code;
  });
}

// Launches run on the caller's thread and the pool, and have ended when `run` returns.
int32_t synchronize(ct_queue*, ct_error*) { return CT_OK; }

int32_t has_kernel(ct_device* device, const char* kernel) { return device->registry.find(kernel) != nullptr; }

constexpr ct_backend make_backend() {
  ct_backend backend{};
  backend.abi = CT_BACKEND_ABI;
  backend.synchronous = 1;
  backend.name = "cpu";
  backend.formula = formula;
  backend.device_count = device_count;
  backend.device_open = device_open;
  backend.device_close = device_close;
  backend.describe = describe_device;
  backend.memory_bytes = memory_bytes;
  backend.allocate = allocate;
  backend.release = release;
  backend.write = copy;
  backend.read = copy;
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
  return backend;
}

constexpr ct_backend kBackend = make_backend();

}  // namespace

const ct_backend& backend() { return kBackend; }

}  // namespace cotangent::cpu
