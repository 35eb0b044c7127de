// Reads the flat encoding (docs/architecture.md) into a tree of Programs. Everything that memory safety rests on is
// checked here, or by the backend when it prepares a kernel.
#include <cmath>

#include "native/core/program.h"

namespace cotangent {
namespace {

constexpr int kMaxDepth = 64;            // of nested programs: passes recurse over the tree
constexpr int64_t kMaxValues = 1 << 24;  // of one encoding

[[noreturn]] void refuse(const std::string& expected, const std::string& received) {
  fail(CT_INTERNAL, "compile", expected, received);
}

std::string show_number(double value) {
  std::string text = std::to_string(value);
  return text.size() > 40 ? text.substr(0, 40) + "..." : text;
}

// An integer in [low, high], whatever the number was.
int64_t integer(double value, int64_t low, int64_t high, const char* what) {
  if (value >= static_cast<double>(low) && value <= static_cast<double>(high) && value == std::floor(value)) {
    return static_cast<int64_t>(value);
  }
  refuse(std::string(what) + " to be an integer from " + std::to_string(low) + " to " + std::to_string(high),
         show_number(value));
}

struct Reader {
  const double* words;
  size_t count;
  size_t at = 0;

  double number() {
    if (at >= count) refuse("more words", "an encoding that ends after " + std::to_string(count));
    return words[at++];
  }
  int64_t in_range(int64_t low, int64_t high, const char* what) { return integer(number(), low, high, what); }
  // A number of items that follow, at least one word each.
  int length(const char* what) {
    return static_cast<int>(in_range(0, std::min<int64_t>(static_cast<int64_t>(count - at), kMaxValues), what));
  }
};

class Decoder {
 public:
  Decoder(const double* words, size_t count, const std::vector<std::string>& names, int32_t (*formula)(const char*))
      : reader_{words, count}, names_(names), formula_(formula) {}

  Program run() {
    reader_.in_range(1, 1, "the version of the encoding");
    const int count = reader_.length("the number of programs");
    if (count == 0) refuse("at least one program", "none");
    std::vector<Flat> flats(static_cast<size_t>(count));
    for (int k = 0; k < count; ++k) read_program(flats[k], k, count);
    if (reader_.at != reader_.count) {
      refuse("the encoding to end after its last program", std::to_string(reader_.count - reader_.at) + " more words");
    }
    return assemble(flats, 0, 0);
  }

 private:
  // A program whose equations refer to sub-programs by number.
  struct Flat {
    Program program;
    std::vector<std::vector<int>> subs;
    bool used = false;
  };

  const std::string& name(double index, const char* what) const {
    return names_[static_cast<size_t>(integer(index, 0, static_cast<int64_t>(names_.size()) - 1, what))];
  }

  Type read_type() {
    Type type{};
    type.dtype = static_cast<int32_t>(reader_.in_range(0, CT_BOOL, "a dtype code"));
    type.rank = static_cast<int32_t>(reader_.in_range(0, CT_MAX_RANK, "a rank"));
    int64_t bytes = dtype_bytes(type.dtype);
    for (int32_t k = 0; k < type.rank; ++k) {
      type.dims[k] = reader_.in_range(0, kMaxBytes, "a dimension");
      // Empty tensors count as if the empty dimension were 1: some kernels multiply only a few of the dimensions.
      const int64_t dim = std::max<int64_t>(1, type.dims[k]);
      if (dim > kMaxBytes / bytes) fail(CT_SHAPE, "compile", "tensors of less than 2^53 bytes", "a larger one");
      bytes *= dim;
    }
    return type;
  }

  void read_program(Flat& flat, int index, int program_count) {
    Program& program = flat.program;
    const int values = reader_.length("the number of values");
    program.input_count = static_cast<int>(reader_.in_range(0, values, "the number of inputs"));
    const int constants =
        static_cast<int>(reader_.in_range(0, values - program.input_count, "the number of constants"));
    const int equations = reader_.length("the number of equations");
    const int outputs = reader_.length("the number of outputs");
    for (int k = 0; k < values; ++k) program.add_value(read_type());
    for (int k = 0; k < program.input_count; ++k) {
      program.donated.push_back(reader_.in_range(0, index == 0 ? 1 : 0, "a donation") == 1);
    }
    for (int k = 0; k < constants; ++k) {
      const int value = program.input_count + k;
      if (program.types[value].rank != 0) fail(CT_SHAPE, "compile", "constants of rank 0", show(program.types[value]));
      program.constants[value] = reader_.number();
    }
    int defined = program.input_count + constants;
    for (int k = 0; k < equations; ++k) {
      read_equation(flat, index, program_count, values, &defined);
    }
    if (defined != values) {
      refuse("every value to be defined",
             std::to_string(values) + " values and definitions of " + std::to_string(defined));
    }
    for (int k = 0; k < outputs; ++k) {
      program.outputs.push_back(static_cast<int>(reader_.in_range(0, values - 1, "an output")));
    }
  }

