// What every backend's `prepare` reads: an equation's description with checked access, and the checks that several
// kernel families share. A kernel's shape, parameters and validation are written once on top of this, in the family's
// header, and used by the kernel of every device.
#ifndef COTANGENT_BACKEND_DESCRIPTION_H
#define COTANGENT_BACKEND_DESCRIPTION_H

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "native/backend/backend.h"

namespace cotangent {

// Thrown by `Prepare` only; the backend turns it into a ct_error at the ABI. Kernels never throw while running.
struct KernelError {
  ct_code code;
  std::string message;  // "Expected ..., received ..."; the backend adds the kernel's name
};

inline int64_t element_bytes(int32_t dtype) {
  switch (dtype) {
    case CT_FLOAT32:
    case CT_INT32:
    case CT_UINT32:
      return 4;
    case CT_FLOAT64:
      return 8;
    case CT_BOOL:
      return 1;
  }
  throw KernelError{CT_DTYPE, "Expected a dtype code in [0, 4], received " + std::to_string(dtype) + "."};
}

inline const char* dtype_name(int32_t dtype) {
  static constexpr const char* kNames[] = {"float32", "float64", "int32", "uint32", "bool"};
  return dtype >= 0 && dtype <= 4 ? kNames[dtype] : "unknown";
}

inline int64_t element_count(const ct_type& type) {
  int64_t count = 1;
  for (int32_t i = 0; i < type.rank; ++i) count *= type.dims[i];
  return count;
}

inline int64_t byte_count(const ct_type& type) { return element_count(type) * element_bytes(type.dtype); }

inline std::vector<int64_t> dims(const ct_type& type) { return {type.dims, type.dims + type.rank}; }

// "float32 [2, 3]"
inline std::string describe(const ct_type& type) {
  std::string text = std::string(dtype_name(type.dtype)) + " [";
  for (int32_t i = 0; i < type.rank; ++i) text += (i ? ", " : "") + std::to_string(type.dims[i]);
  return text + "]";
}

// A view of ct_op_desc with checked access. Valid only while `prepare` runs.
class OpDesc {
 public:
  explicit OpDesc(const ct_op_desc& desc) : desc_(desc) {}

  std::string_view kernel() const { return desc_.kernel; }
  int in_count() const { return desc_.n_in; }
  int out_count() const { return desc_.n_out; }
  int param_count() const { return desc_.n_params; }

  const ct_type& in(int k) const { return at(desc_.in, desc_.n_in, k, "operand"); }
  const ct_type& out(int k) const { return at(desc_.out, desc_.n_out, k, "result"); }
  double param(int k) const { return at(desc_.params, desc_.n_params, k, "parameter"); }

  // A parameter that must be an integer a double holds exactly.
  int64_t integer(int k) const {
    const double value = param(k);
    const bool in_range = value >= -9007199254740992.0 && value <= 9007199254740992.0;
    if (!in_range || value != static_cast<double>(static_cast<int64_t>(value))) {
      throw KernelError{CT_INTERNAL, "Expected parameter " + std::to_string(k) + " to be an integer, received " +
                                         std::to_string(value) + "."};
    }
    return static_cast<int64_t>(value);
  }

  // Value of input k when it is a scalar known at compile time, else null. Copy what you need.
  const void* constant(int k) const {
    in(k);
    return desc_.constants ? desc_.constants[k] : nullptr;
  }

  void expect_operands(int in_count, int out_count) const {
    if (desc_.n_in == in_count && desc_.n_out == out_count) return;
    throw KernelError{CT_INTERNAL, "Expected " + std::to_string(in_count) + " operands and " +
                                       std::to_string(out_count) + " results, received " + std::to_string(desc_.n_in) +
                                       " and " + std::to_string(desc_.n_out) + "."};
  }

