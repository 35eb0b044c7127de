// What fusion knows about shapes: dims as a chain sees them, and reductions that can be computed along with the chain
// that feeds them.
#ifndef COTANGENT_CORE_REDUCTIONS_H
#define COTANGENT_CORE_REDUCTIONS_H

#include <cstdint>
#include <optional>
#include <vector>

#include "native/core/program.h"

namespace cotangent {

// The dims of `type` but those of 1.
std::vector<int64_t> without_ones(const Type& type);
Type chain_type(int32_t dtype, const std::vector<int64_t>& dims);

// The reduction's code in the params of `chainReduce`, and the neighbouring dims of the chain that it reduces.
struct ChainReduction {
  int kind;  // 0 sum, 1 product, 2 max, 3 min
  int axis, axis_count;
};

// How `equation` reduces a value of a chain of dims `dims` , whatever shape it sees that value in;
// nothing, when it is no reduction, or one that takes several passes, or of or over nothing, or not valid.
std::optional<ChainReduction> chain_reduction(const Program& program, const Equation& equation,
                                              const std::vector<int64_t>& dims);

}  // namespace cotangent

#endif
