// What a chain's encoding says, checked and brought into a convenient form: the instructions, and how each input lies
// relative to the results.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_CHAIN_PROGRAM_H
#define COTANGENT_KERNELS_ELEMENTWISE_CHAIN_PROGRAM_H

#include <cstdint>
#include <vector>

#include "native/backend/description.h"
#include "native/kernels/elementwise/chain_target.h"

namespace cotangent {

struct ChainInstruction {
  int formula;
  int operand_count;
  int operands[3];  // ids: inputs first, then results of instructions
};

struct ChainProgram {
  int in_count = 0;
  Lane lane = kLaneFloat32;
  std::vector<ChainInstruction> instructions;
  std::vector<int> outputs;     // ids
  std::vector<int32_t> dtypes;  // by id

  bool is_bool(int id) const { return dtypes[id] == CT_BOOL; }
  int64_t lane_bytes() const { return lane == kLaneFloat64 ? 8 : 4; }
};

// Throws KernelError.
ChainProgram decode_chain(const OpDesc& desc);

constexpr int kMaxRank = CT_MAX_RANK;

// Where an input's elements are: strides over the collapsed dims of the results, 0 where it is broadcast.
struct ChainInput {
  enum Kind { kScalar, kContiguous, kBroadcast } kind;
  int rank;
  int64_t dims[kMaxRank];     // of the results, collapsed as far as this input alone allows
  int64_t strides[kMaxRank];  // the innermost one is 0 or 1
};

struct ChainLayout {
  int64_t count = 0;  // elements of a result
  std::vector<ChainInput> inputs;
  // The results' dims, collapsed as far as all inputs allow, and the inputs' strides over them.
  std::vector<int64_t> dims;
  std::vector<std::vector<int64_t>> strides;
};

// Throws KernelError.
ChainLayout lay_out_chain(const OpDesc& desc);

}  // namespace cotangent

#endif