 private:
  template <class T>
  static const T& at(const T* items, int count, int k, const char* what) {
    if (k >= 0 && k < count) return items[k];
    throw KernelError{CT_INTERNAL, std::string("Expected ") + what + " " + std::to_string(k) + ", received only " +
                                       std::to_string(count) + "."};
  }

  const ct_op_desc& desc_;
};

// --- checks: memory safety depends on them

[[noreturn]] inline void fail(ct_code code, const std::string& expected, const std::string& received) {
  throw KernelError{code, "Expected " + expected + ", received " + received + "."};
}

inline ct_type make_type(int32_t dtype, const std::vector<int64_t>& dims) {
  if (dims.size() > CT_MAX_RANK) {
    fail(CT_SHAPE, "a rank of at most " + std::to_string(CT_MAX_RANK), std::to_string(dims.size()));
  }
  ct_type type{};
  type.dtype = dtype;
  type.rank = static_cast<int32_t>(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) type.dims[i] = dims[i];
  return type;
}

inline void expect_dtype(const ct_type& type, std::initializer_list<int32_t> allowed, const char* what) {
  std::string names;
  for (const int32_t dtype : allowed) {
    if (type.dtype == dtype) return;
    names += (names.empty() ? "" : " or ") + std::string(dtype_name(dtype));
  }
  fail(CT_DTYPE, std::string(what) + " of type " + names, dtype_name(type.dtype));
}

inline void expect_float(const ct_type& type, const char* what) { expect_dtype(type, {CT_FLOAT32, CT_FLOAT64}, what); }

// `type` is exactly `dtype` `dims`.
inline void expect_type(const ct_type& type, int32_t dtype, const std::vector<int64_t>& dims, const char* what) {
  const ct_type wanted = make_type(dtype, dims);
  bool same = type.dtype == wanted.dtype && type.rank == wanted.rank;
  for (int32_t i = 0; same && i < wanted.rank; ++i) same = type.dims[i] == wanted.dims[i];
  if (same) return;
  fail(type.dtype == dtype ? CT_SHAPE : CT_DTYPE, std::string(what) + " to be " + describe(wanted), describe(type));
}

inline void expect_params(const OpDesc& desc, int count) {
  if (desc.param_count() == count) return;
  fail(CT_INTERNAL, std::to_string(count) + " parameters", std::to_string(desc.param_count()));
}

// Parameter k as an integer in [low, high].
inline int64_t integer_in(const OpDesc& desc, int k, int64_t low, int64_t high, const char* what) {
  const int64_t value = desc.integer(k);
  if (value >= low && value <= high) return value;
  fail(CT_SHAPE, std::string(what) + " in [" + std::to_string(low) + ", " + std::to_string(high) + "]",
       std::to_string(value));
}

inline bool flag(const OpDesc& desc, int k, const char* what) { return integer_in(desc, k, 0, 1, what) != 0; }

inline int axis_param(const OpDesc& desc, int k, int32_t rank) {
  if (rank == 0) fail(CT_SHAPE, "an operand of rank at least 1", "rank 0");
  return static_cast<int>(integer_in(desc, k, 0, rank - 1, "an axis"));
}

// Product of dims[begin, end).
inline int64_t product(const ct_type& type, int begin, int end) {
  int64_t count = 1;
  for (int i = begin; i < end; ++i) count *= type.dims[i];
  return count;
}

// BLAS takes 32-bit sizes.
inline int blas_size(int64_t size) {
  if (size <= std::numeric_limits<int32_t>::max()) return static_cast<int>(size);
  fail(CT_SHAPE, "matrix dimensions below 2^31", std::to_string(size));
}

// Bytes that an equation reads and writes.
inline double traffic(const OpDesc& desc) {
  double bytes = 0;
  for (int k = 0; k < desc.in_count(); ++k) bytes += static_cast<double>(byte_count(desc.in(k)));
  for (int k = 0; k < desc.out_count(); ++k) bytes += static_cast<double>(byte_count(desc.out(k)));
  return bytes;
}

}  // namespace cotangent

#endif
