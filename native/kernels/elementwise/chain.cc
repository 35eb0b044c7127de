// chain: y_j = formulas(x_1, .., x_n), all results in one pass: every input is read once (broadcast ones from cache),
// every output written once, intermediate values stay in registers or in L1. Bits depend on the SIMD target only, not
// on threads.
#include "native/kernels/elementwise/chain.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "native/kernels/elementwise/broadcast.h"
#include "native/kernels/elementwise/chain_code.h"
#include "native/kernels/elementwise/chain_program.h"
#include "native/kernels/elementwise/formulas.h"

namespace cotangent {

int formula_row(const char* name) {
  for (int row = 0; row < formula::kFormulaCount; ++row) {
    if (std::string_view(name) == formula::kFormulas[row].name) return row;
  }
  return -1;
}

namespace cpu {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kPastCacheBytes = int64_t{32} << 20;  // read and written together: more than caches keep
int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

class ChainKernel : public Kernel {
 public:
  explicit ChainKernel(const OpDesc& desc);
  uint64_t workspace_bytes(int threads) const override { return static_cast<uint64_t>(thread_bytes_ * threads); }
  int pieces(int threads) const override { return pieces_by_time(threads, layout_.count / (tile_ * 64)); }
  ct_code run(const Launch& launch, ct_error* error) const override;

 private:
  class Worker;

  void choose_access();
  void estimate();
  void allow_in_place(const OpDesc& desc);
  void lay_out_workspace();
  void make_streaming_steps();
  bool can_stream(const Launch& launch) const;

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
  int64_t tile_ = 0;  // elements
  int64_t grain_ = 0;

