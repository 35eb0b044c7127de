// The formula table: every elementwise primitive once, for scalars and SIMD vectors, on every device.
// A row's number is its id in encoded chains: the order is fixed, new rows go to the end.
//
// Columns: id (function in cotangent::formula), name of the primitive, operands, which dtypes the operands may have,
// dtype of the result, and cost: cheap formulas stay in registers, costly ones run over a tile in memory.
// bool values are 0 and 1 of the type that the chain computes in.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_FORMULAS_H
#define COTANGENT_KERNELS_ELEMENTWISE_FORMULAS_H

#include "native/kernels/elementwise/arctangent.h"
#include "native/kernels/elementwise/error_function.h"
#include "native/kernels/elementwise/gamma.h"
#include "native/kernels/elementwise/lane.h"
#include "native/kernels/elementwise/power.h"
#include "native/kernels/elementwise/transcendental.h"
#include "native/kernels/elementwise/trigonometric.h"

// clang-format off
#define COTANGENT_FORMULAS(ROW)                          \
  ROW(negate,       "neg",        1, kNumber, kSame, kCheap)  \
  ROW(absolute,     "abs",        1, kNumber, kSame, kCheap)  \
  ROW(sign,         "sign",       1, kNumber, kSame, kCheap)  \
  ROW(exp,          "exp",        1, kFloat,  kSame, kCostly) \
  ROW(expm1,        "expm1",      1, kFloat,  kSame, kCostly) \
  ROW(log,          "log",        1, kFloat,  kSame, kCostly) \
  ROW(log1p,        "log1p",      1, kFloat,  kSame, kCostly) \
  ROW(square_root,  "sqrt",       1, kFloat,  kSame, kCheap)  \
  ROW(rsqrt,        "rsqrt",      1, kFloat,  kSame, kCheap)  \
  ROW(square,       "square",     1, kNumber, kSame, kCheap)  \
  ROW(reciprocal,   "reciprocal", 1, kFloat,  kSame, kCheap)  \
  ROW(tanh,         "tanh",       1, kFloat,  kSame, kCostly) \
  ROW(logistic,     "logistic",   1, kFloat,  kSame, kCostly) \
  ROW(softplus,     "softplus",   1, kFloat,  kSame, kCostly) \
  ROW(sin,          "sin",        1, kFloat,  kSame, kCostly) \
  ROW(cos,          "cos",        1, kFloat,  kSame, kCostly) \
  ROW(floor,        "floor",      1, kFloat,  kSame, kCheap)  \
  ROW(ceil,         "ceil",       1, kFloat,  kSame, kCheap)  \
  ROW(round,        "round",      1, kFloat,  kSame, kCheap)  \
  ROW(is_finite,    "isFinite",   1, kFloat,  kTruth, kCheap) \
  ROW(add,          "add",        2, kNumber, kSame, kCheap)  \
  ROW(subtract,     "sub",        2, kNumber, kSame, kCheap)  \
  ROW(multiply,     "mul",        2, kNumber, kSame, kCheap)  \
  ROW(divide,       "div",        2, kNumber, kSame, kCheap)  \
  ROW(pow,          "pow",        2, kFloat,  kSame, kCostly) \
  ROW(maximum,      "max",        2, kNumber, kSame, kCheap)  \
  ROW(minimum,      "min",        2, kNumber, kSame, kCheap)  \
  ROW(equal,        "eq",         2, kAny,    kTruth, kCheap) \
  ROW(not_equal,    "ne",         2, kAny,    kTruth, kCheap) \
  ROW(less,         "lt",         2, kAny,    kTruth, kCheap) \
  ROW(less_equal,   "le",         2, kAny,    kTruth, kCheap) \
  ROW(greater,      "gt",         2, kAny,    kTruth, kCheap) \
  ROW(greater_equal,"ge",         2, kAny,    kTruth, kCheap) \
  ROW(logical_and,  "and",        2, kBool,   kTruth, kCheap) \
  ROW(logical_or,   "or",         2, kBool,   kTruth, kCheap) \
  ROW(logical_not,  "not",        1, kBool,   kTruth, kCheap) \
  ROW(select,       "select",     3, kAny,    kSame, kCheap)  \
  ROW(erf,          "erf",        1, kFloat,  kSame, kCostly) \
  ROW(erfinv,       "erfinv",     1, kFloat,  kSame, kCostly) \
  ROW(lgamma,       "lgamma",     1, kFloat,  kSame, kCostly) \
  ROW(digamma,      "digamma",    1, kFloat,  kSame, kCostly) \
  ROW(trigamma,     "trigamma",   1, kFloat,  kSame, kCostly) \
  ROW(atan2,        "atan2",      2, kFloat,  kSame, kCostly)
