// Types and failures: what the core knows about a tensor without its data.
#ifndef COTANGENT_CORE_TYPES_H
#define COTANGENT_CORE_TYPES_H

#include <cstdint>
#include <exception>
#include <string>
#include <utility>

#include "native/backend/description.h"

namespace cotangent {

using Type = ct_type;  // dims beyond the rank are zero

constexpr int64_t kMaxBytes = int64_t{1} << 53;  // of one tensor: sizes stay exact as JavaScript numbers

inline int64_t dtype_bytes(int32_t dtype) { return dtype == CT_FLOAT64 ? 8 : dtype == CT_BOOL ? 1 : 4; }

inline bool operator==(const Type& a, const Type& b) {
  if (a.dtype != b.dtype || a.rank != b.rank) return false;
  for (int32_t k = 0; k < a.rank; ++k) {
    if (a.dims[k] != b.dims[k]) return false;
  }
  return true;
}
inline bool operator!=(const Type& a, const Type& b) { return !(a == b); }

inline Type scalar_type(int32_t dtype) {
  Type type{};
  type.dtype = dtype;
  return type;
}

// "float32[2, 3]"
std::string show(const Type& type);

// Writes `value` as one element of `dtype`: integers saturate, NaN gives 0, bool is value != 0.
void store_scalar(int32_t dtype, double value, void* to);
double load_scalar(int32_t dtype, const void* from);

constexpr ct_code kDisposed = static_cast<ct_code>(CT_INTERNAL + 1);  // the binding's own: no backend reports it

// What a program or a value failed with. `message` is complete: "[op] Expected ..., received ...".
struct Failure {
  ct_code code = CT_INTERNAL;
  std::string op;
  std::string message;
};

// Thrown while compiling and by calls from the binding; never while kernels run, never across the backend ABI.
class Error : public std::exception {
 public:
  explicit Error(Failure failure) : failure_(std::move(failure)) {}
  const Failure& failure() const { return failure_; }
  const char* what() const noexcept override { return failure_.message.c_str(); }

 private:
  Failure failure_;
};

// Throws an Error whose message is "[op] Expected `expected`, received `received`."
[[noreturn]] void fail(ct_code code, const std::string& op, const std::string& expected, const std::string& received);

Failure to_failure(const ct_error& error);

}  // namespace cotangent

#endif