  // A thread's part of the workspace: offsets in bytes.
  int64_t thread_bytes_ = 0;
  int64_t values_at_ = 0, cursors_at_ = 0, scratch_at_ = 0, bytes_at_ = 0;
  std::vector<int64_t> block_at_;  // by row of the pointer table; -1: needs none
};

ChainKernel::ChainKernel(const OpDesc& desc)
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
  allow_in_place(desc);
  lay_out_workspace();
  make_streaming_steps();
}

void ChainKernel::choose_access() {
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

void ChainKernel::estimate() {
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
  const double element_ns = cost * width + bytes * 0.05;
  estimated_ns = 50 + element_ns * static_cast<double>(layout_.count);
  constexpr double kPartNs = 10000;  // shorter parts are not worth waking a thread
  grain_ = std::max<int64_t>(tile_, static_cast<int64_t>(kPartNs / std::max(element_ns, 0.01)));
}

// Output j may take over input k when both are walked alike and, within a tile, every read of the input comes before
// the store. Inputs that are copied into a block first are always read in time, and so is everything when there is one
// element.
void ChainKernel::allow_in_place(const OpDesc& desc) {
  for (int j = 0; j < desc.out_count(); ++j) {
    for (int k = 0; k < desc.in_count(); ++k) {
      const bool same_walk = layout_.inputs[k].kind == ChainInput::kContiguous || layout_.count == 1;
      if (!same_walk || has_constant_[k] || desc.in(k).dtype != desc.out(j).dtype) continue;
      const bool in_time = access_[k] != Access::kStream || code_.last_read[k] < code_.stored_at[j];
      if (in_time) in_place[j] |= uint64_t{1} << k;
    }
  }
}

// Pointer table, scalars, cursors, then tiles: those in constant use first, so that they are close together.
void ChainKernel::lay_out_workspace() {
  int64_t at = aligned(static_cast<int64_t>(sizeof(void*)) * code_.row_count);
  const auto take = [&](int64_t bytes) {
    const int64_t here = at;
    at += aligned(bytes);
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
void ChainKernel::make_streaming_steps() {
  int64_t bytes = 0;
  for (int row = 0; row < code_.stream_count; ++row) bytes += layout_.count * lane_bytes_;
  if (by_rows_ || per_tile_ || bytes < kPastCacheBytes) return;
  streaming_steps_ = code_.steps;
  for (size_t j = 0; j < code_.stored_at.size(); ++j) {
    if (!code_.read_back[j]) streaming_steps_[code_.stored_at[j]].function = target_.store_past_cache(program_.lane);
  }
}

// Results in the buffer of an operand are in the cache already. Parts begin at whole tiles, so they keep the alignment.
bool ChainKernel::can_stream(const Launch& launch) const {
  if (streaming_steps_.empty()) return false;
  for (size_t j = 0; j < out_bytes_.size(); ++j) {
    if (reinterpret_cast<uintptr_t>(launch.out[j]) % kAlignment != 0) return false;
    for (int k = 0; k < program_.in_count; ++k) {
      if (launch.in[k] == launch.out[j]) return false;
    }
  }
  return true;
}

// One thread's walk over a range of elements.
class ChainKernel::Worker {
 public:
  Worker(const ChainKernel& kernel, const Launch& launch, char* memory, bool streaming)
      : kernel_(kernel),
        launch_(launch),
        steps_(streaming ? kernel.streaming_steps_.data() : kernel.code_.steps.data()),
        memory_(memory),
        rows_(reinterpret_cast<void**>(memory)),
        cursors_(reinterpret_cast<BroadcastCursor*>(memory + kernel.cursors_at_)),
        bytes_(reinterpret_cast<uint8_t*>(memory + kernel.bytes_at_)),
        lane_(kernel.program_.lane),
        state_{rows_, memory + kernel.scratch_at_, kernel.code_.stream_count, 0,
               streaming ? kernel.code_.stream_count - static_cast<int32_t>(kernel.out_bytes_.size()) : 0} {}

  void run(int64_t begin, int64_t end) {
    const ChainLayout& layout = kernel_.layout_;
    for (int row = kernel_.code_.stream_count; row < kernel_.code_.row_count; ++row) rows_[row] = block(row);
    for (int k = 0; k < kernel_.program_.in_count; ++k) {
      if (kernel_.access_[k] == Access::kScalar) set_scalar(k, 0);
      if (from_cursor(k)) cursors_[k].seek(layout.inputs[k], begin);
    }
    if (!kernel_.by_rows_) return segment(begin, end - begin, nullptr);

    const int64_t inner = layout.dims.back();
    for (int64_t at = begin; at < end;) {
      const int64_t column = at % inner;
      const int64_t length = std::min(inner - column, end - at);
      int64_t row_index[kMaxRank] = {};
      int64_t rest = at / inner;
      for (int d = static_cast<int>(layout.dims.size()) - 2; d >= 0; --d) {
        row_index[d] = rest % layout.dims[d];
        rest /= layout.dims[d];
      }
      row_index[layout.dims.size() - 1] = column;
      segment(at, length, row_index);
      at += length;
    }
  }

 private:
  void* block(int row) const { return memory_ + kernel_.block_at_[row]; }

  bool from_cursor(int k) const {
    return kernel_.access_[k] == Access::kBlock && kernel_.layout_.inputs[k].kind == ChainInput::kBroadcast &&
           !kernel_.by_rows_;
  }

  const char* input(int k, int64_t element) const {
    return static_cast<const char*>(launch_.in[k]) + element * kernel_.in_bytes_[k];
  }

  // bools and constants are read from a copy in the lane's type, everything else where it lies.
  void set_scalar(int k, int64_t element) {
    void*& row = rows_[kernel_.code_.input_rows[k]];
    void* const copy = memory_ + kernel_.values_at_ + 8 * k;
    if (kernel_.has_constant_[k]) {
      std::memcpy(copy, &kernel_.constant_[k], 8);
      row = copy;
    } else if (kernel_.program_.is_bool(k)) {
      kernel_.target_.from_bool(lane_, reinterpret_cast<const uint8_t*>(input(k, element)), copy, 1);
      row = copy;
    } else {
      row = const_cast<char*>(input(k, element));
    }
  }

  // Element of input k that goes with the first element of a segment: `at`, or, by rows, what the strides say.
  int64_t first_element(int k, int64_t at, const int64_t* row_index) const {
    if (!row_index) return at;
    int64_t element = 0;
    const std::vector<int64_t>& strides = kernel_.layout_.strides[k];
    for (size_t d = 0; d < strides.size(); ++d) element += strides[d] * row_index[d];
    return element;
  }

  // Elements [at, at + length), along which every input is contiguous, one element, or read by its cursor.
  void segment(int64_t at, int64_t length, const int64_t* row_index) {
    const ChainCode& code = kernel_.code_;
    for (int k = 0; k < kernel_.program_.in_count; ++k) {
      if (kernel_.access_[k] == Access::kStream) {
        rows_[code.input_rows[k]] = const_cast<char*>(input(k, first_element(k, at, row_index)));
      } else if (kernel_.access_[k] == Access::kScalar && row_index &&
                 kernel_.layout_.inputs[k].kind == ChainInput::kBroadcast) {
        set_scalar(k, first_element(k, at, row_index));
      }
    }
    for (size_t j = 0; j < code.output_rows.size(); ++j) {
      if (code.output_rows[j] >= code.stream_count) continue;
      rows_[code.output_rows[j]] = static_cast<char*>(launch_.out[j]) + at * kernel_.lane_bytes_;
    }

    const int64_t tile = kernel_.tile_;
    const int64_t whole = length / tile;
    state_.elements = static_cast<int32_t>(tile);
    if (!kernel_.per_tile_) {
      if (whole > 0) kernel_.target_.run(lane_, steps_, &state_, whole);
    } else {
      for (int64_t i = 0; i < whole; ++i) {
        fill_blocks(at, i * tile, tile, row_index);
        kernel_.target_.run(lane_, code.steps.data(), &state_, 1);
        drain_bools(at + i * tile, tile);
      }
    }
    if (length > whole * tile) partial(at, whole * tile, length - whole * tile, row_index);
  }

  void fill_blocks(int64_t at, int64_t done, int64_t count, const int64_t* row_index) {
    for (int k = 0; k < kernel_.program_.in_count; ++k) {
      if (kernel_.access_[k] != Access::kBlock) continue;
      void* const out = rows_[kernel_.code_.input_rows[k]];
      const ChainInput& shape = kernel_.layout_.inputs[k];
      const ChainTarget& target = kernel_.target_;
      if (!from_cursor(k)) {  // a contiguous bool
        const auto* in = reinterpret_cast<const uint8_t*>(input(k, first_element(k, at, row_index) + done));
        target.from_bool(lane_, in, out, count);
      } else if (kernel_.program_.is_bool(k)) {
        const auto fill = [](const uint8_t* value, uint8_t* to, int64_t n) {
          std::memset(to, *value, static_cast<size_t>(n));
        };
        cursors_[k].read(shape, launch_.in[k], bytes_, count, fill);
        target.from_bool(lane_, bytes_, out, count);
      } else if (kernel_.lane_bytes_ == 4) {
        const auto fill = [&](const uint32_t* value, uint32_t* to, int64_t n) { target.fill(4, value, to, n); };
        cursors_[k].read(shape, launch_.in[k], static_cast<uint32_t*>(out), count, fill);
      } else {
        const auto fill = [&](const uint64_t* value, uint64_t* to, int64_t n) { target.fill(8, value, to, n); };
        cursors_[k].read(shape, launch_.in[k], static_cast<uint64_t*>(out), count, fill);
      }
    }
  }

  void drain_bools(int64_t at, int64_t count) {
    const ChainCode& code = kernel_.code_;
    for (size_t j = 0; j < code.output_rows.size(); ++j) {
      if (code.output_rows[j] < code.stream_count) continue;
      kernel_.target_.to_bool(lane_, rows_[code.output_rows[j]], static_cast<uint8_t*>(launch_.out[j]) + at, count);
    }
  }

  // Less than a tile: streams go through blocks, so that nothing beyond their end is touched.
  void partial(int64_t at, int64_t done, int64_t count, const int64_t* row_index) {
    const ChainCode& code = kernel_.code_;
    const size_t bytes = static_cast<size_t>(count * kernel_.lane_bytes_);
    for (int k = 0; k < kernel_.program_.in_count; ++k) {
      if (kernel_.access_[k] != Access::kStream) continue;
      void*& row = rows_[code.input_rows[k]];
      char* const copy = static_cast<char*>(block(code.input_rows[k]));
      std::memcpy(copy, row, bytes);
      std::memset(copy + bytes, 0, static_cast<size_t>(kernel_.target_.tile_bytes) - bytes);
      row = copy;
    }
    for (const int row : code.output_rows) rows_[row] = block(row);
    fill_blocks(at, done, count, row_index);
    state_.elements = static_cast<int32_t>(count);
    // The rows of streams point at blocks now and must stay: the next segment sets them again.
    state_.advancing = 0;
    kernel_.target_.run(lane_, code.steps.data(), &state_, 1);
    state_.advancing = code.stream_count;
    for (size_t j = 0; j < code.output_rows.size(); ++j) {
      if (code.output_rows[j] >= code.stream_count) continue;
      std::memcpy(static_cast<char*>(launch_.out[j]) + (at + done) * kernel_.lane_bytes_, rows_[code.output_rows[j]],
                  bytes);
    }
    drain_bools(at + done, count);
  }

  const ChainKernel& kernel_;
  const Launch& launch_;
  const ChainStep* const steps_;
  char* const memory_;
  void** const rows_;
  BroadcastCursor* const cursors_;
  uint8_t* const bytes_;
  const int lane_;
  ChainState state_;
};

ct_code ChainKernel::run(const Launch& launch, ct_error*) const {
  if (layout_.count == 0) return CT_OK;
  const Piece piece(layout_.count, launch.piece, pieces(launch.parallel.threads()), tile_);
  const int64_t tiles = (piece.length() + tile_ - 1) / tile_;
  const int64_t wanted = std::max<int64_t>(1, piece.length() / grain_);
  const int parts = static_cast<int>(std::min<int64_t>(launch.parallel.threads(), wanted));
  const bool streaming = can_stream(launch);
  launch.parallel.parts(parts, [&](int part) {
    const int64_t begin = piece.begin + tiles * part / parts * tile_;
    const int64_t end = std::min(piece.end, piece.begin + tiles * (part + 1) / parts * tile_);
    if (begin >= end) return;
    Worker(*this, launch, static_cast<char*>(launch.workspace) + thread_bytes_ * part, streaming).run(begin, end);
  });
  return CT_OK;
}

}  // namespace

std::unique_ptr<Kernel> prepare_chain(const OpDesc& desc) { return std::make_unique<ChainKernel>(desc); }

void register_elementwise(Registry& registry) {
  registry.add("chain", prepare_chain);
  registry.add("cast", prepare_cast);
}

}  // namespace cpu
}  // namespace cotangent
