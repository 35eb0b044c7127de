// Bools as numbers, computed wherever they are read: they take a byte an element in memory, the numbers four or eight.
#include <algorithm>
#include <map>

#include "native/core/fusion.h"

namespace cotangent {
namespace {

// A choice between two constants.
bool is_cast(const Program& program, const Equation& equation) {
  if (equation.kind != Kind::kFormula || equation.name != "select" || equation.in.size() != 3) return false;
  const auto scalar = [&](int value) { return program.is_constant(program.root[value]); };
  return program.types[equation.out[0]].dtype != CT_BOOL && scalar(equation.in[1]) && scalar(equation.in[2]);
}

}  // namespace

void repeat_casts(Program& program) {
  for (Equation& equation : program.equations) {
    for (Program& sub : equation.subs) repeat_casts(sub);
  }
  std::vector<int> uses(program.types.size(), 0);  // by stored value, those still to come
  for (const int value : program.outputs) {
    if (value >= 0) ++uses[program.root[value]];
  }
  for (const Equation& equation : program.equations) {
    for (const int value : equation.in) {
      if (value >= 0) ++uses[program.root[value]];
    }
  }
  std::vector<Equation> equations;
  std::map<int, Equation> casts;  // by stored result
  for (Equation& equation : program.equations) {
    if (is_cast(program, equation)) {
      casts.emplace(equation.out[0], equation);
    } else if (equation.kind == Kind::kFormula) {
      for (const int value : std::vector<int>(equation.in)) {
        const auto cast = casts.find(value);
        const auto count = static_cast<int>(std::count(equation.in.begin(), equation.in.end(), value));
        if (cast == casts.end() || count == 0 || uses[value] == count) continue;  // the last one reads the original
        Equation copy = cast->second;
        copy.out[0] = program.add_value(program.types[value]);
        std::replace(equation.in.begin(), equation.in.end(), value, copy.out[0]);
        uses[value] -= count;
        equations.push_back(std::move(copy));
      }
    }
    equations.push_back(std::move(equation));
  }
  program.equations = std::move(equations);
}

}  // namespace cotangent
