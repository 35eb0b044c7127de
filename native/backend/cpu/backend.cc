// The CPU behind the backend ABI: nothing in here computes; kernels are found by name in the registry.
#include "native/backend/backend.h"

#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "native/backend/cpu/blas.h"
#include "native/backend/cpu/check.h"
#include "native/backend/cpu/kernel.h"
#include "native/backend/cpu/memory.h"
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

int32_t report(ct_error* error, ct_code code, const std::string& op, const std::string& message) {
  if (error) {
    error->code = code;
    std::snprintf(error->op, sizeof error->op, "%s", op.c_str());
    std::snprintf(error->message, sizeof error->message, "[%s] %s", op.c_str(), message.c_str());
  }
  return code;
}

// Runs `body` and turns whatever it throws into an error: nothing may cross the ABI.
template <class F>
int32_t guarded(ct_error* error, const std::string& op, F&& body) {
  try {
    return body();
  } catch (const KernelError& failure) {
    return report(error, failure.code, op, failure.message);
  } catch (const std::bad_alloc&) {
    return report(error, CT_OUT_OF_MEMORY, op, "Expected memory to prepare the operation, received none.");
  } catch (const std::exception& failure) {
    return report(error, CT_INTERNAL, op, std::string("Expected no exception, received: ") + failure.what());
  } catch (...) {
    return report(error, CT_INTERNAL, op, "Expected no exception, received one of unknown type.");
  }
}

int32_t formula(const char* kernel) { return formula_row(kernel); }

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
    set_thread_start_hook(blas::force_single_thread);
    *device = opened.release();
    return CT_OK;
  });
}

void device_close(ct_device* device) { delete device; }

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

void check_type(const ct_type& type, const char* what) {
  constexpr int64_t kMaxBytes = int64_t{1} << 53;
  int64_t bytes = element_bytes(type.dtype);
  if (type.rank < 0 || type.rank > CT_MAX_RANK) {
    fail(CT_SHAPE, std::string(what) + " of rank at most " + std::to_string(CT_MAX_RANK), std::to_string(type.rank));
  }
  bool empty = false;
  for (int32_t i = 0; i < type.rank; ++i) {
    if (type.dims[i] < 0) fail(CT_SHAPE, std::string(what) + " with dimensions of at least 0", describe(type));
    // Zero dims must not hide an overflow: kernels multiply only some of the dims.
    const int64_t dim = type.dims[i] ? type.dims[i] : 1;
    empty = empty || type.dims[i] == 0;
    if (dim > kMaxBytes / bytes) fail(CT_SHAPE, std::string(what) + " of less than 2^53 bytes", describe(type));
    bytes *= dim;
  }
}

int32_t prepare(ct_device* device, const ct_op_desc* desc, ct_op** op, ct_op_info* info, ct_error* error) {
  return guarded(error, desc->kernel, [&]() -> int32_t {
    const Prepare kernel = device->registry.find(desc->kernel);
    if (!kernel) throw KernelError{CT_INTERNAL, "Expected a kernel of the CPU device, received an unknown name."};
    if (desc->n_in < 0 || desc->n_in > CT_MAX_OPERANDS || desc->n_out < 0 || desc->n_out > CT_MAX_OPERANDS) {
      fail(CT_SHAPE, "at most " + std::to_string(CT_MAX_OPERANDS) + " operands and results",
           std::to_string(desc->n_in) + " and " + std::to_string(desc->n_out));
    }
    for (int32_t k = 0; k < desc->n_in; ++k) check_type(desc->in[k], "an operand");
    for (int32_t k = 0; k < desc->n_out; ++k) check_type(desc->out[k], "a result");
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

constexpr ct_backend kBackend = {
    CT_BACKEND_ABI, "cpu",      formula,    device_open,     device_close, allocate,     release,
    copy,  // write
    copy,  // read
    copy,           prepare,    op_destroy, workspace_bytes, pieces,       queue_create, queue_destroy, run,
    synchronize,    has_kernel,
};

}  // namespace
}  // namespace cotangent::cpu

extern "C" const ct_backend* cotangent_backend(void) { return &cotangent::cpu::kBackend; }
