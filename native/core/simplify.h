// What equations with operands known while compiling come to: constants are computed, and equations that give back an
// operand, bit for bit, are left out.
#ifndef COTANGENT_CORE_SIMPLIFY_H
#define COTANGENT_CORE_SIMPLIFY_H

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "native/core/passes.h"
#include "native/core/program.h"

namespace cotangent {

class Simplifier {
 public:
  // With an empty `evaluate` equations stay as they are.
  Simplifier(Program& program, const Evaluate& evaluate) : program_(program), evaluate_(evaluate) {}

  // Constants of equal dtype and bits become one.
  void unite_constants();
  // The value of rank 0 that holds `number`.
  int constant(int32_t dtype, double number);

  // Looks at a formula, cast, broadcast or movement, equations before it having been seen. Either gives a value that
  // the result is stored as (then the equation is to be dropped), or may rewrite the equation, a broadcast of a
  // constant being what an array of equal elements is kept as.
  std::optional<int> visit(Equation& equation);

  // Remembers how the equation computes its result, for those that read it.
  void record(const Equation& equation);

 private:
  const Type& type(int value) const { return program_.types[value]; }
  // The constant that all elements of `value` equal, or -1.
  int uniform(int value) const;
  std::optional<double> number(int value) const;  // of `uniform`

  std::optional<int> become(Equation& equation, int scalar);  // all elements of the result are that constant
  std::optional<int> forward(Equation& equation, int value);  // the result equals `value`, or all of it does
  std::optional<int> fold(Equation& equation);
  std::optional<int> identity(Equation& equation);
  std::optional<int> twice(Equation& equation);  // an involution of an involution
  std::optional<int> cast(Equation& equation);

  Program& program_;
  const Evaluate& evaluate_;
  std::map<std::pair<int32_t, int64_t>, int> known_;        // dtype and bits -> constant
  std::map<int, int> uniform_;                              // stored array -> constant
  std::map<int, std::pair<std::string, int>> involutions_;  // stored result -> formula, operand
  std::map<int, int> widened_;                              // result of a cast that loses nothing -> its operand
};

}  // namespace cotangent

#endif
