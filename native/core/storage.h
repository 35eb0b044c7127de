// Where the values of one program live: in the arena, in an input's buffer, in an output's buffer. Values that follow
// one another in place share one location.
#ifndef COTANGENT_CORE_STORAGE_H
#define COTANGENT_CORE_STORAGE_H

#include <cstdint>
#include <vector>

#include "native/core/program.h"

namespace cotangent {

// What a program's caller allows.
struct StorageRules {
  std::vector<bool> overwritable;  // per input: its buffer may be overwritten once the input is dead
  std::vector<int> partner;        // per input: the output that may stay in its buffer; -1: none
  bool any_partner = false;        // main program: any output of the same size may take an overwritable input's buffer
};

struct Location {
  int input = -1;   // its buffer, or
  int output = -1;  // this one's (with an input: the output stays in the input's buffer), or the arena when both are -1
  int begin = 0;    // first equation that needs it
  int end = 0;      // last one; the number of equations: to the end
  uint64_t bytes = 0;
  std::vector<int> values;

  bool in_arena() const { return input < 0 && output < 0; }
};

struct Storage {
  std::vector<Location> locations;
  std::vector<int> location;        // per storage (root value); -1: a constant, or never computed
  std::vector<int> direct;          // per output: the value computed straight into it, or -1
  std::vector<int> input_location;  // per input
};

// in_place[e][j]: bit k is set when result j of equation e may take the buffer of operand k. For loops operands are
// beyond 64: carry_offset[e] >= 0 says instead that result j may take the buffer of operand carry_offset[e] + j, for j
// < carries[e].
struct InPlace {
  std::vector<std::vector<uint64_t>> masks;
  std::vector<int> carry_offset;
  std::vector<int> carries;
};

Storage assign_storage(const Program& program, const InPlace& in_place, const StorageRules& rules);

}  // namespace cotangent

#endif
