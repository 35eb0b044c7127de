// Computes ranges of a chain's elements: what the kernels `chain` and `chainReduce` share. Every input is read once
// (broadcast ones from cache), every result is written once, intermediate values stay in registers or in L1. Bits
// depend on the SIMD target only, not on how the elements are cut into ranges.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_CHAIN_EVALUATOR_H
#define COTANGENT_KERNELS_ELEMENTWISE_CHAIN_EVALUATOR_H

#include <cstdint>
#include <vector>

#include "native/kernels/elementwise/broadcast.h"
#include "native/kernels/elementwise/chain_code.h"
#include "native/kernels/elementwise/chain_program.h"

namespace cotangent::cpu {

class ChainEvaluator {
 public:
  // `desc` as for `chain`. Throws KernelError.
  explicit ChainEvaluator(const OpDesc& desc);

  int64_t count() const { return layout_.count; }
  int64_t tile() const { return tile_; }  // elements; ranges had better begin at multiples of it
  double element_ns() const { return element_ns_; }
  int64_t grain() const { return grain_; }                  // elements worth a thread
  int64_t out_bytes(int j) const { return out_bytes_[j]; }  // of an element
  int64_t thread_bytes() const { return thread_bytes_; }    // of workspace a walker needs; 64-byte aligned

  // Which inputs result j may share the buffer of, as bits. `desc` is the one of the constructor.
  uint64_t in_place(const OpDesc& desc, int j) const;
  // Whether these results can be stored past the cache: they are large, aligned and in no operand's buffer.
  bool can_stream(const void* const* in, void* const* out) const;

  class Walker;

 private:
  void choose_access();
  void estimate();
  void lay_out_workspace();
  void make_streaming_steps();

  const ChainTarget& target_;
  ChainProgram program_;
  ChainLayout layout_;
  ChainCode code_;
  std::vector<ChainStep> streaming_steps_;  // with results stored past the cache; empty: none are large enough
  std::vector<Access> access_;
  std::vector<int64_t> in_bytes_, out_bytes_;  // size of an element
  std::vector<uint64_t> constant_;             // by input: bits of its value in the lane's type, where known
  std::vector<bool> has_constant_;
  bool by_rows_ = false;   // innermost runs are long: each is a piece of its own
  bool per_tile_ = false;  // something is filled or drained between tiles
  int64_t lane_bytes_ = 4;
  int64_t tile_ = 0;
  double element_ns_ = 0;
  int64_t grain_ = 0;

  // A thread's part of the workspace: offsets in bytes.
  int64_t thread_bytes_ = 0;
  int64_t values_at_ = 0, cursors_at_ = 0, scratch_at_ = 0, bytes_at_ = 0;
  std::vector<int64_t> block_at_;  // by row of the pointer table; -1: needs none
};

// One thread's walk over ranges of elements.
class ChainEvaluator::Walker {
 public:
  // Element i of result j goes to out[j] + i * out_bytes(j): pointers that may be changed between two ranges.
  // `memory`: thread_bytes(), aligned. `streaming`: when can_stream, for ranges that begin at whole tiles.
  Walker(const ChainEvaluator& chain, const void* const* in, void* const* out, char* memory, bool streaming);

  // Operands are fetched some tiles before they are read, as they are when results stream past the cache.
  void fetch_ahead();

  void run(int64_t begin, int64_t end);

 private:
  void* block(int row) const { return memory_ + chain_.block_at_[row]; }
  bool from_cursor(int k) const {
    return chain_.access_[k] == Access::kBlock && chain_.layout_.inputs[k].kind == ChainInput::kBroadcast &&
           !chain_.by_rows_;
  }
  const char* input(int k, int64_t element) const {
    return static_cast<const char*>(in_[k]) + element * chain_.in_bytes_[k];
  }
  void set_scalar(int k, int64_t element);
  int64_t first_element(int k, int64_t at, const int64_t* row_index) const;
  void segment(int64_t at, int64_t length, const int64_t* row_index);
  void fill_blocks(int64_t at, int64_t done, int64_t count, const int64_t* row_index);
  void drain_bools(int64_t at, int64_t count);
  void partial(int64_t at, int64_t done, int64_t count, const int64_t* row_index);

  const ChainEvaluator& chain_;
  const void* const* const in_;
  void* const* const out_;
  const ChainStep* const steps_;
  char* const memory_;
  void** const rows_;
  BroadcastCursor* const cursors_;
  uint8_t* const bytes_;
  const int lane_;
  ChainState state_;
};

}  // namespace cotangent::cpu

#endif
