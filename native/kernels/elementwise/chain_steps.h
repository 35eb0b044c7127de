// What a GPU runs a chain from: packed steps of an accumulator machine. A thread holds a few elements of every value.
// The accumulator is in registers; values that are wanted later wait in slots: columns of shared memory, one a thread,
// and, of the few chains that need more than fit there, of the workspace.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_CHAIN_STEPS_H
#define COTANGENT_KERNELS_ELEMENTWISE_CHAIN_STEPS_H

#include <cuda_runtime.h>

#include <cstdint>
#include <vector>

#include "native/kernels/elementwise/chain_program.h"
#include "native/kernels/elementwise/formulas.h"

namespace cotangent::cuda {

// A thread and step work on kVectors vectors of 16 bytes.
constexpr int kVectors = 2;
constexpr int64_t kVectorBytes = 16;

enum ChainSource : uint32_t {
  kFromNowhere,  // the formula has no such operand
  kFromAccumulator,
  kFromSlot,
  kFromConstant,  // the input's entry is the value
  kFromScalar,    // one element in memory
  kFromScalarBool,
  kFromMemory  // an array; at most one a step, which is read before the formula runs
};

// How the array of a step is read. By rows: a vector never crosses the end of a row, that is, of the array's innermost
// dim, along which it moves on (kWalkRow) or repeats one element (kWalkColumn).
enum ChainWalk : uint32_t { kWalkContiguous, kWalkRow, kWalkColumn, kWalkElements };

constexpr uint32_t kNoIndex = 0xffff;
constexpr uint32_t kLoad = formula::kFormulaCount;  // in place of a formula: the accumulator becomes operand 0

// acc = formula(operands); then acc is stored to a slot and to an output. One word of 16 bytes, followed by the words
// of the array's dims, innermost first: {extent, magic, shift, stride} (divisor.h), or, when 32 bits are too few,
// extent and stride as 64-bit numbers.
struct ChainWord {
  uint32_t x, y, z, w;

  __host__ __device__ uint32_t formula() const { return x & 0xff; }
  __host__ __device__ uint32_t source(int k) const { return x >> (8 + 4 * k) & 0xf; }
  __host__ __device__ uint32_t walk() const { return x >> 20 & 0xf; }
  __host__ __device__ uint32_t rank() const { return x >> 24 & 0xf; }
  __host__ __device__ bool memory_is_bool() const { return (x >> 28 & 1) != 0; }
  __host__ __device__ bool output_is_bool() const { return (x >> 29 & 1) != 0; }
  __host__ __device__ bool has_memory() const { return (x >> 30 & 1) != 0; }
  // Of the slot or input; of an array's operand the one of the input.
  __host__ __device__ uint32_t index(int k) const { return k == 0 ? y & 0xffff : k == 1 ? y >> 16 : z & 0xffff; }
  __host__ __device__ uint32_t memory() const { return z >> 16; }
  __host__ __device__ uint32_t slot() const { return w & 0xffff; }
  __host__ __device__ uint32_t output() const { return w >> 16; }
};

struct ChainCode {
  std::vector<ChainWord> words;
  int slot_count = 0;
  bool costly = false;  // has a formula of Cost::kCostly
  bool wide = false;    // 64-bit dims
  // When things happen, as step numbers, for in-place reuse.
  std::vector<int> last_read;  // by input; -1: never
  std::vector<int> stored_at;  // by output
};

// `constants[k]`: input k is a scalar whose value is known. `whole_vectors`: threads begin at multiples of a vector
// only. Throws KernelError when a formula does not exist in the lane.
ChainCode generate_chain(const ChainProgram& program, const ChainLayout& layout, const std::vector<bool>& constants,
                         bool whole_vectors = true);

// The kernel's argument. Code that does not fit lies in device memory.
constexpr int kInlineWords = 168;
struct ChainArguments {
  union Input {
    const void* pointer;
    uint64_t constant;  // the bits of a value of the lane's type
  };

  int64_t count;  // elements
  int32_t word_count, shared_slots;
  bool vectors;           // every array is aligned to vectors
  bool wide;              // as ChainCode's
  void* far_slots;        // those from shared_slots on
  const ChainWord* code;  // null: in `words`
  Input in[CT_MAX_OPERANDS];
  void* out[CT_MAX_OPERANDS];
  alignas(16) ChainWord words[kInlineWords];
};
static_assert(sizeof(ChainArguments) <= 4096, "CUDA takes arguments of 4 KiB");

}  // namespace cotangent::cuda

#endif
