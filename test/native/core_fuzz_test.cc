// Random Programs with nested control flow against a slow interpreter of the source, fused and unfused, with donated
// inputs. Only operations whose results do not depend on the order of evaluation are drawn, so every element must agree
// exactly.
#include <algorithm>
#include <cmath>

#include "test/native/core_testing.h"

namespace cotangent::testing {
namespace {

// --- the reference
// --------------------------------------------------------------------------------------------------------

struct Tensor {
  Type type;
  Numbers data;
};

int64_t stride_of(const Type& type, int axis) {
  int64_t stride = 1;
  for (int k = axis + 1; k < type.rank; ++k) stride *= type.dims[k];
  return stride;
}

std::vector<int64_t> coordinates(const Type& type, int64_t flat) {
  std::vector<int64_t> at(static_cast<size_t>(type.rank));
  for (int k = 0; k < type.rank; ++k) at[k] = flat / stride_of(type, k) % type.dims[k];
  return at;
}

double propagate(double a, double b, double other) { return std::isnan(a) || std::isnan(b) ? NAN : other; }

double apply_scalar(const std::string& name, int32_t dtype, const Numbers& x) {
  const auto wrap = [&](double value) {
    return dtype == CT_INT32
               ? static_cast<double>(static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(value))))
               : value;
  };
  if (name == "add") return wrap(x[0] + x[1]);
  if (name == "sub") return wrap(x[0] - x[1]);
  if (name == "mul") return x[0] * x[1];
  if (name == "max") return propagate(x[0], x[1], std::max(x[0], x[1]));
  if (name == "min") return propagate(x[0], x[1], std::min(x[0], x[1]));
  if (name == "neg") return wrap(-x[0]);
  if (name == "floor") return std::floor(x[0]);
  if (name == "lt") return x[0] < x[1];
  if (name == "eq") return x[0] == x[1];
  if (name == "and") return x[0] != 0 && x[1] != 0;
  if (name == "not") return x[0] == 0;
  if (name == "select") return x[0] != 0 ? x[1] : x[2];
  CHECK(false, "no reference for %s", name.c_str());
  return 0;
}

std::vector<Tensor> evaluate(const Source& source, const std::vector<Tensor>& inputs);

std::vector<Tensor> evaluate_loop(const Source::Line& line, const std::vector<Tensor>& in,
                                  const std::vector<Type>& out) {
  const bool is_while = line.name == "while";
  const auto constants = static_cast<size_t>(line.params[is_while ? 1 : 0]);
  const size_t first = is_while ? static_cast<size_t>(line.params[0]) : 0;
  const auto carries = is_while ? in.size() - first - constants : static_cast<size_t>(line.params[1]);
  std::vector<Tensor> carry(in.begin() + static_cast<std::ptrdiff_t>(first + constants),
                            in.begin() + static_cast<std::ptrdiff_t>(first + constants + carries));
  const std::vector<Tensor> fixed(in.begin() + static_cast<std::ptrdiff_t>(first),
                                  in.begin() + static_cast<std::ptrdiff_t>(first + constants));
  const Source& body = line.subs.back();
  std::vector<Tensor> stacked;
  for (size_t k = carries; k < out.size(); ++k)
    stacked.push_back({out[k], Numbers(static_cast<size_t>(element_count(out[k])))});
  const auto length = is_while ? INT64_MAX : static_cast<int64_t>(line.params[2]);
  for (int64_t step = 0; step < length; ++step) {
    if (is_while) {
      std::vector<Tensor> asked(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(first));
      asked.insert(asked.end(), carry.begin(), carry.end());
      if (evaluate(line.subs[0], asked)[0].data[0] == 0) break;
    }
    const int64_t at = !is_while && line.params[3] != 0 ? length - 1 - step : step;
    std::vector<Tensor> given = fixed;
    given.insert(given.end(), carry.begin(), carry.end());
    for (size_t k = first + constants + carries; k < in.size(); ++k) {
      const Type& type = body.types[given.size()];
      const int64_t count = element_count(type);
      given.push_back({type, Numbers(in[k].data.begin() + at * count, in[k].data.begin() + (at + 1) * count)});
    }
    const std::vector<Tensor> results = evaluate(body, given);
    std::copy(results.begin(), results.begin() + static_cast<std::ptrdiff_t>(carries), carry.begin());
    for (size_t k = 0; k < stacked.size(); ++k) {
      const Numbers& slice = results[carries + k].data;
      std::copy(slice.begin(), slice.end(), stacked[k].data.begin() + at * static_cast<int64_t>(slice.size()));
    }
  }
  carry.insert(carry.end(), stacked.begin(), stacked.end());
  return carry;
}

