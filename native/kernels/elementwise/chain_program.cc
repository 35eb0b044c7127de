#include "native/kernels/elementwise/chain_program.h"

#include <string>

#include "native/kernels/elementwise/formulas.h"

namespace cotangent {
namespace {

using formula::Domain;
using formula::FormulaInfo;
using formula::kFormulas;

[[noreturn]] void fail(ct_code code, const std::string& message) { throw KernelError{code, message}; }

// Reads params front to back.
class Reader {
 public:
  explicit Reader(const OpDesc& desc) : desc_(desc) {}
  int next(int64_t low, int64_t high, const char* what) {
    const int64_t value = desc_.integer(at_++);
    if (value < low || value > high) {
      fail(CT_INTERNAL, std::string("Expected ") + what + " in [" + std::to_string(low) + ", " + std::to_string(high) +
                            "], received " + std::to_string(value) + ".");
    }
    return static_cast<int>(value);
  }
  bool at_end() const { return at_ == desc_.param_count(); }

 private:
  const OpDesc& desc_;
  int at_ = 0;
};

// dtype of the result; throws when the operands' dtypes do not suit the formula.
int32_t result_dtype(const FormulaInfo& info, const ChainInstruction& instruction, const std::vector<int32_t>& dtypes) {
  const int first = info.arity == 3 ? 1 : 0;  // select's condition is apart
  const int32_t dtype = dtypes[instruction.operands[first]];
  bool suits = first == 0 || dtypes[instruction.operands[0]] == CT_BOOL;
  for (int k = first; k < info.arity; ++k) suits = suits && dtypes[instruction.operands[k]] == dtype;
  const bool floating = dtype == CT_FLOAT32 || dtype == CT_FLOAT64;
  switch (info.domain) {
    case Domain::kFloat:
      suits = suits && floating;
      break;
    case Domain::kNumber:
      suits = suits && dtype != CT_BOOL;
      break;
    case Domain::kBool:
      suits = suits && dtype == CT_BOOL;
      break;
    case Domain::kAny:
      break;
  }
  if (!suits) {
    std::string received;
    for (int k = 0; k < info.arity; ++k) {
      received += (k ? ", " : "") + std::string(dtype_name(dtypes[instruction.operands[k]]));
    }
    fail(CT_DTYPE, std::string("Expected operands that ") + info.name + " is defined for, received " + received + ".");
  }
  return info.result == formula::Result::kTruth ? static_cast<int32_t>(CT_BOOL) : dtype;
}

}  // namespace

ChainProgram decode_chain(const OpDesc& desc) {
  ChainProgram program;
  program.in_count = desc.in_count();
  for (int k = 0; k < desc.in_count(); ++k) {
    element_bytes(desc.in(k).dtype);  // rejects unknown codes
    program.dtypes.push_back(desc.in(k).dtype);
  }

  Reader reader(desc);
  const int count = reader.next(0, INT32_MAX, "an instruction count");
  for (int i = 0; i < count; ++i) {
    ChainInstruction instruction{};
    instruction.formula = reader.next(0, formula::kFormulaCount - 1, "a formula");
    const FormulaInfo& info = kFormulas[instruction.formula];
    const int dtype = reader.next(CT_FLOAT32, CT_BOOL, "a dtype code");
    instruction.operand_count = reader.next(info.arity, info.arity, "the formula's operand count");
    for (int k = 0; k < info.arity; ++k) {
      instruction.operands[k] = reader.next(0, static_cast<int64_t>(program.dtypes.size()) - 1, "an earlier operand");
    }
    const int32_t result = result_dtype(info, instruction, program.dtypes);
    if (result != dtype) {
      fail(CT_DTYPE, std::string("Expected ") + info.name + " to give " + dtype_name(result) + ", received " +
                         dtype_name(dtype) + ".");
    }
    program.instructions.push_back(instruction);
    program.dtypes.push_back(result);
  }
  const int out_count = reader.next(desc.out_count(), desc.out_count(), "the result count");
  for (int j = 0; j < out_count; ++j) {
    const int id = reader.next(0, static_cast<int64_t>(program.dtypes.size()) - 1, "an operand");
    if (desc.out(j).dtype != program.dtypes[id]) {
      fail(CT_DTYPE, "Expected result " + std::to_string(j) + " to be " + dtype_name(program.dtypes[id]) +
                         ", received " + dtype_name(desc.out(j).dtype) + ".");
    }
    program.outputs.push_back(id);
  }
  if (!reader.at_end()) fail(CT_INTERNAL, "Expected no parameters after the outputs, received some.");

  // The lane: the one dtype besides bool. Chains of bools alone run as float32.
  int32_t lane = CT_BOOL;
  for (const int32_t dtype : program.dtypes) {
    if (dtype == CT_BOOL || dtype == lane) continue;
    if (lane != CT_BOOL) {
      fail(CT_DTYPE, std::string("Expected one dtype besides bool, received ") + dtype_name(lane) + " and " +
                         dtype_name(dtype) + ".");
    }
    lane = dtype;
  }
  program.lane = lane == CT_BOOL ? kLaneFloat32 : static_cast<Lane>(lane);
  return program;
}

namespace {

struct Axis {
  int64_t extent;
  std::vector<int64_t> strides;  // one an input
};

// Merges neighbours that every input walks through as one axis, and drops axes of extent 1.
std::vector<Axis> collapse(const std::vector<Axis>& axes) {
  std::vector<Axis> merged;
  for (const Axis& axis : axes) {
    if (axis.extent == 1) continue;
    bool joins = !merged.empty();
    if (joins) {
      for (size_t k = 0; k < axis.strides.size(); ++k) {
        joins = joins && merged.back().strides[k] == axis.strides[k] * axis.extent;
      }
    }
    if (joins) {
      merged.back().extent *= axis.extent;
      merged.back().strides = axis.strides;
    } else {
      merged.push_back(axis);
    }
  }
  return merged;
}

ChainInput classify(const std::vector<Axis>& axes, size_t input) {
  std::vector<Axis> own;
  for (const Axis& axis : axes) own.push_back({axis.extent, {axis.strides[input]}});
  own = collapse(own);
  ChainInput result{};
  result.rank = static_cast<int>(own.size());
  for (int d = 0; d < result.rank; ++d) {
    result.dims[d] = own[d].extent;
    result.strides[d] = own[d].strides[0];
  }
  result.kind = ChainInput::kBroadcast;
  if (result.rank == 0 || (result.rank == 1 && result.strides[0] == 0)) result.kind = ChainInput::kScalar;
  if (result.rank == 1 && result.strides[0] == 1) result.kind = ChainInput::kContiguous;
  return result;
}

}  // namespace

ChainLayout lay_out_chain(const OpDesc& desc) {
  ChainLayout layout;
  if (desc.out_count() == 0) fail(CT_INTERNAL, "Expected at least one result, received none.");
  const std::vector<int64_t> result = dims(desc.out(0));
  for (int j = 0; j < desc.out_count(); ++j) {
    if (dims(desc.out(j)) != result) {
      fail(CT_SHAPE,
           "Expected results of equal dims, received " + describe(desc.out(0)) + " and " + describe(desc.out(j)) + ".");
    }
  }
  layout.count = element_count(desc.out(0));

  std::vector<Axis> axes;
  for (const int64_t extent : result) axes.push_back({extent, std::vector<int64_t>(desc.in_count(), 0)});
  for (int k = 0; k < desc.in_count(); ++k) {
    const ct_type& type = desc.in(k);
    if (type.rank == 0) continue;
    bool fits = type.rank == static_cast<int32_t>(result.size());
    for (int d = 0; fits && d < type.rank; ++d) fits = type.dims[d] == result[d] || type.dims[d] == 1;
    if (!fits) {
      fail(CT_SHAPE, "Expected operand " + std::to_string(k) + " to broadcast to " + describe(desc.out(0)) +
                         ", received " + describe(type) + ".");
    }
    int64_t stride = 1;
    for (int d = type.rank - 1; d >= 0; --d) {
      axes[d].strides[k] = type.dims[d] == 1 ? 0 : stride;
      stride *= type.dims[d];
    }
  }

  for (int k = 0; k < desc.in_count(); ++k) layout.inputs.push_back(classify(axes, k));
  layout.strides.resize(desc.in_count());
  for (const Axis& axis : collapse(axes)) {
    layout.dims.push_back(axis.extent);
    for (int k = 0; k < desc.in_count(); ++k) layout.strides[k].push_back(axis.strides[k]);
  }
  return layout;
}

}  // namespace cotangent
