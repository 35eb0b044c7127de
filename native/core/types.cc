#include "native/core/types.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace cotangent {
namespace {

template <class T>
T saturate(double value) {
  if (std::isnan(value)) return 0;
  constexpr double kLow = static_cast<double>(std::numeric_limits<T>::min());
  constexpr double kHigh = static_cast<double>(std::numeric_limits<T>::max());
  return static_cast<T>(std::min(std::max(value, kLow), kHigh));
}

template <class T>
void put(T value, void* to) {
  std::memcpy(to, &value, sizeof value);
}

template <class T>
double get(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return static_cast<double>(value);
}

}  // namespace

std::string show(const Type& type) {
  static constexpr const char* kNames[] = {"float32", "float64", "int32", "uint32", "bool"};
  std::string text = type.dtype >= 0 && type.dtype <= CT_BOOL ? kNames[type.dtype] : "unknown";
  text += '[';
  for (int32_t k = 0; k < type.rank; ++k) text += (k ? ", " : "") + std::to_string(type.dims[k]);
  return text + ']';
}

void store_scalar(int32_t dtype, double value, void* to) {
  switch (dtype) {
    case CT_FLOAT32:
      return put(static_cast<float>(value), to);
    case CT_FLOAT64:
      return put(value, to);
    case CT_INT32:
      return put(saturate<int32_t>(value), to);
    case CT_UINT32:
      return put(saturate<uint32_t>(value), to);
    default:
      return put(static_cast<uint8_t>(value != 0), to);
  }
}

double load_scalar(int32_t dtype, const void* from) {
  switch (dtype) {
    case CT_FLOAT32:
      return get<float>(from);
    case CT_FLOAT64:
      return get<double>(from);
    case CT_INT32:
      return get<int32_t>(from);
    case CT_UINT32:
      return get<uint32_t>(from);
    default:
      return get<uint8_t>(from);
  }
}

void fail(ct_code code, const std::string& op, const std::string& expected, const std::string& received) {
  throw Error({code, op, "[" + op + "] Expected " + expected + ", received " + received + "."});
}

Failure to_failure(const ct_error& error) {
  Failure failure;
  failure.code = error.code > CT_OK && error.code <= CT_INTERNAL ? static_cast<ct_code>(error.code) : CT_INTERNAL;
  failure.op = error.op[0] ? error.op : "backend";
  failure.message =
      error.message[0] ? error.message : "[" + failure.op + "] Expected the backend to succeed, received an error.";
  return failure;
}

}  // namespace cotangent