Tensor evaluate_kernel(const Source::Line& line, const std::vector<Tensor>& in, const Type& out) {
  Tensor result{out, Numbers(static_cast<size_t>(element_count(out)))};
  if (line.name == "reshape" || line.name == "check") {
    result.data = in[0].data;
    return result;
  }
  if (line.name == "dynamicUpdate") {
    result.data = in[0].data;
    const Type& part = in[1].type;
    for (int64_t k = 0; k < element_count(part); ++k) {
      const std::vector<int64_t> at = coordinates(part, k);
      int64_t flat = 0;
      for (int d = 0; d < out.rank; ++d) {
        const int64_t start = std::clamp<int64_t>(static_cast<int64_t>(in[2].data[d]), 0, out.dims[d] - part.dims[d]);
        flat += (start + at[d]) * stride_of(out, d);
      }
      result.data[static_cast<size_t>(flat)] = in[1].data[static_cast<size_t>(k)];
    }
    return result;
  }
  if (line.name == "reduceMax") {
    std::fill(result.data.begin(), result.data.end(), -INFINITY);
    for (int64_t k = 0; k < element_count(in[0].type); ++k) {
      const std::vector<int64_t> at = coordinates(in[0].type, k);
      int64_t flat = 0;
      int to = 0;
      for (int d = 0; d < in[0].type.rank; ++d) {
        if (std::find(line.params.begin(), line.params.end(), d) != line.params.end()) continue;
        flat += at[d] * stride_of(out, to++);
      }
      double& most = result.data[static_cast<size_t>(flat)];
      most = propagate(most, in[0].data[static_cast<size_t>(k)], std::max(most, in[0].data[static_cast<size_t>(k)]));
    }
    return result;
  }
  for (int64_t k = 0; k < element_count(out); ++k) {
    const std::vector<int64_t> at = coordinates(out, k);
    double& element = result.data[static_cast<size_t>(k)];
    int64_t flat = 0;
    if (line.name == "broadcast") {
      for (int d = 0; d < in[0].type.rank; ++d) {
        if (in[0].type.dims[d] != 1) flat += at[static_cast<size_t>(line.params[d])] * stride_of(in[0].type, d);
      }
      element = in[0].data[static_cast<size_t>(flat)];
    } else if (line.name == "transpose") {
      for (int d = 0; d < out.rank; ++d) flat += at[d] * stride_of(in[0].type, static_cast<int>(line.params[d]));
      element = in[0].data[static_cast<size_t>(flat)];
    } else if (line.name == "cast") {
      const double x = in[0].data[static_cast<size_t>(k)];
      element = out.dtype == CT_BOOL ? x != 0 : x;
    } else {
      Numbers operands;
      for (const Tensor& x : in) operands.push_back(x.data[x.type.rank == 0 ? 0 : static_cast<size_t>(k)]);
      element = apply_scalar(line.name, out.dtype, operands);
    }
  }
  return result;
}

std::vector<Tensor> evaluate(const Source& source, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> values = inputs;
  for (const double constant : source.constants) values.push_back({source.types[values.size()], {constant}});
  for (const Source::Line& line : source.lines) {
    std::vector<Tensor> in;
    std::vector<Type> out;
    for (const int value : line.in) in.push_back(values[value]);
    for (const int value : line.out) out.push_back(source.types[value]);
    std::vector<Tensor> results;
    if (line.name == "while" || line.name == "scan") {
      results = evaluate_loop(line, in, out);
    } else if (line.name == "cond") {
      results = evaluate(line.subs[in[0].data[0] != 0 ? 0 : 1], {in.begin() + 1, in.end()});
    } else if (line.name != "emit") {
      results = {evaluate_kernel(line, in, out[0])};
    }
    values.insert(values.end(), results.begin(), results.end());
  }
  std::vector<Tensor> outputs;
  for (const int value : source.outputs) outputs.push_back(values[value]);
  return outputs;
}

// --- the generator
// --------------------------------------------------------------------------------------------------------

