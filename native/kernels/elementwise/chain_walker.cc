// How one thread computes a range of a chain's elements: pointers, blocks and the partial tile at the end.
#include <algorithm>
#include <cstring>

#include "native/kernels/elementwise/chain_evaluator.h"

namespace cotangent::cpu {

ChainEvaluator::Walker::Walker(const ChainEvaluator& chain, const void* const* in, void* const* out, char* memory,
                               bool streaming)
    : chain_(chain),
      in_(in),
      out_(out),
      steps_(streaming ? chain.streaming_steps_.data() : chain.code_.steps.data()),
      memory_(memory),
      rows_(reinterpret_cast<void**>(memory)),
      cursors_(reinterpret_cast<BroadcastCursor*>(memory + chain.cursors_at_)),
      bytes_(reinterpret_cast<uint8_t*>(memory + chain.bytes_at_)),
      lane_(chain.program_.lane),
      state_{rows_, memory + chain.scratch_at_, chain.code_.stream_count, 0, 0} {
  if (streaming) fetch_ahead();
}

void ChainEvaluator::Walker::fetch_ahead() {
  const auto& access = chain_.access_;
  state_.ahead = static_cast<int32_t>(std::count(access.begin(), access.end(), Access::kStream));
}

void ChainEvaluator::Walker::run(int64_t begin, int64_t end) {
  const ChainLayout& layout = chain_.layout_;
  for (int row = chain_.code_.stream_count; row < chain_.code_.row_count; ++row) rows_[row] = block(row);
  for (int k = 0; k < chain_.program_.in_count; ++k) {
    if (chain_.access_[k] == Access::kScalar) set_scalar(k, 0);
    if (from_cursor(k)) cursors_[k].seek(layout.inputs[k], begin);
  }
  if (!chain_.by_rows_) return segment(begin, end - begin, nullptr);

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

// bools and constants are read from a copy in the lane's type, everything else where it lies.
void ChainEvaluator::Walker::set_scalar(int k, int64_t element) {
  void*& row = rows_[chain_.code_.input_rows[k]];
  void* const copy = memory_ + chain_.values_at_ + 8 * k;
  if (chain_.has_constant_[k]) {
    std::memcpy(copy, &chain_.constant_[k], 8);
    row = copy;
  } else if (chain_.program_.is_bool(k)) {
    chain_.target_.from_bool(lane_, reinterpret_cast<const uint8_t*>(input(k, element)), copy, 1);
    row = copy;
  } else {
    row = const_cast<char*>(input(k, element));
  }
}

// Element of input k that goes with the first element of a segment: `at`, or, by rows, what the strides say.
int64_t ChainEvaluator::Walker::first_element(int k, int64_t at, const int64_t* row_index) const {
  if (!row_index) return at;
  int64_t element = 0;
  const std::vector<int64_t>& strides = chain_.layout_.strides[k];
  for (size_t d = 0; d < strides.size(); ++d) element += strides[d] * row_index[d];
  return element;
}

// Elements [at, at + length), along which every input is contiguous, one element, or read by its cursor.
void ChainEvaluator::Walker::segment(int64_t at, int64_t length, const int64_t* row_index) {
  const ChainCode& code = chain_.code_;
  for (int k = 0; k < chain_.program_.in_count; ++k) {
    if (chain_.access_[k] == Access::kStream) {
      rows_[code.input_rows[k]] = const_cast<char*>(input(k, first_element(k, at, row_index)));
    } else if (chain_.access_[k] == Access::kScalar && row_index &&
               chain_.layout_.inputs[k].kind == ChainInput::kBroadcast) {
      set_scalar(k, first_element(k, at, row_index));
    }
  }
  for (size_t j = 0; j < code.output_rows.size(); ++j) {
    if (code.output_rows[j] >= code.stream_count) continue;
    rows_[code.output_rows[j]] = static_cast<char*>(out_[j]) + at * chain_.lane_bytes_;
  }

  const int64_t tile = chain_.tile_;
  const int64_t whole = length / tile;
  state_.elements = static_cast<int32_t>(tile);
  if (!chain_.per_tile_) {
    if (whole > 0) chain_.target_.run(lane_, steps_, &state_, whole);
  } else {
    for (int64_t i = 0; i < whole; ++i) {
      fill_blocks(at, i * tile, tile, row_index);
      chain_.target_.run(lane_, code.steps.data(), &state_, 1);
      drain_bools(at + i * tile, tile);
    }
  }
  if (length > whole * tile) partial(at, whole * tile, length - whole * tile, row_index);
}

void ChainEvaluator::Walker::fill_blocks(int64_t at, int64_t done, int64_t count, const int64_t* row_index) {
  for (int k = 0; k < chain_.program_.in_count; ++k) {
    if (chain_.access_[k] != Access::kBlock) continue;
    void* const out = rows_[chain_.code_.input_rows[k]];
    const ChainInput& shape = chain_.layout_.inputs[k];
    const ChainTarget& target = chain_.target_;
    if (!from_cursor(k)) {  // a contiguous bool
      const auto* in = reinterpret_cast<const uint8_t*>(input(k, first_element(k, at, row_index) + done));
      target.from_bool(lane_, in, out, count);
    } else if (chain_.program_.is_bool(k)) {
      const auto fill = [](const uint8_t* value, uint8_t* to, int64_t n) {
        std::memset(to, *value, static_cast<size_t>(n));
      };
      cursors_[k].read(shape, in_[k], bytes_, count, fill);
      target.from_bool(lane_, bytes_, out, count);
    } else if (chain_.lane_bytes_ == 4) {
      const auto fill = [&](const uint32_t* value, uint32_t* to, int64_t n) { target.fill(4, value, to, n); };
      cursors_[k].read(shape, in_[k], static_cast<uint32_t*>(out), count, fill);
    } else {
      const auto fill = [&](const uint64_t* value, uint64_t* to, int64_t n) { target.fill(8, value, to, n); };
      cursors_[k].read(shape, in_[k], static_cast<uint64_t*>(out), count, fill);
    }
  }
}

void ChainEvaluator::Walker::drain_bools(int64_t at, int64_t count) {
  const ChainCode& code = chain_.code_;
  for (size_t j = 0; j < code.output_rows.size(); ++j) {
    if (code.output_rows[j] < code.stream_count) continue;
    chain_.target_.to_bool(lane_, rows_[code.output_rows[j]], static_cast<uint8_t*>(out_[j]) + at, count);
  }
}

// Less than a tile: streams go through blocks, so that nothing beyond their end is touched.
void ChainEvaluator::Walker::partial(int64_t at, int64_t done, int64_t count, const int64_t* row_index) {
  const ChainCode& code = chain_.code_;
  const size_t bytes = static_cast<size_t>(count * chain_.lane_bytes_);
  for (int k = 0; k < chain_.program_.in_count; ++k) {
    if (chain_.access_[k] != Access::kStream) continue;
    void*& row = rows_[code.input_rows[k]];
    char* const copy = static_cast<char*>(block(code.input_rows[k]));
    std::memcpy(copy, row, bytes);
    std::memset(copy + bytes, 0, static_cast<size_t>(chain_.target_.tile_bytes) - bytes);
    row = copy;
  }
  for (const int row : code.output_rows) rows_[row] = block(row);
  fill_blocks(at, done, count, row_index);
  state_.elements = static_cast<int32_t>(count);
  // The rows of streams point at blocks now and must stay: the next segment sets them again.
  state_.advancing = 0;
  chain_.target_.run(lane_, code.steps.data(), &state_, 1);
  state_.advancing = code.stream_count;
  for (size_t j = 0; j < code.output_rows.size(); ++j) {
    if (code.output_rows[j] >= code.stream_count) continue;
    std::memcpy(static_cast<char*>(out_[j]) + (at + done) * chain_.lane_bytes_, rows_[code.output_rows[j]], bytes);
  }
  drain_bools(at + done, count);
}

}  // namespace cotangent::cpu
