#include "native/kernels/elementwise/chain_evaluator.h"

#include <algorithm>
#include <cstring>

#include "native/kernels/elementwise/chain.h"
#include "native/kernels/elementwise/formulas.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kPastCacheBytes = int64_t{32} << 20;  // read and written together: more than caches keep

}  // namespace

ChainEvaluator::ChainEvaluator(const OpDesc& desc)
    : target_(COTANGENT_SIMD_DISPATCH(chain_target)()), program_(decode_chain(desc)), layout_(lay_out_chain(desc)) {
  lane_bytes_ = program_.lane_bytes();
  tile_ = target_.tile_bytes / lane_bytes_;
  for (int k = 0; k < desc.in_count(); ++k) in_bytes_.push_back(element_bytes(desc.in(k).dtype));
  for (int j = 0; j < desc.out_count(); ++j) out_bytes_.push_back(element_bytes(desc.out(j).dtype));

  constant_.assign(desc.in_count(), 0);
  has_constant_.assign(desc.in_count(), false);
  for (int k = 0; k < desc.in_count(); ++k) {
    if (!desc.constant(k) || layout_.inputs[k].kind != ChainInput::kScalar) continue;
    has_constant_[k] = true;
    if (program_.is_bool(k)) {
      target_.from_bool(program_.lane, static_cast<const uint8_t*>(desc.constant(k)), &constant_[k], 1);
    } else {
      std::memcpy(&constant_[k], desc.constant(k), static_cast<size_t>(lane_bytes_));
    }
  }

  choose_access();
  code_ = generate_chain(program_, access_, target_);
  estimate();
  lay_out_workspace();
  make_streaming_steps();
}

void ChainEvaluator::choose_access() {
  const bool broadcasts = std::any_of(layout_.inputs.begin(), layout_.inputs.end(),
                                      [](const ChainInput& input) { return input.kind == ChainInput::kBroadcast; });
  if (broadcasts) {
    // Starting a row, and its partial last tile, cost about as much as copying a thousand broadcast elements into
    // blocks.
    const int64_t inner = layout_.dims.back();
    by_rows_ = inner >= 16 * tile_;
  }
  for (int k = 0; k < program_.in_count; ++k) {
    const auto kind = layout_.inputs[k].kind;
    if (kind == ChainInput::kScalar || (by_rows_ && kind == ChainInput::kBroadcast && layout_.strides[k].back() == 0)) {
      access_.push_back(Access::kScalar);
    } else if (program_.is_bool(k) || (kind == ChainInput::kBroadcast && !by_rows_)) {
      access_.push_back(Access::kBlock);
    } else {
      access_.push_back(Access::kStream);
    }
    per_tile_ = per_tile_ || access_.back() == Access::kBlock;
  }
  for (const int id : program_.outputs) per_tile_ = per_tile_ || program_.is_bool(id);
}

void ChainEvaluator::estimate() {
  double bytes = 0;
  for (int k = 0; k < program_.in_count; ++k) {
    if (access_[k] != Access::kScalar) bytes += static_cast<double>(in_bytes_[k]);
  }
  for (const int64_t size : out_bytes_) bytes += static_cast<double>(size);
  double cost = 0;  // ns an element, per 4 bytes of lane, with vectors of 64 bytes
  for (const ChainInstruction& instruction : program_.instructions) {
    cost += formula::kFormulas[instruction.formula].cost == formula::Cost::kCostly ? 0.5 : 0.03;
  }
  const double width = 512.0 / target_.tile_bytes * static_cast<double>(lane_bytes_) / 4;
  element_ns_ = cost * width + bytes * 0.05;
  constexpr double kPartNs = 10000;  // shorter parts are not worth waking a thread
  grain_ = std::max<int64_t>(tile_, static_cast<int64_t>(kPartNs / std::max(element_ns_, 0.01)));
}

// Output j may take over input k when both are walked alike and, within a tile, every read of the input comes before
// the store. Inputs that are copied into a block first are always read in time, and so is everything when there is one
// element.
uint64_t ChainEvaluator::in_place(const OpDesc& desc, int j) const {
  uint64_t inputs = 0;
  for (int k = 0; k < desc.in_count(); ++k) {
    const bool same_walk = layout_.inputs[k].kind == ChainInput::kContiguous || layout_.count == 1;
    if (!same_walk || has_constant_[k] || desc.in(k).dtype != desc.out(j).dtype) continue;
    const bool in_time = access_[k] != Access::kStream || code_.last_read[k] < code_.stored_at[j];
    if (in_time) inputs |= uint64_t{1} << k;
  }
  return inputs;
}

// Pointer table, scalars, cursors, then tiles: those in constant use first, so that they are close together.
void ChainEvaluator::lay_out_workspace() {
  int64_t at = aligned_bytes(static_cast<int64_t>(sizeof(void*)) * code_.row_count);
  const auto take = [&](int64_t bytes) {
    const int64_t here = at;
    at += aligned_bytes(bytes);
    return here;
  };
  values_at_ = take(8 * program_.in_count);
  cursors_at_ = take(static_cast<int64_t>(sizeof(BroadcastCursor)) * program_.in_count);
  bytes_at_ = take(tile_);
  scratch_at_ = take(target_.tile_bytes);
  block_at_.assign(code_.row_count, -1);
  for (int row = code_.row_count - 1; row >= 0; --row) block_at_[row] = take(target_.tile_bytes);  // streams last
  thread_bytes_ = (at + 4095) / 4096 * 4096;  // no two threads on one page
}

// A store that misses the cache reads its line from memory first: a third of the traffic of y = f(x).
void ChainEvaluator::make_streaming_steps() {
  int64_t bytes = 0;
  for (int row = 0; row < code_.stream_count; ++row) bytes += layout_.count * lane_bytes_;
  if (by_rows_ || per_tile_ || bytes < kPastCacheBytes) return;
  streaming_steps_ = code_.steps;
  for (size_t j = 0; j < code_.stored_at.size(); ++j) {
    if (!code_.read_back[j]) streaming_steps_[code_.stored_at[j]].function = target_.store_past_cache(program_.lane);
  }
}

// Results in the buffer of an operand are in the cache already. Parts begin at whole tiles, so they keep the alignment.
bool ChainEvaluator::can_stream(const void* const* in, void* const* out) const {
  if (streaming_steps_.empty()) return false;
  for (size_t j = 0; j < out_bytes_.size(); ++j) {
    if (reinterpret_cast<uintptr_t>(out[j]) % kAlignment != 0) return false;
    for (int k = 0; k < program_.in_count; ++k) {
      if (in[k] == out[j]) return false;
    }
  }
  return true;
}

}  // namespace cotangent::cpu