  void read_equation(Flat& flat, int index, int program_count, int values, int* defined) {
    Program& program = flat.program;
    Equation equation;
    equation.name = name(reader_.number(), "a primitive's name");
    for (int n = reader_.length("the number of operands"); n > 0; --n) {
      equation.in.push_back(static_cast<int>(reader_.in_range(0, int64_t{*defined} - 1, "an operand")));
    }
    for (int n = reader_.length("the number of results"); n > 0; --n) {
      // Results are numbered in order of definition.
      equation.out.push_back(static_cast<int>(reader_.in_range(*defined, std::min(*defined, values - 1), "a result")));
      ++*defined;
    }
    for (int n = reader_.length("the number of params"); n > 0; --n) equation.params.push_back(reader_.number());
    std::vector<int> subs;
    for (int n = reader_.length("the number of sub-programs"); n > 0; --n) {
      subs.push_back(static_cast<int>(reader_.in_range(int64_t{index} + 1, program_count - 1, "a sub-program")));
    }
    classify(equation, subs.size());
    if (!is_control(equation.kind)) check_equation(program, equation);
    program.equations.push_back(std::move(equation));
    flat.subs.push_back(std::move(subs));
  }

  void classify(Equation& equation, size_t subs) const {
    static const std::map<std::string, Kind> kKinds = {
        {"reshape", Kind::kReshape}, {"broadcast", Kind::kBroadcast}, {"check", Kind::kCheck}, {"emit", Kind::kEmit},
        {"clock", Kind::kClock},     {"while", Kind::kWhile},         {"scan", Kind::kScan},   {"cond", Kind::kCond}};
    const auto found = kKinds.find(equation.name);
    if (found != kKinds.end()) {
      equation.kind = found->second;
    } else {
      if (equation.name == "chain" || equation.name == "chainReduce") {
        refuse("a primitive", "`" + equation.name + "`, which only fusion may make");
      }
      equation.formula = formula_(equation.name.c_str());
      if (equation.formula >= 0) equation.kind = Kind::kFormula;
    }
    const size_t wanted = equation.kind == Kind::kScan ? 1 : is_control(equation.kind) ? 2 : 0;
    if (subs != wanted) {
      fail(CT_INTERNAL, equation.name, std::to_string(wanted) + " sub-programs", std::to_string(subs));
    }
  }

  static void expect_counts(const Equation& equation, size_t in, size_t out) {
    if (equation.in.size() == in && equation.out.size() == out) return;
    fail(CT_INTERNAL, equation.name, std::to_string(in) + " operands and " + std::to_string(out) + " results",
         std::to_string(equation.in.size()) + " and " + std::to_string(equation.out.size()));
  }

  static void expect_type(const Equation& equation, const Type& wanted, const Type& received, const char* what) {
    if (wanted != received) {
      fail(wanted.dtype == received.dtype ? CT_SHAPE : CT_DTYPE, equation.name,
           std::string(what) + " of type " + show(wanted), show(received));
    }
  }

  void check_equation(const Program& program, Equation& equation) const {
    const auto in = [&](size_t k) -> const Type& { return program.types[equation.in[k]]; };
    const auto out = [&](size_t k) -> const Type& { return program.types[equation.out[k]]; };
    switch (equation.kind) {
      case Kind::kReshape:
        expect_counts(equation, 1, 1);
        if (in(0).dtype != out(0).dtype || element_count(in(0)) != element_count(out(0))) {
          fail(CT_SHAPE, equation.name, "a result of as many elements as " + show(in(0)), show(out(0)));
        }
        break;
      case Kind::kCheck:
        expect_counts(equation, 2, 1);
        expect_type(equation, in(0), out(0), "a result");
        if (in(1).dtype != CT_INT32) fail(CT_DTYPE, equation.name, "info of type int32", show(in(1)));
        if (equation.params.size() != 1) refuse("`check` to have one param", std::to_string(equation.params.size()));
        equation.labels = {name(equation.params[0], "the primitive that a check blames")};
        break;
      case Kind::kEmit:
        expect_counts(equation, equation.in.size(), 0);
        // A bool behind the scalars says whether to report.
        if (!equation.in.empty() && equation.params.size() == equation.in.size()) {
          const Type& counts = in(equation.in.size() - 1);
          if (counts.dtype != CT_BOOL) fail(CT_DTYPE, equation.name, "a bool behind the scalars", show(counts));
        } else if (equation.params.size() != equation.in.size() + 1) {
          refuse("`emit` to have a tag and a name for each scalar", std::to_string(equation.params.size()) + " params");
        }
        for (const double label : equation.params) equation.labels.push_back(name(label, "a name of `emit`"));
        for (size_t k = 0; k < equation.in.size(); ++k) {
          if (in(k).rank != 0) fail(CT_SHAPE, equation.name, "scalars", show(in(k)));
        }
        break;
      case Kind::kClock:
        expect_counts(equation, 1, 1);
        if (in(0).rank != 0) fail(CT_SHAPE, equation.name, "a scalar", show(in(0)));
        expect_type(equation, scalar_type(CT_FLOAT64), out(0), "a result");
        break;
      case Kind::kFormula:
        check_formula(program, equation);
        break;
      case Kind::kBroadcast:
        expect_counts(equation, 1, 1);
        check_broadcast(equation, in(0), out(0));
        break;
      default:
        if (equation.in.size() > CT_MAX_OPERANDS || equation.out.size() > CT_MAX_OPERANDS) {
          fail(CT_SHAPE, equation.name, "at most " + std::to_string(CT_MAX_OPERANDS) + " operands and results",
               std::to_string(equation.in.size()) + " and " + std::to_string(equation.out.size()));
        }
        if (equation.out.empty()) fail(CT_INTERNAL, equation.name, "a result", "none");
    }
  }

