#include <algorithm>
#include <limits>
#include <string>

#include "native/backend/cuda/divisor.h"
#include "native/kernels/elementwise/chain_schedule.h"
#include "native/kernels/elementwise/chain_steps.h"

namespace cotangent::cuda {
namespace {

class Generator {
 public:
  Generator(const ChainProgram& program, const ChainLayout& layout, const std::vector<bool>& constants,
            bool whole_vectors)
      : program_(program),
        layout_(layout),
        constants_(constants),
        whole_vectors_(whole_vectors),
        slot_of_(program.dtypes.size(), kNoIndex),
        uses_(program.dtypes.size(), 0) {
    code_.last_read.assign(static_cast<size_t>(program.in_count), -1);
    code_.stored_at.assign(program.outputs.size(), -1);
    code_.wide = layout.count > std::numeric_limits<int32_t>::max();
  }

  ChainCode run() {
    const std::vector<int> order = schedule_chain(program_);
    for (const int i : order) {
      const ChainInstruction& instruction = program_.instructions[i];
      for (int k = 0; k < instruction.operand_count; ++k) ++uses_[instruction.operands[k]];
    }
    for (const int i : order) emit(i);
    for (size_t j = 0; j < program_.outputs.size(); ++j) {
      if (code_.stored_at[j] >= 0) continue;
      push(kLoad, {program_.outputs[j]});  // an output that is an input
      store_outputs(program_.outputs[j]);
    }
    return std::move(code_);
  }

 private:
  bool is_input(int id) const { return id < program_.in_count; }

  uint32_t source(int id) const {
    if (id == accumulator_) return kFromAccumulator;
    if (slot_of_[id] != kNoIndex) return kFromSlot;
    if (constants_[id]) return kFromConstant;
    if (layout_.inputs[id].kind == ChainInput::kScalar) return program_.is_bool(id) ? kFromScalarBool : kFromScalar;
    return kFromMemory;
  }

  // A step whose result is in the accumulator afterwards; the caller says which value that is.
  void push(uint32_t formula, const std::vector<int>& operands) {
    ChainWord word{formula, 0, 0, kNoIndex | kNoIndex << 16};
    std::vector<ChainWord> dims;
    for (size_t k = 0; k < operands.size(); ++k) {
      const int id = operands[k];
      const uint32_t from = source(id);
      const uint32_t index = from == kFromSlot ? slot_of_[id] : static_cast<uint32_t>(id) & 0xffff;
      word.x |= from << (8 + 4 * k);
      (k < 2 ? word.y : word.z) |= index << (k == 1 ? 16 : 0);
      if (is_input(id) && from >= kFromConstant) code_.last_read[id] = steps_;
      if (from == kFromMemory) dims = describe(id, word);
    }
    at_ = code_.words.size();
    code_.words.push_back(word);
    code_.words.insert(code_.words.end(), dims.begin(), dims.end());
    ++steps_;
  }

  // How array `id` is read: marks the step, returns the words of the dims.
  std::vector<ChainWord> describe(int id, ChainWord& word) const {
    const ChainInput& input = layout_.inputs[id];
    const int64_t width = kVectorBytes / program_.lane_bytes();
    word.x |= 1u << 30 | static_cast<uint32_t>(program_.is_bool(id)) << 28;
    word.z |= static_cast<uint32_t>(id) << 16;
    std::vector<ChainWord> dims;
    if (input.kind == ChainInput::kContiguous) return dims;  // kWalkContiguous is 0
    const int inner = input.rank - 1;
    bool by_rows = whole_vectors_ && input.dims[inner] % width == 0;
    if (input.strides[inner] == 1) {
      for (int d = 0; d < inner; ++d) by_rows = by_rows && input.strides[d] % width == 0;
    }
    word.x |= (by_rows ? input.strides[inner] == 1 ? kWalkRow : kWalkColumn : kWalkElements) << 20;
    word.x |= static_cast<uint32_t>(input.rank) << 24;
    for (int d = inner; d >= 0; --d) {
      const auto extent = static_cast<uint64_t>(input.dims[d]), stride = static_cast<uint64_t>(input.strides[d]);
      if (code_.wide) {
        dims.push_back({static_cast<uint32_t>(extent), static_cast<uint32_t>(extent >> 32),
                        static_cast<uint32_t>(stride), static_cast<uint32_t>(stride >> 32)});
      } else {
        const Divisor divisor(std::max<int64_t>(1, input.dims[d]));  // nothing is read of an empty array
        dims.push_back({divisor.value, divisor.magic, divisor.shift, static_cast<uint32_t>(stride)});
      }
    }
    return dims;
  }