const std::vector<std::vector<int64_t>> kShapes = {{}, {3}, {2, 3}, {3, 2}, {1, 3}, {2, 1}, {6}, {3, 3}, {70, 3}};

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  int below(int count) { return random_.below(count); }
  bool chance(int percent) { return below(100) < percent; }
  Type any_type() {
    return type_of(below(3) == 0   ? CT_INT32
                   : below(6) == 0 ? CT_BOOL
                                   : CT_FLOAT64,
                   kShapes[below(static_cast<int>(kShapes.size()))]);
  }

  Numbers any_numbers(const Type& type) {
    Numbers numbers(static_cast<size_t>(element_count(type)));
    for (double& x : numbers) x = type.dtype == CT_BOOL ? below(2) : below(9) - 4;
    return numbers;
  }

  // Inputs of the given types; constants of all dtypes; equations.
  Source program(const std::vector<Type>& inputs, int lines, int depth, bool donate) {
    Source source;
    for (const Type& type : inputs) source.input(type, donate && chance(50));
    for (const int32_t dtype : {CT_FLOAT64, CT_INT32, CT_BOOL}) {
      source.constant(dtype, dtype == CT_BOOL ? below(2) : below(5) - 2);
      source.constant(dtype, dtype == CT_BOOL ? below(2) : below(5) - 2);
    }
    for (int k = 0; k < lines; ++k) add_line(source, depth);
    return source;
  }

  void add_outputs(Source& source, int count) {
    for (int k = 0; k < count; ++k) source.outputs.push_back(pick(source));
  }

 private:
  int pick(const Source& source) {
    const int count = static_cast<int>(source.types.size());
    return chance(60) ? count - 1 - below(std::min(count, 8)) : below(count);
  }
  // A value of the type; there must be one.
  int pick(const Source& source, const Type& type) {
    std::vector<int> found;
    for (int k = 0; k < static_cast<int>(source.types.size()); ++k) {
      if (source.types[k] == type) found.push_back(k);
    }
    return found.empty() ? -1 : chance(50) ? found.back() : found[below(static_cast<int>(found.size()))];
  }
  // An operand for elementwise work with `type`: of the same dims or rank 0.
  int partner(const Source& source, const Type& type) {
    const int value = chance(70) ? pick(source, type) : -1;
    return value >= 0 ? value : pick(source, scalar_type(type.dtype));
  }

  void add_line(Source& source, int depth) {
    const int roll = below(100);
    if (roll < 55) return add_elementwise(source);
    if (roll < 80 || depth == 0) return add_movement(source);
    if (roll < 88) return add_loop(source, depth, true);
    if (roll < 94) return add_loop(source, depth, false);
    add_cond(source, depth);
  }

  void add_elementwise(Source& source) {
    const int x = pick(source);
    const Type type = source.types[x];
    Type truth = type;
    truth.dtype = CT_BOOL;
    if (type.dtype == CT_BOOL) {
      const int roll = below(3);
      if (roll == 0) {
        source.one("not", {x}, type);
      } else if (roll == 1) {
        source.one("and", {x, partner(source, type)}, type);
      } else {
        Type number = type;
        number.dtype = chance(50) ? CT_FLOAT64 : CT_INT32;
        if (chance(40)) {
          source.one("cast", {x}, number);
        } else {
          source.one("select", {x, partner(source, number), partner(source, number)}, number);
        }
      }
      return;
    }
    static const char* const kBinary[] = {"add", "sub", "max", "min", "mul"};
    const int roll = below(10);
    if (roll < 6) {
      source.one(kBinary[below(type.dtype == CT_INT32 ? 4 : 5)], {x, partner(source, type)}, type);
    } else if (roll < 7) {
      source.one("neg", {x}, type);
    } else if (roll < 9) {
      source.one(chance(50) ? "lt" : "eq", {x, partner(source, type)}, truth);
    } else {
      if (type.dtype == CT_INT32 && chance(50)) truth.dtype = CT_FLOAT64;
      source.one("cast", {x}, truth);
    }
  }

  void add_movement(Source& source) {
    const int x = pick(source);
    const Type type = source.types[x];
    const int roll = below(6);
    if (roll == 0) {
      for (const auto& shape : kShapes) {
        const Type to = type_of(type.dtype, shape);
        if (element_count(to) == element_count(type) && to != type) {
          source.one("reshape", {x}, to);
          return;
        }
      }
    }
    if (roll <= 2) {
      const auto& shape = kShapes[below(static_cast<int>(kShapes.size()))];
      std::vector<double> map;
      int64_t from = static_cast<int64_t>(shape.size()) - type.rank;
      if (from < 0) return;
      for (int d = 0; d < type.rank; ++d) {
        if (type.dims[d] != 1 && type.dims[d] != shape[static_cast<size_t>(from + d)]) return;
        map.push_back(static_cast<double>(from + d));
      }
      source.one("broadcast", {x}, type_of(type.dtype, shape), map);
    } else if (roll == 3 && type.rank == 2) {
      source.one("transpose", {x}, type_of(type.dtype, {type.dims[1], type.dims[0]}), {1, 0});
    } else if (roll == 4 && type.rank > 0 && type.dtype == CT_FLOAT64) {
      const int axis = below(type.rank);
      std::vector<int64_t> dims;
      for (int d = 0; d < type.rank; ++d) {
        if (d != axis) dims.push_back(type.dims[d]);
      }
      source.one("reduceMax", {x}, type_of(type.dtype, dims), {static_cast<double>(axis)});
    } else if (roll == 5 && type.rank == 1) {
      const int part = pick(source, type_of(type.dtype, {3})), start = pick(source, int32({}));
      if (part < 0 || start < 0 || type.dims[0] < 3) return;
      const int start_vector = source.one("reshape", {start}, int32({1}));
      source.one("dynamicUpdate", {x, part, start_vector}, type);
    }
  }

  // Types and values of `count` random operands.
  void operands(const Source& source, int count, std::vector<int>& values, std::vector<Type>& types) {
    for (int k = 0; k < count; ++k) {
      values.push_back(pick(source));
      types.push_back(source.types[values.back()]);
    }
  }

  void add_cond(Source& source, int depth) {
    const int predicate = pick(source, boolean());
    std::vector<int> in{predicate};
    std::vector<Type> args, out;
    operands(source, below(5), in, args);
    Source branches[2] = {program(args, below(10), depth - 1, false), program(args, below(10), depth - 1, false)};
    for (int k = below(4); k >= 0; --k) {
      const int first = pick(branches[0]), second = pick(branches[1], branches[0].types[first]);
      if (second < 0) continue;
      branches[0].outputs.push_back(first);
      branches[1].outputs.push_back(second);
      out.push_back(branches[0].types[first]);
    }
    source.apply("cond", in, out, {}, {branches[0], branches[1]});
  }

  void add_loop(Source& source, int depth, bool is_while) {
    std::vector<int> in;
    std::vector<Type> condition_types, body_types, carry_types;
    const int condition_constants = is_while ? below(3) : 0, constants = below(4),
              carries = below(5) + (is_while ? 1 : 0);
    operands(source, condition_constants, in, condition_types);
    operands(source, constants, in, body_types);
    for (int k = 0; k < carries; ++k) {
      // The first carry of a while counts its iterations.
      const int init = is_while && k == 0 ? pick(source, int32()) : pick(source);
      in.push_back(init);
      carry_types.push_back(source.types[init]);
    }
    body_types.insert(body_types.end(), carry_types.begin(), carry_types.end());
    std::vector<Type> out = carry_types;
    const int64_t length = below(5);
    if (!is_while) {
      for (int k = below(3); k > 0; --k) {
        const int x = pick(source);
        Type stacked{};
        stacked.dtype = source.types[x].dtype;
        stacked.rank = source.types[x].rank + 1;
        if (element_count(source.types[x]) > 20) continue;
        stacked.dims[0] = length;
        std::copy(source.types[x].dims, source.types[x].dims + source.types[x].rank, stacked.dims + 1);
        std::vector<double> map;
        for (int d = 0; d < source.types[x].rank; ++d) map.push_back(d + 1);
        in.push_back(source.one("broadcast", {x}, stacked, map));
        body_types.push_back(source.types[x]);
      }
    }
    Source body = program(body_types, below(14), depth - 1, false);
    for (int k = 0; k < carries; ++k) {
      if (is_while && k == 0) {
        const int step = body.one("max", {body.inputs() + 2, body.inputs() + 3}, int32());  // two int32 constants
        const int one = body.one("eq", {step, step}, boolean());
        const int number = body.one("cast", {one}, int32());
        body.outputs.push_back(body.one("add", {constants, number}, int32()));
      } else {
        body.outputs.push_back(chance(15) ? constants + k : pick(body, carry_types[k]));
      }
    }
    if (!is_while) {
      for (int k = below(3); k > 0; --k) {
        const int y = pick(body);
        if (body.types[y].rank >= 3 || element_count(body.types[y]) > 20) continue;
        Type stacked{};
        stacked.dtype = body.types[y].dtype;
        stacked.rank = body.types[y].rank + 1;
        stacked.dims[0] = length;
        std::copy(body.types[y].dims, body.types[y].dims + body.types[y].rank, stacked.dims + 1);
        body.outputs.push_back(y);
        out.push_back(stacked);
      }
      source.apply("scan", in, out,
                   {static_cast<double>(constants), static_cast<double>(carries), static_cast<double>(length),
                    chance(50) ? 1.0 : 0.0},
                   {body});
      return;
    }
    condition_types.insert(condition_types.end(), carry_types.begin(), carry_types.end());
    Source condition = program(condition_types, below(3), 0, false);
    const int limit = condition.one("add", {condition.inputs() + 2, condition.inputs() + 3}, int32());
    condition.outputs = {condition.one("lt", {condition_constants, limit}, boolean())};
    source.apply("while", in, out, {static_cast<double>(condition_constants), static_cast<double>(constants), 1},
                 {condition, body});
  }

  Random random_;
};

