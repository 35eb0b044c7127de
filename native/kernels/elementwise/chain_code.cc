#include "native/kernels/elementwise/chain_code.h"

#include <algorithm>
#include <string>

#include "native/kernels/elementwise/chain_schedule.h"
#include "native/kernels/elementwise/formulas.h"

namespace cotangent::cpu {
namespace {

class Generator {
 public:
  Generator(const ChainProgram& program, const std::vector<Access>& access, const ChainTarget& target)
      : program_(program),
        access_(access),
        target_(target),
        row_of_(program.dtypes.size(), -1),
        uses_(program.dtypes.size(), 0) {}

  ChainCode run() {
    assign_rows();
    const std::vector<int> order = schedule_chain(program_);
    code_.instruction_count = static_cast<int>(order.size());
    for (const int i : order) {
      const ChainInstruction& instruction = program_.instructions[i];
      for (int k = 0; k < instruction.operand_count; ++k) ++uses_[instruction.operands[k]];
    }
    for (const int i : order) emit(i);
    for (size_t j = 0; j < program_.outputs.size(); ++j) {
      if (code_.stored_at[j] >= 0) continue;
      emit_load(program_.outputs[j]);  // an output that is an input
      emit_store(static_cast<int>(j));
    }
    push(target_.stop(program_.lane), 0, 0);
    return std::move(code_);
  }

 private:
  void assign_rows() {
    code_.last_read.assign(program_.in_count, -1);
    code_.stored_at.assign(program_.outputs.size(), -1);
    code_.read_back.assign(program_.outputs.size(), false);
    code_.input_rows.assign(program_.in_count, -1);
    code_.output_rows.assign(program_.outputs.size(), -1);
    int row = 0;
    for (int k = 0; k < program_.in_count; ++k) {
      if (access_[k] == Access::kStream) code_.input_rows[k] = row++;
    }
    for (size_t j = 0; j < program_.outputs.size(); ++j) {
      if (!program_.is_bool(program_.outputs[j])) code_.output_rows[j] = row++;
    }
    code_.stream_count = row;
    for (int& assigned : code_.input_rows) assigned = assigned < 0 ? row++ : assigned;
    for (int& assigned : code_.output_rows) assigned = assigned < 0 ? row++ : assigned;
    code_.first_slot = code_.row_count = row;
    for (int k = 0; k < program_.in_count; ++k) row_of_[k] = code_.input_rows[k];
  }

  void push(ChainFunction function, int a, int b) {
    code_.steps.push_back({function, static_cast<uint32_t>(a), static_cast<uint32_t>(b)});
  }

  bool is_scalar(int id) const { return id < program_.in_count && access_[id] == Access::kScalar; }

  // The row to read value `id` from, in the step about to be pushed.
  int read(int id) {
    if (id < program_.in_count) code_.last_read[id] = static_cast<int>(code_.steps.size());
    return row_of_[id];
  }

  void emit_load(int id) {
    const int row = read(id);
    push(target_.load(program_.lane, is_scalar(id)), row, 0);
    accumulator_ = id;
  }

  void emit_store(int output) {
    code_.stored_at[output] = static_cast<int>(code_.steps.size());
    code_.read_back[output] = uses_[program_.outputs[output]] > 0;
    push(target_.store(program_.lane), code_.output_rows[output], 0);
  }

  // Before the accumulator is overwritten: a value that is still wanted goes to a slot.
  void spill() {
    const int id = accumulator_;
    if (id < program_.in_count || row_of_[id] >= 0 || uses_[id] == 0) return;  // -1, an input, in memory, or dead
    if (free_slots_.empty()) {
      row_of_[id] = code_.row_count++;
    } else {
      row_of_[id] = free_slots_.back();
      free_slots_.pop_back();
    }
    push(target_.store(program_.lane), row_of_[id], 0);
  }

  void release(int id) {
    --uses_[id];
    if (uses_[id] == 0 && row_of_[id] >= code_.first_slot) free_slots_.push_back(row_of_[id]);
  }

  void emit(int i) {
    const ChainInstruction& instruction = program_.instructions[i];
    const int* operands = instruction.operands;
    const int count = instruction.operand_count;
    int position = static_cast<int>(std::find(operands, operands + count, accumulator_) - operands);
    if (position < count && accumulator_ >= program_.in_count) {
      --uses_[accumulator_];
      spill();
      ++uses_[accumulator_];
    } else {
      spill();
      position = 0;
      while (position + 1 < count && is_scalar(operands[position])) ++position;
      emit_load(operands[position]);
    }

    int rows[2] = {0, 0};
    unsigned scalars = 0;
    int other = 0;
    for (int k = 0; k < count; ++k) {
      if (k == position) continue;
      rows[other] = read(operands[k]);
      if (is_scalar(operands[k])) scalars |= 1u << other;
      ++other;
    }
    const ChainFunction function = target_.apply(program_.lane, instruction.formula, position, scalars);
    if (!function) {
      throw KernelError{CT_DTYPE, std::string("Expected a dtype that ") + formula::kFormulas[instruction.formula].name +
                                      " is defined for, received " + dtype_name(program_.lane) + "."};
    }
    push(function, rows[0], rows[1]);
    for (int k = 0; k < count; ++k) release(operands[k]);

    const int id = program_.in_count + i;
    accumulator_ = id;
    for (size_t j = 0; j < program_.outputs.size(); ++j) {
      if (program_.outputs[j] != id) continue;
      emit_store(static_cast<int>(j));
      row_of_[id] = code_.output_rows[j];
    }
  }

  const ChainProgram& program_;
  const std::vector<Access>& access_;
  const ChainTarget& target_;
  ChainCode code_;
  std::vector<int> row_of_;  // by id: where the value is in memory, or -1
  std::vector<int> uses_;    // by id: reads still to come
  std::vector<int> free_slots_;
  int accumulator_ = -1;  // id of the value it holds
};

}  // namespace

ChainCode generate_chain(const ChainProgram& program, const std::vector<Access>& access, const ChainTarget& target) {
  return Generator(program, access, target).run();
}

}  // namespace cotangent::cpu