  // Before the accumulator is overwritten: a value that is still wanted goes to a slot, in the step that computed it.
  void keep() {
    const int id = accumulator_;
    if (id < 0 || uses_[id] == 0 || slot_of_[id] != kNoIndex) return;
    if (free_slots_.empty()) free_slots_.push_back(static_cast<uint32_t>(code_.slot_count++));
    slot_of_[id] = free_slots_.back();
    free_slots_.pop_back();
    ChainWord& word = code_.words[at_];
    word.w = (word.w & 0xffff0000u) | slot_of_[id];
  }

  // `id` is read for the last time, or its slot is: inputs are where they were.
  void release(int id) {
    if (!is_input(id) && uses_[id] > 0) return;
    if (slot_of_[id] != kNoIndex) free_slots_.push_back(slot_of_[id]);
    slot_of_[id] = kNoIndex;
  }

  void emit(int i) {
    const ChainInstruction& instruction = program_.instructions[i];
    const std::vector<int> operands(instruction.operands, instruction.operands + instruction.operand_count);
    check(instruction);
    // One array at a time: the others are loaded first and stay in the accumulator or a slot until the formula runs.
    for (size_t k = 0; k < operands.size(); ++k) {
      const auto another = [&](int id) { return id != operands[k] && source(id) == kFromMemory; };
      if (source(operands[k]) != kFromMemory ||
          std::none_of(operands.begin() + static_cast<int>(k), operands.end(), another))
        continue;
      keep();
      push(kLoad, {operands[k]});
      accumulator_ = operands[k];
    }
    for (const int id : operands) --uses_[id];
    if (accumulator_ >= 0 && !is_input(accumulator_)) keep();
    push(static_cast<uint32_t>(instruction.formula), operands);
    for (const int id : operands) release(id);
    store_outputs(program_.in_count + i);
  }

  void check(const ChainInstruction& instruction) {
    const formula::FormulaInfo& info = formula::kFormulas[instruction.formula];
    code_.costly = code_.costly || info.cost == formula::Cost::kCostly;
    if (info.domain != formula::Domain::kFloat || program_.lane == kLaneFloat32 || program_.lane == kLaneFloat64)
      return;
    throw KernelError{CT_DTYPE, std::string("Expected a dtype that ") + info.name + " is defined for, received " +
                                    dtype_name(program_.lane) + "."};
  }

  // A step stores to one output.
  void store_outputs(int id) {
    bool stored = false;
    accumulator_ = id;
    for (size_t j = 0; j < program_.outputs.size(); ++j) {
      if (program_.outputs[j] != id) continue;
      if (stored) push(kLoad, {id});
      ChainWord& word = code_.words[at_];
      word.w = (word.w & 0xffff) | static_cast<uint32_t>(j) << 16;
      word.x |= static_cast<uint32_t>(program_.is_bool(id)) << 29;
      code_.stored_at[j] = steps_ - 1;
      stored = true;
    }
  }

  const ChainProgram& program_;
  const ChainLayout& layout_;
  const std::vector<bool>& constants_;
  const bool whole_vectors_;
  ChainCode code_;
  size_t at_ = 0;  // the last step's word
  int steps_ = 0;
  std::vector<uint32_t> slot_of_;  // by id
  std::vector<int> uses_;          // by id: reads still to come
  std::vector<uint32_t> free_slots_;
  int accumulator_ = -1;  // id of the value it holds
};

}  // namespace

ChainCode generate_chain(const ChainProgram& program, const ChainLayout& layout, const std::vector<bool>& constants,
                         bool whole_vectors) {
  return Generator(program, layout, constants, whole_vectors).run();
}

}  // namespace cotangent::cuda
