// From a chain's instructions to steps of the accumulator machine: in which order they run, what stays in the
// accumulator, and what waits in a slot (one tile of memory each).
#ifndef COTANGENT_KERNELS_ELEMENTWISE_CHAIN_CODE_H
#define COTANGENT_KERNELS_ELEMENTWISE_CHAIN_CODE_H

#include <cstdint>
#include <vector>

#include "native/kernels/elementwise/chain_program.h"
#include "native/kernels/elementwise/chain_target.h"

namespace cotangent::cpu {

// How an input reaches the steps.
enum class Access {
  kStream,  // in place, its pointer moves on by a tile
  kBlock,   // a tile is filled with it before the steps run
  kScalar   // one element
};

struct ChainCode {
  std::vector<ChainStep> steps;

  // Rows of the pointer table: streams first, because those move on by themselves.
  std::vector<int> input_rows;
  std::vector<int> output_rows;  // a bool output is a tile of the lane's type, anything else memory
  int first_slot = 0;            // rows [first_slot, row_count) are slots
  int row_count = 0;
  int stream_count = 0;

  // When things happen, as step numbers, for in-place reuse.
  std::vector<int> last_read;   // by input; -1: never
  std::vector<int> stored_at;   // by output
  std::vector<bool> read_back;  // by output: later steps read it again
  int instruction_count = 0;    // those that run
};

// Throws KernelError when a formula does not exist in the lane.
ChainCode generate_chain(const ChainProgram& program, const std::vector<Access>& access, const ChainTarget& target);

}  // namespace cotangent::cpu

#endif
