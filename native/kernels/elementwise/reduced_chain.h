// What chainReduce says, checked: a chain, some of whose values are reduced instead of being written. Params: see
// docs/architecture.md.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_REDUCED_CHAIN_H
#define COTANGENT_KERNELS_ELEMENTWISE_REDUCED_CHAIN_H

#include <algorithm>
#include <vector>

#include "native/backend/description.h"
#include "native/kernels/elementwise/chain_program.h"
#include "native/kernels/reduce/reduce_loops.h"

namespace cotangent {

// The equation seen as a chain: its reduced values are results that no memory is kept for.
struct ReducedChain {
  std::vector<int64_t> dims;
  int axis = 0, axis_count = 0;
  std::vector<Reduction> reductions;
  int full_count = 0;            // results that are written as they are
  std::vector<int> source;       // by reduction: the chain's result that it reduces
  std::vector<ct_type> in, out;  // of the chain
  std::vector<double> params;
  std::vector<const void*> constants;

  explicit ReducedChain(const OpDesc& desc) {
    int at = 0;
    const int rank = static_cast<int>(integer_in(desc, at++, 1, kMaxRank, "a rank"));
    int64_t left = int64_t{1} << 50;
    for (int d = 0; d < rank; ++d) {
      dims.push_back(integer_in(desc, at++, 0, left, "a dimension"));
      left /= std::max<int64_t>(1, dims.back());  // zero dims must not hide an overflow
    }
    axis = static_cast<int>(integer_in(desc, at++, 0, rank - 1, "an axis"));
    axis_count = static_cast<int>(integer_in(desc, at++, 1, rank - axis, "a number of axes"));
    const int reduction_count = static_cast<int>(integer_in(desc, at++, 1, desc.out_count(), "a number of reductions"));
    for (int r = 0; r < reduction_count; ++r) {
      reductions.push_back(static_cast<Reduction>(integer_in(desc, at++, 0, 3, "a reduction")));
    }
    full_count = desc.out_count() - reduction_count;
    read_chain(desc, at);
    check_results(desc);
  }

  // The reductions seen as [outer, size, inner] -> [outer, inner].
  int64_t outer() const { return count(0, axis); }
  int64_t size() const { return count(axis, axis + axis_count); }
  int64_t inner() const { return count(axis + axis_count, static_cast<int>(dims.size())); }

  ct_op_desc describe() const {
    return {"chain",
            static_cast<int32_t>(in.size()),
            static_cast<int32_t>(out.size()),
            static_cast<int32_t>(params.size()),
            in.data(),
            out.data(),
            params.data(),
            constants.data()};
  }

 private:
  int64_t count(int begin, int end) const {
    int64_t count = 1;
    for (int d = begin; d < end; ++d) count *= dims[static_cast<size_t>(d)];
    return count;
  }

  // The chain's own params end with its outputs; values that are reduced twice, or are results, are listed once.
  void read_chain(const OpDesc& desc, int begin) {
    const int end = desc.param_count() - desc.out_count() - 1;
    if (end < begin) fail(CT_INTERNAL, "a chain behind the reductions", "its params cut short");
    integer_in(desc, end, desc.out_count(), desc.out_count(), "the chain's result count");
    for (int k = begin; k < end; ++k) params.push_back(desc.param(k));
    std::vector<double> outputs;
    const auto add = [&](int j) {
      outputs.push_back(desc.param(end + 1 + j));
      out.push_back(make_type(desc.out(j).dtype, dims));
    };
    for (int j = 0; j < full_count; ++j) add(j);
    for (int j = full_count; j < desc.out_count(); ++j) {
      const auto known = std::find(outputs.begin(), outputs.end(), desc.param(end + 1 + j));
      source.push_back(static_cast<int>(known - outputs.begin()));
      if (known == outputs.end()) add(j);
    }
    params.push_back(static_cast<double>(outputs.size()));
    params.insert(params.end(), outputs.begin(), outputs.end());
    for (int k = 0; k < desc.in_count(); ++k) {
      in.push_back(desc.in(k));
      constants.push_back(desc.constant(k));
    }
  }

  void check_results(const OpDesc& desc) const {
    for (int j = 0; j < full_count; ++j) expect_type(desc.out(j), desc.out(j).dtype, dims, "a result");
    std::vector<int64_t> kept = dims;
    kept.erase(kept.begin() + axis, kept.begin() + axis + axis_count);
    for (size_t r = 0; r < reductions.size(); ++r) {
      const ct_type& type = desc.out(full_count + static_cast<int>(r));
      expect_type(type, out[static_cast<size_t>(source[r])].dtype, kept, "a reduced result");
      if (reductions[r] == Reduction::kMax || reductions[r] == Reduction::kMin) continue;
      expect_dtype(type, {CT_FLOAT32, CT_FLOAT64, CT_INT32, CT_UINT32}, "a sum or product");
    }
  }
};

}  // namespace cotangent

#endif