  // Fusion trusts shapes and lanes; arity and domains are the backend's to check.
  static void check_formula(const Program& program, const Equation& equation) {
    if (equation.in.empty() || equation.in.size() > 3 || equation.out.size() != 1) {
      fail(CT_INTERNAL, equation.name, "1 to 3 operands and 1 result",
           std::to_string(equation.in.size()) + " and " + std::to_string(equation.out.size()));
    }
    const Type& out = program.types[equation.out[0]];
    int32_t lane = out.dtype;
    for (const int value : equation.in) {
      const Type& in = program.types[value];
      Type same_dims = out;
      same_dims.dtype = in.dtype;
      if (in.rank != 0 && in != same_dims) fail(CT_SHAPE, equation.name, "operands like " + show(out), show(in));
      if (in.dtype == CT_BOOL) continue;
      if (lane != CT_BOOL && lane != in.dtype)
        fail(CT_DTYPE, equation.name, "operands of one dtype", show(out) + " and " + show(in));
      lane = in.dtype;
    }
  }

  static void check_broadcast(const Equation& equation, const Type& in, const Type& out) {
    if (in.dtype != out.dtype) fail(CT_DTYPE, equation.name, "a result like " + show(in), show(out));
    if (equation.params.size() != static_cast<size_t>(in.rank)) {
      refuse("`broadcast` to map each dimension", std::to_string(equation.params.size()) + " params for " + show(in));
    }
    int64_t previous = -1;
    for (int32_t k = 0; k < in.rank; ++k) {
      const int64_t to = integer(equation.params[k], previous + 1, int64_t{out.rank} - 1, "a broadcast dimension");
      if (in.dims[k] != 1 && in.dims[k] != out.dims[to]) {
        fail(CT_SHAPE, equation.name, "an operand that stretches to " + show(out), show(in));
      }
      previous = to;
    }
  }

  // Moves the sub-programs into their equations. Each belongs to one equation: passes specialise them for their place.
  Program assemble(std::vector<Flat>& flats, int index, int depth) {
    if (depth > kMaxDepth) refuse("at most " + std::to_string(kMaxDepth) + " nested programs", "more");
    Flat& flat = flats[index];
    if (flat.used) refuse("each sub-program to be used once", "program " + std::to_string(index) + " twice");
    flat.used = true;
    for (size_t k = 0; k < flat.subs.size(); ++k) {
      Equation& equation = flat.program.equations[k];
      for (const int sub : flat.subs[k]) equation.subs.push_back(assemble(flats, sub, depth + 1));
      if (is_control(equation.kind)) check_control(flat.program, equation);
    }
    return std::move(flat.program);
  }

  static void expect_signature(const Equation& equation, const Program& sub, const std::vector<Type>& in,
                               const std::vector<Type>& out) {
    if (static_cast<size_t>(sub.input_count) != in.size() || sub.outputs.size() != out.size()) {
      fail(CT_INTERNAL, equation.name,
           "a sub-program of " + std::to_string(in.size()) + " inputs and " + std::to_string(out.size()) + " outputs",
           std::to_string(sub.input_count) + " and " + std::to_string(sub.outputs.size()));
    }
    for (size_t k = 0; k < in.size(); ++k) expect_type(equation, in[k], sub.types[k], "a sub-program's input");
    for (size_t k = 0; k < out.size(); ++k)
      expect_type(equation, out[k], sub.types[sub.outputs[k]], "a sub-program's output");
  }