// clang-format on

namespace cotangent::formula {

enum class Domain { kFloat, kNumber, kAny, kBool };  // kNumber: float or int; select's condition is bool besides
enum class Result { kSame, kTruth };                 // kSame: the operands' dtype (select: that of the last two)
enum class Cost { kCheap, kCostly };

enum Formula : int {
#define COTANGENT_ROW(id, name, arity, domain, result, cost) k_##id,
  COTANGENT_FORMULAS(COTANGENT_ROW)
#undef COTANGENT_ROW
      kFormulaCount
};

struct FormulaInfo {
  const char* name;
  int arity;
  Domain domain;
  Result result;
  Cost cost;
};

static constexpr FormulaInfo kFormulas[kFormulaCount] = {
#define COTANGENT_ROW(id, name, arity, domain, result, cost) {name, arity, Domain::domain, Result::result, Cost::cost},
    COTANGENT_FORMULAS(COTANGENT_ROW)
#undef COTANGENT_ROW
};

template <class V>
static constexpr bool kSigned = Scalar<V>(-1) < Scalar<V>(0);

// Arithmetic on signed integers wraps around: it is done on unsigned ones.
template <class V>
using Wrapping = typename Traits<V>::Arithmetic;

template <class V>
COTANGENT_FN V negate(V x) {
  if constexpr (FormatOf<V>::kFloating) {
    return -x;
  } else {
    return (V)(Wrapping<V>{} - (Wrapping<V>)x);
  }
}

template <class V>
COTANGENT_FN V absolute(V x) {
  if constexpr (FormatOf<V>::kFloating) {
    return magnitude(x);
  } else if constexpr (kSigned<V>) {
    return blend(x < V{}, negate(x), x);
  } else {
    return x;
  }
}

// -1, 0 or 1; zeros keep their sign, NaN stays NaN.
template <class V>
COTANGENT_FN V sign(V x) {
  if constexpr (kSigned<V>) {
    return blend(x > V{}, splat<V>(1), blend(x < V{}, splat<V>(Scalar<V>(-1)), x));
  } else {
    return blend(x > V{}, splat<V>(1), x);
  }
}

template <class V>
COTANGENT_FN V square_root(V x) {
  return Traits<V>::square_root(x);
}

template <class V>
COTANGENT_FN V rsqrt(V x) {
  return Scalar<V>(1) / square_root(x);
}

template <class V>
COTANGENT_FN V reciprocal(V x) {
  return Scalar<V>(1) / x;
}

// To the nearest integer, halves to the even one.
template <class V>
COTANGENT_FN V round(V x) {
  const V size = magnitude(x);
  const V rounded = (size + FormatOf<V>::kIntegral) - FormatOf<V>::kIntegral;
  return blend(size < FormatOf<V>::kIntegral, copy_sign(rounded, x), x);
}

template <class V>
COTANGENT_FN V floor(V x) {
  const V near = round(x);
  return copy_sign(blend(near > x, near - Scalar<V>(1), near), x);
}

template <class V>
COTANGENT_FN V ceil(V x) {
  const V near = round(x);
  return copy_sign(blend(near < x, near + Scalar<V>(1), near), x);
}

template <class V, class Mask>
COTANGENT_FN V truth(Mask mask) {
  return blend(mask, splat<V>(1), V{});
}

template <class V>
COTANGENT_FN V is_finite(V x) {
  return truth<V>(magnitude(x) < splat<V>(FormatOf<V>::kInfinity));
}

template <class V>
COTANGENT_FN V add(V x, V y) {
  return (V)((Wrapping<V>)x + (Wrapping<V>)y);
}

template <class V>
COTANGENT_FN V subtract(V x, V y) {
  return (V)((Wrapping<V>)x - (Wrapping<V>)y);
}

template <class V>
COTANGENT_FN V multiply(V x, V y) {
  return (V)((Wrapping<V>)x * (Wrapping<V>)y);
}

template <class V>
COTANGENT_FN V square(V x) {
  return multiply(x, x);
}

// Integers truncate, x / 0 = 0, and the one quotient that does not fit wraps around.
template <class V>
COTANGENT_FN V divide(V x, V y) {
  if constexpr (FormatOf<V>::kFloating) {
    return x / y;
  } else {
    const auto zero = y == V{};
    const auto minus_one = y == splat<V>(Scalar<V>(-1));
    const V quotient = x / blend(zero, splat<V>(1), blend(minus_one, splat<V>(1), y));
    if constexpr (kSigned<V>) {
      return blend(zero, V{}, blend(minus_one, negate(x), quotient));
    } else {
      return blend(zero, V{}, blend(minus_one, truth<V>(x == y), quotient));
    }
  }
}

// NaN when an operand is NaN. The operand that is looked at is the one that is a constant in most programs.
template <class V>
COTANGENT_FN V maximum(V x, V y) {
  if constexpr (FormatOf<V>::kFloating) {
    return blend(y == y, Traits<V>::larger(y, x), y);
  } else {
    return blend(x > y, x, y);
  }
}

template <class V>
COTANGENT_FN V minimum(V x, V y) {
  if constexpr (FormatOf<V>::kFloating) {
    return blend(y == y, Traits<V>::smaller(y, x), y);
  } else {
    return blend(x < y, x, y);
  }
}

template <class V>
COTANGENT_FN V equal(V x, V y) {
  return truth<V>(x == y);
}

template <class V>
COTANGENT_FN V not_equal(V x, V y) {
  return truth<V>(x != y);
}

template <class V>
COTANGENT_FN V less(V x, V y) {
  return truth<V>(x < y);
}

template <class V>
COTANGENT_FN V less_equal(V x, V y) {
  return truth<V>(x <= y);
}

template <class V>
COTANGENT_FN V greater(V x, V y) {
  return truth<V>(x > y);
}

template <class V>
COTANGENT_FN V greater_equal(V x, V y) {
  return truth<V>(x >= y);
}

// The bit patterns of 0 and 1 are 0 and one other value: bitwise operations are the logical ones.
template <class V>
COTANGENT_FN V logical_and(V x, V y) {
  return from_bits<V>(bits_of(x) & bits_of(y));
}

template <class V>
COTANGENT_FN V logical_or(V x, V y) {
  return from_bits<V>(bits_of(x) | bits_of(y));
}

template <class V>
COTANGENT_FN V logical_not(V x) {
  return splat<V>(1) - x;
}

template <class V>
COTANGENT_FN V select(V condition, V yes, V no) {
  return blend(condition != V{}, yes, no);
}

}  // namespace cotangent::formula

namespace cotangent {

// Row number of an elementwise primitive, or -1.
static inline int formula_row(const char* name) {
  for (int row = 0; row < formula::kFormulaCount; ++row) {
    if (__builtin_strcmp(name, formula::kFormulas[row].name) == 0) return row;
  }
  return -1;
}

}  // namespace cotangent

#endif
