#include "native/core/reductions.h"

#include <algorithm>

namespace cotangent {
namespace {

int kind_of(const Equation& equation) {
  static constexpr const char* kNames[] = {"reduceSum", "reduceProd", "reduceMax", "reduceMin"};
  if (equation.kind != Kind::kKernel || equation.in.size() != 1 || equation.out.size() != 1) return -1;
  for (int kind = 0; kind < 4; ++kind) {
    if (equation.name == kNames[kind]) return kind;
  }
  return -1;
}

// The bits of `axes`, which must be ascending axes of `type`; 0 when they are not, or none.
unsigned axis_bits(const std::vector<double>& axes, const Type& type) {
  unsigned bits = 0;
  double next = 0;
  for (const double axis : axes) {
    if (!(axis >= next && axis < type.rank) || axis != static_cast<int32_t>(axis)) return 0;
    bits |= 1u << static_cast<int32_t>(axis);
    next = axis + 1;
  }
  return bits;
}

// How many of `dims`, from `begin` on, make up `count` elements; -1: none do.
int dims_of(const std::vector<int64_t>& dims, size_t begin, int64_t count) {
  size_t end = begin;
  for (int64_t product = 1; product < count && end < dims.size(); ++end) {
    product *= dims[end];
    if (product == count) return static_cast<int>(end + 1 - begin);
    if (product > count) return -1;
  }
  return count == 1 ? 0 : -1;
}

}  // namespace

std::vector<int64_t> without_ones(const Type& type) {
  std::vector<int64_t> dims;
  for (int32_t k = 0; k < type.rank; ++k) {
    if (type.dims[k] != 1) dims.push_back(type.dims[k]);
  }
  return dims;
}

Type chain_type(int32_t dtype, const std::vector<int64_t>& dims) {
  Type type = scalar_type(dtype);
  type.rank = static_cast<int32_t>(dims.size());
  std::copy(dims.begin(), dims.end(), type.dims);
  return type;
}

std::optional<ChainReduction> chain_reduction(const Program& program, const Equation& equation,
                                              const std::vector<int64_t>& dims) {
  const int kind = kind_of(equation);
  if (kind < 0) return {};
  const Type& in = program.types[equation.in[0]];
  const Type& out = program.types[equation.out[0]];
  const unsigned reduced = axis_bits(equation.params, in);
  if (!reduced || element_count(in) == 0 || in.dtype != out.dtype || (kind < 2 && in.dtype == CT_BOOL)) return {};
  // [outer, size, inner], as far as the axes are neighbours once dims of 1 are out of the way.
  int64_t outer = 1, size = 1, inner = 1;
  Type kept = scalar_type(in.dtype);
  for (int32_t d = 0; d < in.rank; ++d) {
    if (reduced >> d & 1) {
      if (in.dims[d] != 1 && inner != 1) return {};
      size *= in.dims[d];
    } else {
      kept.dims[kept.rank++] = in.dims[d];
      (size == 1 ? outer : inner) *= in.dims[d];
    }
  }
  if (kept != out || size == 1) return {};
  const int before = dims_of(dims, 0, outer);
  if (before < 0) return {};
  const int axes = dims_of(dims, static_cast<size_t>(before), size);
  if (axes < 0) return {};
  return ChainReduction{kind, before, axes};
}

}  // namespace cotangent
