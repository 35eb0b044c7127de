// The decoded Program: a tree of SSA equation lists. Passes rewrite it in place; the plan is made from what is left.
#ifndef COTANGENT_CORE_PROGRAM_H
#define COTANGENT_CORE_PROGRAM_H

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "native/core/types.h"

namespace cotangent {

enum class Kind : uint8_t {
  kKernel,
  kFormula,    // a row of the formula table; fusion turns it into a `chain` kernel
  kBroadcast,  // a kernel that fusion may absorb
  kReshape,    // gone after the alias pass
  kCheck,
  kEmit,
  kClock,
  kWhile,
  kScan,
  kCond,
};

inline bool is_control(Kind kind) { return kind == Kind::kWhile || kind == Kind::kScan || kind == Kind::kCond; }

struct Equation;

struct Program {
  std::vector<Type> types;  // of every value
  int input_count = 0;
  std::vector<bool> donated;        // per input
  std::map<int, double> constants;  // values known while compiling, rank 0
  std::vector<Equation> equations;
  std::vector<int> outputs;  // -1 after dead-code elimination: nobody reads this output of a sub-program

  std::vector<int> root;          // per value: the value whose storage it shares; itself, if it has its own
  std::vector<bool> used_inputs;  // set by dead-code elimination

  bool is_input(int value) const { return value < input_count; }
  bool is_constant(int value) const { return constants.count(value) != 0; }

  int add_value(const Type& type) {
    types.push_back(type);
    root.push_back(static_cast<int>(root.size()));
    return static_cast<int>(types.size()) - 1;
  }
};

struct Equation {
  Kind kind = Kind::kKernel;
  std::string name;
  int formula = -1;
  std::vector<int> in;  // -1 after dead-code elimination: an operand that no sub-program reads
  std::vector<int> out;
  std::vector<double> params;
  std::vector<Program> subs;        // while: condition, body; scan: body; cond: on true, on false
  std::vector<std::string> labels;  // check: primitive to blame; emit: tag, then a name per scalar; chain: its formulas
  std::vector<int> fails;           // check: outputs of the main program that depend on the result
  std::vector<Type> in_types;       // chain: operands and results as the kernel sees them; empty: the values' own types
  std::vector<Type> out_types;
  bool dropped = false;  // replaced by an alias or a constant; dead-code elimination removes it
};

// Where the operands of a loop are.
struct LoopLayout {
  int condition_constants;  // while only
  int constants;            // of the body
  int carries;
  int xs;  // scan only
  int ys;
  int64_t length;  // scan; -1: while
  int64_t ahead;   // while: iterations from one reading of the condition to the next, at most
  bool reverse;

  int first_constant() const { return condition_constants; }
  int first_carry() const { return condition_constants + constants; }
  int first_xs() const { return first_carry() + carries; }
};

LoopLayout loop_layout(const Equation& equation);
inline const Program& loop_body(const Equation& loop) { return loop.subs.back(); }
inline Program& loop_body(Equation& loop) { return loop.subs.back(); }

// True when running the equation matters beyond its results.
bool has_effect(const Equation& equation);

// `formula` is the backend's lookup. Throws Error: nothing in `words` is trusted.
Program decode(const double* words, size_t count, const std::vector<std::string>& names,
               int32_t (*formula)(const char*));

// One equation a line, sub-programs indented.
std::string describe(const Program& program);

}  // namespace cotangent

#endif
