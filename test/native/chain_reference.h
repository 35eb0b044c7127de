// The oracle of chain_test.cc: evaluates a chain one element and one instruction at a time, in plain C++.
#ifndef COTANGENT_TEST_CHAIN_REFERENCE_H
#define COTANGENT_TEST_CHAIN_REFERENCE_H

#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "test/native/chain_testing.h"

namespace cotangent::testing {

template <class T>
constexpr int32_t lane_dtype() {
  return sizeof(T) == 8             ? CT_FLOAT64
         : std::is_same_v<T, float> ? CT_FLOAT32
         : std::is_signed_v<T>      ? CT_INT32
                                    : CT_UINT32;
}

// The slow simple version of the formulas.
template <class T>
T compute(int row, const T* v) {
  using Wide = std::conditional_t<std::is_floating_point_v<T>, T, uint32_t>;
  const T x = v[0], y = v[1];
  switch (row) {
    case formula::k_negate:
      return static_cast<T>(std::is_floating_point_v<T> ? -x : Wide(0) - Wide(x));
    case formula::k_absolute:
      if constexpr (std::is_floating_point_v<T>) return std::fabs(x);
      return x < T(0) ? static_cast<T>(Wide(0) - Wide(x)) : x;
    case formula::k_sign:
      return x > T(0) ? T(1) : x < T(0) ? T(-1) : x;
    case formula::k_square:
      return static_cast<T>(Wide(x) * Wide(x));
    case formula::k_add:
      return static_cast<T>(Wide(x) + Wide(y));
    case formula::k_subtract:
      return static_cast<T>(Wide(x) - Wide(y));
    case formula::k_multiply:
      return static_cast<T>(Wide(x) * Wide(y));
    case formula::k_divide:
      if constexpr (std::is_floating_point_v<T>) return x / y;
      return y == T(0) ? T(0) : static_cast<T>(static_cast<int64_t>(x) / static_cast<int64_t>(y));
    case formula::k_maximum:
      return y != y ? y : y > x ? y : x;
    case formula::k_minimum:
      return y != y ? y : y < x ? y : x;
    case formula::k_equal:
      return x == y;
    case formula::k_not_equal:
      return x != y;
    case formula::k_less:
      return x < y;
    case formula::k_less_equal:
      return x <= y;
    case formula::k_greater:
      return x > y;
    case formula::k_greater_equal:
      return x >= y;
    case formula::k_logical_and:
      return x != T(0) && y != T(0);
    case formula::k_logical_or:
      return x != T(0) || y != T(0);
    case formula::k_logical_not:
      return x == T(0);
    case formula::k_select:
      return x != T(0) ? y : v[2];
  }
  if constexpr (std::is_floating_point_v<T>) {
    switch (row) {
      case formula::k_square_root:
        return std::sqrt(x);
      case formula::k_reciprocal:
        return 1 / x;
      case formula::k_floor:
        return std::floor(x);
      case formula::k_ceil:
        return std::ceil(x);
      case formula::k_round:
        return std::nearbyint(x);
      case formula::k_is_finite:
        return std::isfinite(x);
    }
  }
  CHECK(false, "no reference for row %d", row);
  return T(0);
}

template <class T>
T load(const ct_type& type, const void* data, int64_t element) {
  return type.dtype == CT_BOOL ? static_cast<T>(static_cast<const uint8_t*>(data)[element])
                               : static_cast<const T*>(data)[element];
}

inline int64_t operand_element(const ct_type& type, const std::vector<int64_t>& dims, int64_t element) {
  int64_t result = 0, stride = 1;
  for (int d = type.rank - 1; d >= 0; --d) {
    const int64_t index = element % dims[d];
    element /= dims[d];
    if (type.dims[d] != 1) result += index * stride;
    stride *= type.dims[d];
  }
  return result;
}

// All results, as T.
template <class T>
std::vector<std::vector<T>> interpret(const Chain& chain, const std::vector<const void*>& in, int64_t count) {
  std::vector<std::vector<T>> out(chain.outputs.size(), std::vector<T>(static_cast<size_t>(count)));
  std::vector<T> values(chain.dtypes.size());
  for (int64_t i = 0; i < count; ++i) {
    for (size_t k = 0; k < chain.in.size(); ++k) {
      values[k] = load<T>(chain.in[k], in[k], operand_element(chain.in[k], chain.dims, i));
    }
    for (size_t j = 0; j < chain.instructions.size(); ++j) {
      T operands[3] = {};
      for (size_t k = 0; k < chain.instructions[j].operands.size(); ++k)
        operands[k] = values[chain.instructions[j].operands[k]];
      values[chain.in.size() + j] = compute<T>(chain.instructions[j].formula, operands);
    }
    for (size_t j = 0; j < out.size(); ++j) out[j][i] = values[chain.outputs[j]];
  }
  return out;
}

}  // namespace cotangent::testing

#endif
