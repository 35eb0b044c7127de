#include "native/core/storage.h"

#include <algorithm>

namespace cotangent {
namespace {

class Assigner {
 public:
  Assigner(const Program& program, const InPlace& in_place, const StorageRules& rules)
      : program_(program), in_place_(in_place), rules_(rules), end_(static_cast<int>(program.equations.size())) {}

  Storage run() {
    find_lifetimes();
    choose_direct_outputs();
    place_inputs();
    for (int e = 0; e < end_; ++e) place_results(e);
    if (rules_.any_partner) hand_over_dead_inputs();
    return std::move(storage_);
  }

 private:
  uint64_t bytes(int value) const { return static_cast<uint64_t>(byte_count(program_.types[value])); }
  bool computed(int value) const { return !program_.is_input(value) && !program_.is_constant(value); }

  void find_lifetimes() {
    last_use_.assign(program_.types.size(), -1);
    for (int e = 0; e < end_; ++e) {
      for (const int value : operands(program_.equations[e])) last_use_[value] = e;
    }
    for (const int value : program_.outputs) {
      if (value >= 0) last_use_[program_.root[value]] = end_;
    }
  }

  // Storages that the equation reads; a check reads only its info.
  std::vector<int> operands(const Equation& equation) const {
    std::vector<int> values;
    for (size_t k = equation.kind == Kind::kCheck ? 1 : 0; k < equation.in.size(); ++k) {
      if (equation.in[k] >= 0) values.push_back(program_.root[equation.in[k]]);
    }
    return values;
  }

  void choose_direct_outputs() {
    storage_.location.assign(program_.types.size(), -1);
    output_of_.assign(program_.types.size(), -1);
    for (size_t j = 0; j < program_.outputs.size(); ++j) {
      const int value = program_.outputs[j] < 0 ? -1 : program_.root[program_.outputs[j]];
      const bool direct = value >= 0 && computed(value) && output_of_[value] < 0;
      if (direct) output_of_[value] = static_cast<int>(j);
      storage_.direct.push_back(direct ? value : -1);
    }
  }

  int add(Location location) {
    storage_.locations.push_back(std::move(location));
    const int id = static_cast<int>(storage_.locations.size()) - 1;
    for (const int value : storage_.locations[id].values) storage_.location[value] = id;
    return id;
  }

  void place_inputs() {
    for (int k = 0; k < program_.input_count; ++k) {
      Location location;
      location.input = k;
      location.begin = -1;
      location.end = last_use_[k];
      location.bytes = bytes(k);
      location.values = {k};
      storage_.input_location.push_back(add(std::move(location)));
      if (program_.is_constant(k)) storage_.location[k] = -1;
    }
  }

  void place_results(int e) {
    const Equation& equation = program_.equations[e];
    for (size_t j = 0; j < equation.out.size(); ++j) {
      const int value = equation.out[j];
      if (program_.root[value] != value) continue;
      if (is_control(equation.kind) && equation.subs.back().outputs[j] < 0) continue;  // nobody reads it
      const int shared = find_in_place(e, j);
      if (shared >= 0) {
        Location& location = storage_.locations[shared];
        location.values.push_back(value);
        location.end = std::max(e, last_use_[value]);
        if (output_of_[value] >= 0) location.output = output_of_[value];
        storage_.location[value] = shared;
        continue;
      }
      Location location;
      location.output = output_of_[value];
      location.begin = e;
      location.end = std::max(e, last_use_[value]);
      location.bytes = bytes(value);
      location.values = {value};
      add(std::move(location));
    }
  }

  // The location of an operand that dies at equation e and whose buffer result j may take; -1 if there is none.
  int find_in_place(int e, size_t j) const {
    const Equation& equation = program_.equations[e];
    const auto allowed = [&](size_t k) {
      const int offset = in_place_.carry_offset[e];
      if (offset >= 0) return static_cast<int>(j) < in_place_.carries[e] && k == static_cast<size_t>(offset) + j;
      return k < 64 && j < in_place_.masks[e].size() && (in_place_.masks[e][j] >> k & 1) != 0;
    };
    for (size_t k = 0; k < equation.in.size(); ++k) {
      if (equation.in[k] < 0 || !allowed(k)) continue;
      const int operand = program_.root[equation.in[k]];
      if (last_use_[operand] != e || storage_.location[operand] < 0) continue;
      bool elsewhere = false;
      for (size_t other = 0; other < equation.in.size(); ++other) {
        elsewhere =
            elsewhere || (equation.in[other] >= 0 && program_.root[equation.in[other]] == operand && !allowed(other));
      }
      if (elsewhere) continue;
      const Location& location = storage_.locations[storage_.location[operand]];
      if (location.values.back() != operand) continue;  // another result of this equation has taken it
      if (location.bytes == bytes(equation.out[j]) && compatible(location, output_of_[equation.out[j]])) {
        return storage_.location[operand];
      }
    }
    return -1;
  }

  bool compatible(const Location& location, int output) const {
    if (location.output >= 0) return false;  // an output's final value is in there
    if (location.input < 0) return true;     // in the arena: it moves into the output's buffer, if there is one
    if (!rules_.overwritable[location.input]) return false;
    return output < 0 || may_stay(location.input, output);
  }

  bool may_stay(int input, int output) const { return rules_.any_partner || rules_.partner[input] == output; }

  // Outputs computed after a donated input is dead take its buffer, whatever the kernel.
  void hand_over_dead_inputs() {
    for (const int from : storage_.input_location) {
      if (!rules_.overwritable[storage_.locations[from].input] || storage_.locations[from].output >= 0) continue;
      for (Location& to : storage_.locations) {
        Location& source = storage_.locations[from];
        if (to.output < 0 || to.input >= 0 || to.bytes != source.bytes || to.begin <= source.end) continue;
        to.input = source.input;
        storage_.input_location[source.input] = static_cast<int>(&to - storage_.locations.data());
        // Earlier values of the input's buffer now belong to the output's location.
        for (const int value : source.values) storage_.location[value] = storage_.input_location[source.input];
        to.begin = source.begin;
        to.values.insert(to.values.begin(), source.values.begin(), source.values.end());
        source.values.clear();
        break;
      }
    }
  }

  const Program& program_;
  const InPlace& in_place_;
  const StorageRules& rules_;
  const int end_;
  Storage storage_;
  std::vector<int> last_use_;
  std::vector<int> output_of_;  // storage -> the output that it is computed into
};

}  // namespace

Storage assign_storage(const Program& program, const InPlace& in_place, const StorageRules& rules) {
  return Assigner(program, in_place, rules).run();
}

}  // namespace cotangent