  static void check_control(const Program& program, const Equation& equation) {
    std::vector<Type> in, out;
    for (const int value : equation.in) in.push_back(program.types[value]);
    for (const int value : equation.out) out.push_back(program.types[value]);
    const auto range = [](const std::vector<Type>& from, int begin, int count) {
      return std::vector<Type>(from.begin() + begin, from.begin() + begin + count);
    };
    if (equation.kind == Kind::kCond) {
      if (in.empty() || in[0] != scalar_type(CT_BOOL)) {
        fail(CT_DTYPE, equation.name, "a predicate of type bool[]", in.empty() ? "none" : show(in[0]));
      }
      const std::vector<Type> args(in.begin() + 1, in.end());
      for (const Program& sub : equation.subs) expect_signature(equation, sub, args, out);
      return;
    }
    const LoopLayout layout = loop_layout(equation);
    const std::vector<Type> carries = range(in, layout.first_carry(), layout.carries);
    std::vector<Type> body_in = range(in, layout.first_constant(), layout.constants + layout.carries);
    std::vector<Type> body_out = carries;
    for (int k = 0; k < layout.carries; ++k) expect_type(equation, carries[k], out[k], "a carry");
    if (equation.kind == Kind::kWhile) {
      std::vector<Type> condition_in = range(in, 0, layout.condition_constants);
      condition_in.insert(condition_in.end(), carries.begin(), carries.end());
      expect_signature(equation, equation.subs[0], condition_in, {scalar_type(CT_BOOL)});
    } else {
      for (int k = 0; k < layout.xs; ++k) body_in.push_back(slice(equation, in[layout.first_xs() + k], layout.length));
      for (int k = 0; k < layout.ys; ++k) body_out.push_back(slice(equation, out[layout.carries + k], layout.length));
    }
    expect_signature(equation, loop_body(equation), body_in, body_out);
  }

  // The type of one element of a stacked value.
  static Type slice(const Equation& equation, const Type& stacked, int64_t length) {
    if (stacked.rank == 0 || stacked.dims[0] != length) {
      fail(CT_SHAPE, equation.name, "stacked values of length " + std::to_string(length), show(stacked));
    }
    Type type{};
    type.dtype = stacked.dtype;
    type.rank = stacked.rank - 1;
    for (int32_t k = 0; k < type.rank; ++k) type.dims[k] = stacked.dims[k + 1];
    return type;
  }

  Reader reader_;
  const std::vector<std::string>& names_;
  int32_t (*formula_)(const char*);
};

}  // namespace

LoopLayout loop_layout(const Equation& equation) {
  const int in = static_cast<int>(equation.in.size()), out = static_cast<int>(equation.out.size());
  const std::vector<double>& params = equation.params;
  LoopLayout layout{};
  const size_t wanted = equation.kind == Kind::kWhile ? 3 : 4;
  if (params.size() != wanted) {
    fail(CT_INTERNAL, equation.name, std::to_string(wanted) + " params", std::to_string(params.size()));
  }
  if (equation.kind == Kind::kWhile) {
    layout.condition_constants = static_cast<int>(integer(params[0], 0, in, "the number of condition constants"));
    layout.constants =
        static_cast<int>(integer(params[1], 0, in - layout.condition_constants, "the number of body constants"));
    layout.carries = in - layout.condition_constants - layout.constants;
    layout.length = -1;
    layout.ahead = integer(params[2], 1, 1 << 20, "the iterations between two readings of a condition");
    if (layout.carries != out) {
      fail(CT_INTERNAL, equation.name, "as many results as carries",
           std::to_string(out) + " and " + std::to_string(layout.carries));
    }
    return layout;
  }
  layout.constants = static_cast<int>(integer(params[0], 0, in, "the number of constants"));
  layout.carries =
      static_cast<int>(integer(params[1], 0, std::min(in - layout.constants, out), "the number of carries"));
  layout.xs = in - layout.constants - layout.carries;
  layout.ys = out - layout.carries;
  layout.length = integer(params[2], 0, kMaxBytes, "the length of a scan");
  layout.reverse = integer(params[3], 0, 1, "the direction of a scan") == 1;
  return layout;
}

bool has_effect(const Equation& equation) {
  if (equation.kind == Kind::kEmit || equation.kind == Kind::kCheck) return true;
  for (const Program& sub : equation.subs) {
    for (const Equation& inner : sub.equations) {
      if (has_effect(inner)) return true;
    }
  }
  return false;
}

Program decode(const double* words, size_t count, const std::vector<std::string>& names,
               int32_t (*formula)(const char*)) {
  return Decoder(words, count, names, formula).run();
}

}  // namespace cotangent