// --- the test
// -------------------------------------------------------------------------------------------------------------

size_t count_steps(const Executable& executable) {
  size_t steps = 0;
  for (const ProgramPlan& program : executable.plan.programs) steps += program.steps.size();
  return steps;
}

void fuzz(uint64_t seed, TestClient& client, Stream& stream, size_t* fused_steps, size_t* unfused_steps) {
  Generator generator(seed);
  std::vector<Type> types;
  for (int k = generator.below(5) + 1; k > 0; --k) types.push_back(generator.any_type());
  const int depth = static_cast<int>(seed % 4);
  Source source = generator.program(types, 4 + generator.below(40), depth, true);
  generator.add_outputs(source, generator.below(10) + 1);
  std::vector<Tensor> inputs;
  for (const Type& type : types) inputs.push_back({type, generator.any_numbers(type)});
  const std::vector<Tensor> expected = evaluate(source, inputs);
  for (const bool fuse : {true, false}) {
    const Ref<Executable> executable = compile(source, fuse);
    *(fuse ? fused_steps : unfused_steps) += count_steps(*executable);
    for (int repeat = 0; repeat < 3; ++repeat) {
      // A donated input that is held elsewhere must survive; the first run gives its inputs away, the others keep them.
      Arguments arguments;
      for (const Tensor& input : inputs) arguments.inputs.push_back(make_value(input.type, input.data));
      const std::vector<Ref<Value>> held = repeat == 0 ? std::vector<Ref<Value>>() : arguments.inputs;
      const std::vector<Ref<Value>> outputs = client.enqueue_owned(stream, *executable, std::move(arguments));
      for (size_t j = 0; j < outputs.size(); ++j) {
        CHECK(await(outputs[j]), "seed %d: output %zu is pending", static_cast<int>(seed), j);
        const bool ready = outputs[j]->state() == Value::State::kReady;
        CHECK(ready, "seed %d: %s", static_cast<int>(seed), ready ? "" : outputs[j]->failure()->message.c_str());
        CHECK(ready && same(numbers_of(*outputs[j]), expected[j].data),
              "seed %d: output %zu differs, fuse %d, repeat %d\n%s", static_cast<int>(seed), j, fuse, repeat,
              describe(executable->plan.program).c_str());
      }
      CHECK(client.idle(), "not idle");
      for (size_t k = 0; k < held.size(); ++k) {
        CHECK(same(numbers_of(*held[k]), inputs[k].data), "seed %d: input %zu was overwritten", static_cast<int>(seed),
              k);
      }
      if (failures) return;
    }
  }
}

}  // namespace
}  // namespace cotangent::testing

int main(int count, char** arguments) {
  using namespace cotangent::testing;
  const int first = count > 1 ? std::atoi(arguments[1]) : 1, last = count > 2   ? std::atoi(arguments[2])
                                                                    : count > 1 ? first
                                                                                : 1500;
  TestClient client;
  const auto stream = executor().create_stream(client);
  size_t fused = 0, unfused = 0;
  for (int seed = first; seed <= last && !failures; ++seed) {
    try {
      fuzz(static_cast<uint64_t>(seed), client, *stream, &fused, &unfused);
    } catch (const cotangent::Error& error) {
      CHECK(false, "seed %d: %s", seed, error.what());
    }
  }
  if (count == 1) CHECK(fused * 10 < unfused * 8, "fusion left %zu of %zu steps", fused, unfused);
  std::printf("%zu steps fused, %zu unfused\n", fused, unfused);
  return failures ? 1 : 0;
}
