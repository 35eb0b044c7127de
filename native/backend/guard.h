// What stands between a backend's C++ and the C ABI: whatever is thrown becomes a ct_error, and descriptions are
// checked before a kernel's `prepare` sees them.
#ifndef COTANGENT_BACKEND_GUARD_H
#define COTANGENT_BACKEND_GUARD_H

#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "native/backend/description.h"

namespace cotangent {

inline int32_t report(ct_error* error, ct_code code, const std::string& op, const std::string& message) {
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

inline void check_type(const ct_type& type, const char* what) {
  constexpr int64_t kMaxBytes = int64_t{1} << 53;
  int64_t bytes = element_bytes(type.dtype);
  if (type.rank < 0 || type.rank > CT_MAX_RANK) {
    fail(CT_SHAPE, std::string(what) + " of rank at most " + std::to_string(CT_MAX_RANK), std::to_string(type.rank));
  }
  for (int32_t i = 0; i < type.rank; ++i) {
    if (type.dims[i] < 0) fail(CT_SHAPE, std::string(what) + " with dimensions of at least 0", describe(type));
    // Zero dims must not hide an overflow: kernels multiply only some of the dims.
    const int64_t dim = type.dims[i] ? type.dims[i] : 1;
    if (dim > kMaxBytes / bytes) fail(CT_SHAPE, std::string(what) + " of less than 2^53 bytes", describe(type));
    bytes *= dim;
  }
}

inline void check_description(const ct_op_desc& desc) {
  if (desc.n_in < 0 || desc.n_in > CT_MAX_OPERANDS || desc.n_out < 0 || desc.n_out > CT_MAX_OPERANDS) {
    fail(CT_SHAPE, "at most " + std::to_string(CT_MAX_OPERANDS) + " operands and results",
         std::to_string(desc.n_in) + " and " + std::to_string(desc.n_out));
  }
  for (int32_t k = 0; k < desc.n_in; ++k) check_type(desc.in[k], "an operand");
  for (int32_t k = 0; k < desc.n_out; ++k) check_type(desc.out[k], "a result");
}

}  // namespace cotangent

#endif
