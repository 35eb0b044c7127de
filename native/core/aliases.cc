// Alias analysis, constants and common subexpressions, in one walk: all end in "this value is stored where that one
// is".
#include <map>
#include <tuple>

#include "native/core/bits.h"
#include "native/core/passes.h"
#include "native/core/simplify.h"

namespace cotangent {
namespace {

// What makes two equations compute the same: name, params, operands (storage and type), result types.
using Signature = std::vector<int64_t>;

void append(Signature& signature, const Type& type) {
  signature.push_back(type.dtype);
  signature.push_back(type.rank);
  signature.insert(signature.end(), type.dims, type.dims + type.rank);
}

class AliasPass {
 public:
  AliasPass(Program& program, const PassOptions& options)
      : program_(program), options_(options), simplifier_(program, options.evaluate) {}

  void run() {
    simplifier_.unite_constants();
    for (Equation& equation : program_.equations) visit(equation);
  }

 private:
  int root(int value) const { return program_.root[value]; }
  const Type& type(int value) const { return program_.types[value]; }

  void alias(Equation& equation, int value) {
    program_.root[equation.out[0]] = root(value);
    equation.dropped = true;
  }

  void visit(Equation& equation) {
    if (const auto value = simplifier_.visit(equation)) return alias(equation, *value);
    simplifier_.record(equation);
    switch (equation.kind) {
      case Kind::kReshape:
        return alias(equation, equation.in[0]);
      case Kind::kCheck:  // stays for its effect
        program_.root[equation.out[0]] = root(equation.in[0]);
        return;
      case Kind::kBroadcast:
        if (element_count(type(equation.in[0])) == element_count(type(equation.out[0])))
          return alias(equation, equation.in[0]);
        break;
      case Kind::kKernel:
        if (equation.name == "transpose" && moves_nothing(equation)) return alias(equation, equation.in[0]);
        if (equation.name == "cast" && equation.in.size() == 1 && visit_cast(equation)) return;
        break;
      case Kind::kEmit:
      case Kind::kClock:
        return;
      case Kind::kWhile:
      case Kind::kScan:
      case Kind::kCond:
        return visit_control(equation);
      case Kind::kFormula:
        break;
    }
    share(equation);
  }

  // A transpose that only moves dimensions of 1.
  bool moves_nothing(const Equation& equation) const {
    if (equation.in.size() != 1 || equation.out.size() != 1) return false;
    const Type& in = type(equation.in[0]);
    const Type& out = type(equation.out[0]);
    if (in.rank != out.rank || in.dtype != out.dtype || equation.params.size() != static_cast<size_t>(in.rank))
      return false;
    double previous = -1;
    unsigned seen = 0;
    for (int32_t k = 0; k < out.rank; ++k) {
      const double axis = equation.params[k];
      if (!(axis >= 0 && axis < in.rank) || axis != static_cast<int32_t>(axis)) return false;
      const int32_t from = static_cast<int32_t>(axis);
      if (in.dims[from] != out.dims[k] || (seen >> from & 1)) return false;
      seen |= 1u << from;
      if (out.dims[k] == 1) continue;
      if (axis < previous) return false;
      previous = axis;
    }
    return true;
  }

  // True when nothing is left to do.
  bool visit_cast(Equation& equation) {
    const int value = equation.in[0], result = equation.out[0];
    const int32_t from = type(value).dtype, to = type(result).dtype;
    if (element_count(type(value)) != element_count(type(result)) || type(value).rank != type(result).rank)
      return false;
    if (from == to) {
      alias(equation, value);
      return true;
    }
    if (from != CT_BOOL && to != CT_BOOL) return false;
    // Bools ride along in chains of any lane, so the conversion can be fused when it is written as formulas.
    const char* name = to == CT_BOOL ? "ne" : "select";
    const int row = options_.formula(name);
    if (row < 0) return false;
    equation.kind = Kind::kFormula;
    equation.name = name;
    equation.formula = row;
    equation.params.clear();
    equation.in = to == CT_BOOL ? std::vector<int>{value, simplifier_.constant(from, 0)}
                                : std::vector<int>{value, simplifier_.constant(to, 1), simplifier_.constant(to, 0)};
    return false;
  }

  void share(Equation& equation) {
    if (equation.out.empty()) return;
    Signature signature{static_cast<int64_t>(equation.in.size()), static_cast<int64_t>(equation.params.size())};
    for (const int value : equation.in) {
      signature.push_back(root(value));
      append(signature, type(value));
    }
    for (const double param : equation.params) signature.push_back(bits(param));
    for (const int value : equation.out) append(signature, type(value));
    const auto [entry, fresh] = computed_.try_emplace({equation.name, std::move(signature)}, &equation);
    if (fresh) return;
    const Equation& first = *entry->second;
    for (size_t k = 0; k < equation.out.size(); ++k) program_.root[equation.out[k]] = root(first.out[k]);
    equation.dropped = true;
  }

  void visit_control(Equation& equation) {
    if (equation.kind == Kind::kCond) {
      for (Program& sub : equation.subs) {
        for (int k = 0; k < sub.input_count; ++k) hand_down(equation.in[k + 1], sub, k);
        AliasPass(sub, options_).run();
      }
      return;
    }
    const LoopLayout layout = loop_layout(equation);
    Program& body = loop_body(equation);
    for (int k = 0; k < layout.constants; ++k) hand_down(equation.in[layout.first_constant() + k], body, k);
    for (int k = 0; k < layout.carries; ++k) {
      const int input = layout.constants + k;
      if (body.outputs[k] == input) hand_down(equation.in[layout.first_carry() + k], body, input);
    }
    AliasPass(body, options_).run();
    for (int k = 0; k < layout.carries; ++k) {
      const int carry = equation.in[layout.first_carry() + k];
      const int input = layout.constants + k;
      if (body.outputs[k] != input && body.root[body.outputs[k]] != input) continue;
      program_.root[equation.out[k]] = root(carry);
      if (equation.kind == Kind::kWhile) hand_down(carry, equation.subs[0], layout.condition_constants + k);
    }
    if (equation.kind == Kind::kWhile) {
      for (int k = 0; k < layout.condition_constants; ++k) hand_down(equation.in[k], equation.subs[0], k);
      AliasPass(equation.subs[0], options_).run();
    }
  }

  void hand_down(int value, Program& sub, int input) const {
    const auto constant = program_.constants.find(root(value));
    if (constant != program_.constants.end() && sub.types[input].rank == 0) sub.constants[input] = constant->second;
  }

  Program& program_;
  const PassOptions& options_;
  Simplifier simplifier_;
  std::map<std::pair<std::string, Signature>, Equation*> computed_;
};

}  // namespace

void resolve_aliases(Program& program, const PassOptions& options) { AliasPass(program, options).run(); }

}  // namespace cotangent
