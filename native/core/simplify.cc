#include "native/core/simplify.h"

#include <cmath>

#include "native/core/bits.h"

namespace cotangent {
namespace {

bool is_float(int32_t dtype) { return dtype == CT_FLOAT32 || dtype == CT_FLOAT64; }

// Every value of `from` has its own in `to`.
bool widens(int32_t from, int32_t to) {
  if (from == CT_BOOL) return to != CT_BOOL;
  return to == CT_FLOAT64 && from != CT_FLOAT64;
}

// Whether from -> through -> to, the first cast losing nothing, gives what from -> to gives. An integer beyond the
// range of another wraps on the direct way, but saturates when it comes as a float.
bool can_skip(int32_t from, int32_t to) { return is_float(from) || is_float(to) || from == CT_BOOL || to == CT_BOOL; }

bool moves_elements(const Equation& equation) {
  return equation.kind == Kind::kKernel && equation.in.size() == 1 && equation.out.size() == 1 &&
         (equation.name == "transpose" || equation.name == "slice" || equation.name == "reverse");
}

}  // namespace

void Simplifier::unite_constants() {
  for (const auto& [value, number] : program_.constants) {
    program_.root[value] = known_.emplace(std::make_pair(type(value).dtype, bits(number)), value).first->second;
  }
}

int Simplifier::constant(int32_t dtype, double number) {
  const auto [found, fresh] = known_.try_emplace({dtype, bits(number)}, -1);
  if (fresh) {
    found->second = program_.add_value(scalar_type(dtype));
    program_.constants[found->second] = number;
  }
  return found->second;
}

int Simplifier::uniform(int value) const {
  const int root = program_.root[value];
  if (program_.is_constant(root)) return root;
  const auto found = uniform_.find(root);
  return found == uniform_.end() ? -1 : found->second;
}

std::optional<double> Simplifier::number(int value) const {
  const int scalar = uniform(value);
  if (scalar < 0) return {};
  return program_.constants.at(scalar);
}

std::optional<int> Simplifier::visit(Equation& equation) {
  if (!evaluate_ || equation.out.size() != 1) return {};
  if (equation.kind == Kind::kBroadcast || moves_elements(equation)) {
    const int scalar = uniform(equation.in[0]);
    return scalar < 0 ? std::nullopt : become(equation, scalar);
  }
  if (equation.kind == Kind::kKernel && equation.name == "cast" && equation.in.size() == 1) {
    if (const auto folded = fold(equation)) return folded;
    return equation.kind == Kind::kBroadcast ? std::nullopt : cast(equation);
  }
  if (equation.kind != Kind::kFormula) return {};
  if (const auto folded = fold(equation)) return folded;
  if (equation.kind != Kind::kFormula) return {};
  if (const auto same = twice(equation)) return same;
  return identity(equation);
}

std::optional<int> Simplifier::become(Equation& equation, int scalar) {
  const Type& result = type(equation.out[0]);
  if (type(scalar).dtype != result.dtype) return {};
  if (result.rank == 0) return scalar;
  equation.kind = Kind::kBroadcast;
  equation.name = "broadcast";
  equation.formula = -1;
  equation.in = {scalar};
  equation.params.clear();
  return {};
}

std::optional<int> Simplifier::forward(Equation& equation, int value) {
  const Type& result = type(equation.out[0]);
  if (type(value).dtype != result.dtype) return {};
  if (const int scalar = uniform(value); scalar >= 0) return become(equation, scalar);
  if (element_count(type(value)) == element_count(result)) return value;
  if (type(value).rank != 0) return {};
  return become(equation, value);
}

// By the device's own kernels, so that a constant has the bits that the equation would have given.
std::optional<int> Simplifier::fold(Equation& equation) {
  std::vector<int32_t> dtypes;
  std::vector<double> numbers;
  for (const int value : equation.in) {
    const auto known = number(value);
    if (!known) return {};
    dtypes.push_back(type(value).dtype);
    numbers.push_back(*known);
  }
  const int32_t dtype = type(equation.out[0]).dtype;
  const auto result = evaluate_(equation, dtypes, numbers, dtype);
  if (!result) return {};
  return become(equation, constant(dtype, *result));
}

// Only what holds for every operand, NaN, infinities and both zeros included.
std::optional<int> Simplifier::identity(Equation& equation) {
  const std::string& name = equation.name;
  if (name == "select" && equation.in.size() == 3) {
    const auto condition = number(equation.in[0]);
    const bool alike = program_.root[equation.in[1]] == program_.root[equation.in[2]];
    if (!condition && !alike) return {};
    return forward(equation, equation.in[condition && *condition == 0 ? 2 : 1]);
  }
  if (equation.in.size() != 2) return {};
  const int32_t dtype = type(equation.out[0]).dtype;
  for (int side = 0; side < 2; ++side) {
    const auto known = number(equation.in[side]);
    if (!known || type(equation.in[side]).dtype != dtype) continue;
    const int other = equation.in[1 - side];
    const bool right = side == 1;
    const bool zero = *known == 0, negative = std::signbit(*known);
    // x + -0 = x - 0 = x, while x + 0 turns -0 into 0.
    if (name == "add" && zero && (negative || !is_float(dtype))) return forward(equation, other);
    if (name == "sub" && right && zero && (!negative || !is_float(dtype))) return forward(equation, other);
    if ((name == "mul" || (name == "div" && right)) && *known == 1) return forward(equation, other);
    if (name == "mul" && zero && !is_float(dtype)) return become(equation, constant(dtype, 0));
    if (name == "and" || name == "or") {
      const bool neutral = (*known != 0) == (name == "and");
      return neutral ? forward(equation, other) : become(equation, uniform(equation.in[side]));
    }
  }
  return {};
}

std::optional<int> Simplifier::twice(Equation& equation) {
  if (equation.in.size() != 1) return {};
  const auto inner = involutions_.find(program_.root[equation.in[0]]);
  if (inner == involutions_.end() || inner->second.first != equation.name) return {};
  return forward(equation, inner->second.second);
}

std::optional<int> Simplifier::cast(Equation& equation) {
  const auto inner = widened_.find(program_.root[equation.in[0]]);
  if (inner == widened_.end()) return {};
  const Type& source = type(inner->second);
  const Type& result = type(equation.out[0]);
  if (source.dtype == result.dtype) return forward(equation, inner->second);
  Type same = source;
  same.dtype = result.dtype;
  if (same == result && can_skip(source.dtype, result.dtype)) equation.in[0] = inner->second;
  return {};
}

void Simplifier::record(const Equation& equation) {
  if (equation.out.size() != 1) return;
  const int result = equation.out[0];
  if (equation.kind == Kind::kBroadcast) {
    const int scalar = uniform(equation.in[0]);
    if (scalar >= 0) uniform_[result] = scalar;
  } else if (equation.kind == Kind::kFormula && (equation.name == "neg" || equation.name == "not")) {
    involutions_[result] = {equation.name, equation.in[0]};
  } else if (equation.kind == Kind::kKernel && equation.name == "cast" && equation.in.size() == 1) {
    if (widens(type(equation.in[0]).dtype, type(result).dtype)) widened_[result] = equation.in[0];
  }
}

}  // namespace cotangent
