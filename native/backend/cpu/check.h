// What `Prepare` functions of several families check, and the messages they fail with. Memory safety depends on these
// checks.
#ifndef COTANGENT_BACKEND_CPU_CHECK_H
#define COTANGENT_BACKEND_CPU_CHECK_H

#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "native/backend/cpu/kernel.h"

namespace cotangent::cpu {

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

// One thread of a plain machine: 10 GB/s, 20 GFLOP/s in float32.
inline double estimate_ns(double bytes, double flops = 0) { return 100 + bytes / 10 + flops / 20; }

// Bytes that an equation reads and writes.
inline double traffic(const OpDesc& desc) {
  double bytes = 0;
  for (int k = 0; k < desc.in_count(); ++k) bytes += static_cast<double>(byte_count(desc.in(k)));
  for (int k = 0; k < desc.out_count(); ++k) bytes += static_cast<double>(byte_count(desc.out(k)));
  return bytes;
}

}  // namespace cotangent::cpu

#endif
