// chainReduce against the chain followed by the kernels that reduce: the same bits, however the work is cut, on every
// SIMD target. chain_test.cc and reduce_test.cc measure those two against references of their own.
#include <cstring>
#include <limits>

#include "test/native/chain_testing.h"

namespace cotangent::testing {
namespace {

using Dims = std::vector<int64_t>;

constexpr const char* kReductions[] = {"reduceSum", "reduceProd", "reduceMax", "reduceMin"};

struct Reduction {
  int kind;
  int id;  // of the chain's value
};

// A chain that is reduced over dims [axis, axis + count).
struct Case {
  Chain chain;  // its outputs are the full results
  int axis, count;
  std::vector<Reduction> reductions;

  Dims kept() const {
    Dims dims = chain.dims;
    dims.erase(dims.begin() + axis, dims.begin() + axis + count);
    return dims;
  }

  std::vector<ct_type> out() const {
    std::vector<ct_type> types = chain.out();
    for (const Reduction& r : reductions) types.push_back(type_of(chain.dtypes[static_cast<size_t>(r.id)], kept()));
    return types;
  }

  std::vector<double> params() const {
    std::vector<double> words{static_cast<double>(chain.dims.size())};
    words.insert(words.end(), chain.dims.begin(), chain.dims.end());
    words.insert(words.end(), {double(axis), double(count), double(reductions.size())});
    for (const Reduction& r : reductions) words.push_back(r.kind);
    const std::vector<double> inner = everything().params();
    words.insert(words.end(), inner.begin(), inner.end());
    return words;
  }

  // The chain with all that is reduced as a result of its own.
  Chain everything() const {
    Chain wide = chain;
    for (const Reduction& r : reductions) wide.output(r.id);
    return wide;
  }
};

std::unique_ptr<cpu::Kernel> prepare_reduction(const Case& c, const Reduction& r) {
  static const cpu::Registry registry = [] {
    cpu::Registry made;
    cpu::register_reduce(made);
    return made;
  }();
  const int32_t dtype = c.chain.dtypes[static_cast<size_t>(r.id)];
  const ct_type in = type_of(dtype, c.chain.dims), out = type_of(dtype, c.kept());
  std::vector<double> axes;
  for (int k = 0; k < c.count; ++k) axes.push_back(c.axis + k);
  const ct_op_desc desc{kReductions[r.kind], 1, 1, static_cast<int32_t>(axes.size()), &in, &out, axes.data(), nullptr};
  return registry.find(desc.kernel)(OpDesc(desc));
}

template <class T>
void fill(Buffer& buffer, const ct_type& type, Random& random) {
  for (int64_t i = 0; i < element_count(type); ++i) {
    if (type.dtype == CT_BOOL) {
      buffer.as<uint8_t>()[i] = static_cast<uint8_t>(random.below(2));
    } else if constexpr (std::is_floating_point_v<T>) {
      const T special[] = {T(0), T(-0.0), std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()};
      buffer.as<T>()[i] = random.below(2000) ? static_cast<T>(random.uniform(-2, 2)) : special[random.below(4)];
    } else {
      buffer.as<T>()[i] = static_cast<T>(random.below(21) - 10);
    }
  }
}

bool same_bits(Buffer& a, Buffer& b) { return std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())) == 0; }

template <class T>
void check_case(const Case& c, Random& random, const std::string& what) {
  std::vector<Buffer> inputs, want, wide;
  std::vector<const void*> in;
  for (const ct_type& type : c.chain.in) {
    inputs.emplace_back(byte_count(type));
    fill<T>(inputs.back(), type, random);
  }
  for (Buffer& buffer : inputs) in.push_back(buffer.data());

  const Chain everything = c.everything();
  std::vector<void*> out;
  for (const ct_type& type : everything.out()) wide.emplace_back(byte_count(type));
  for (Buffer& buffer : wide) out.push_back(buffer.data());
  run(*prepare(everything), in, out, 1);
  const size_t full = c.chain.outputs.size();
  for (size_t r = 0; r < c.reductions.size(); ++r) {
    want.emplace_back(byte_count(c.out()[full + r]));
    run(*prepare_reduction(c, c.reductions[r]), {wide[full + r].data()}, {want.back().data()}, 1);
  }

  const auto kernel = prepare("chainReduce", c.chain.in, c.out(), c.params(), c.chain.constants);
  CHECK(kernel->estimated_ns > 0, "%s", what.c_str());
  for (const int threads : {1, 2, 3, 7}) {
    std::vector<Buffer> results;
    std::vector<void*> pointers;
    for (const ct_type& type : c.out()) results.emplace_back(byte_count(type));
    for (Buffer& buffer : results) pointers.push_back(buffer.data());
    run(*kernel, in, pointers, threads);
    for (size_t j = 0; j < results.size(); ++j) {
      CHECK(results[j].intact(), "%s: wrote behind result %zu", what.c_str(), j);
      CHECK(same_bits(results[j], j < full ? wide[j] : want[j - full]), "%s: result %zu of %zu, %d threads",
            what.c_str(), j, results.size(), threads);
    }
  }
  // In the buffers of operands, wherever the kernel allows it.
  std::vector<Buffer> results;
  std::vector<void*> pointers;
  uint64_t taken = 0;
  for (size_t j = 0; j < c.out().size(); ++j) {
    results.emplace_back(byte_count(c.out()[j]));
    pointers.push_back(results.back().data());
    CHECK(j < full || kernel->in_place[j] == 0, "%s: a reduced result in an operand's buffer", what.c_str());
    for (size_t k = 0; k < in.size(); ++k) {
      if (!(kernel->in_place[j] >> k & 1) || (taken >> k & 1)) continue;
      taken |= uint64_t{1} << k;
      pointers.back() = inputs[k].data();
      break;
    }
  }
  run(*kernel, in, pointers, 2);
  for (size_t j = 0; j < results.size(); ++j) {
    Buffer& expected = j < full ? wide[j] : want[j - full];
    CHECK(std::memcmp(pointers[j], expected.data(), static_cast<size_t>(expected.bytes())) == 0,
          "%s: result %zu in place", what.c_str(), j);
  }
}

// A chain of a few exact formulas over a full operand, one stretched along some dims, and a scalar.
template <class T>
Case random_case(const Dims& dims, int axis, int count, Random& random) {
  constexpr int32_t kDtype = sizeof(T) == 8             ? CT_FLOAT64
                             : std::is_same_v<T, float> ? CT_FLOAT32
                             : std::is_signed_v<T>      ? CT_INT32
                                                        : CT_UINT32;
  Case c{Chain(dims), axis, count, {}};
  Dims narrow = dims;
  for (int64_t& extent : narrow) extent = random.below(2) ? 1 : extent;
  std::vector<int> numbers{c.chain.input(kDtype, dims), c.chain.input(kDtype, narrow), c.chain.input(kDtype, {})};
  std::vector<int> bools{c.chain.input(CT_BOOL, random.below(2) ? dims : narrow)};
  const auto any = [&](const std::vector<int>& ids) { return ids[static_cast<size_t>(random.below(int(ids.size())))]; };
  for (int k = 2 + random.below(5); k > 0; --k) {
    static const char* const kBinary[] = {"add", "sub", "mul", "max"};
    const int roll = random.below(6);
    if (roll < 4) {
      numbers.push_back(c.chain.apply(kBinary[roll], {any(numbers), any(numbers)}));
    } else if (roll == 4) {
      bools.push_back(c.chain.apply("lt", {any(numbers), any(numbers)}));
    } else {
      numbers.push_back(c.chain.apply("select", {any(bools), any(numbers), any(numbers)}));
    }
  }
  for (int k = random.below(3); k > 0; --k) c.chain.output(random.below(4) ? any(numbers) : any(bools));
  for (int k = 1 + random.below(3); k > 0; --k) {
    const bool truth = random.below(5) == 0;
    c.reductions.push_back({truth ? 2 + random.below(2) : random.below(4), truth ? any(bools) : any(numbers)});
  }
  return c;
}

template <class T>
void sweep(uint64_t seed) {
  Random random(seed);
  const std::vector<Dims> shapes{{1},          {5},          {17},        {129},           {1000},        {70003},
                                 {0},          {4, 999},     {300, 7},    {3, 20001},      {20001, 3},    {1030, 90},
                                 {90, 600},    {3, 1100},    {3, 0},      {0, 3},          {2, 0, 3},     {5, 1, 6},
                                 {2, 300, 33}, {3, 2, 1500}, {700, 3, 5}, {2, 3, 2, 3, 2}, {2, 130, 520}, {9001, 1}};
  for (const Dims& dims : shapes) {
    for (int axis = 0; axis < static_cast<int>(dims.size()); ++axis) {
      for (int count = 1; axis + count <= static_cast<int>(dims.size()); ++count) {
        int64_t reduced = 1;
        for (int k = 0; k < count; ++k) reduced *= dims[static_cast<size_t>(axis + k)];
        if (reduced == 1) continue;  // the kernels that reduce copy then; fusion leaves them alone
        for (int repeat = 0; repeat < 3; ++repeat) {
          const Case c = random_case<T>(dims, axis, count, random);
          check_case<T>(c, random,
                        describe(type_of(c.chain.dtypes[0], dims)) + " over " + std::to_string(count) + " axes from " +
                            std::to_string(axis));
        }
      }
    }
  }
}

// Long launches are cut into pieces, between which partial results wait in the workspace.
void pieces() {
  Random random(11);
  for (const Dims& dims : {Dims{3000001}, Dims{30000, 100}, Dims{100, 30001}}) {
    Case c{Chain(dims), 0, 1, {}};
    int value = c.chain.input(CT_FLOAT32, dims);
    const int other = c.chain.input(CT_FLOAT32, {});
    for (int k = 0; k < 12; ++k)
      value = c.chain.apply(k % 2 ? "atan2" : "sin", k % 2 ? std::vector<int>{value, other} : std::vector<int>{value});
    c.reductions = {{0, value}, {2, value}};
    const auto kernel = prepare("chainReduce", c.chain.in, c.out(), c.params(), c.chain.constants);
    CHECK(kernel->pieces(1) > 1, "%s runs in one piece", describe(type_of(CT_FLOAT32, dims)).c_str());
    check_case<float>(c, random, "pieces");
  }
}

void refuse(const Case& c, const std::vector<ct_type>& out, std::vector<double> params, ct_code code) {
  try {
    prepare("chainReduce", c.chain.in, out, params, {});
    CHECK(false, "accepted what it must refuse");
  } catch (const KernelError& error) {
    CHECK(error.code == code, "expected code %d, received %d: %s", code, error.code, error.message.c_str());
    CHECK(error.message.rfind("Expected ", 0) == 0, "%s", error.message.c_str());
  }
}

void refusals() {
  Case c{Chain({4, 6}), 1, 1, {}};
  const int x = c.chain.input(CT_FLOAT32, {4, 6});
  const int positive = c.chain.apply("lt", {x, x});
  c.chain.output(x);
  c.reductions = {{0, x}};
  const std::vector<ct_type> out = c.out();
  std::vector<double> params = c.params();
  refuse(c, {out[0], type_of(CT_FLOAT32, {6})}, params, CT_SHAPE);
  refuse(c, {type_of(CT_FLOAT32, {4, 7}), out[1]}, params, CT_SHAPE);
  refuse(c, {out[0], type_of(CT_FLOAT64, {4})}, params, CT_DTYPE);
  for (size_t k = 0; k < params.size(); ++k) {
    std::vector<double> broken = params;
    broken.resize(k);
    try {
      prepare("chainReduce", c.chain.in, out, broken, {});
      CHECK(false, "accepted params cut short after %zu", k);
    } catch (const KernelError&) {
    }
  }
  for (const double rank : {0.0, 9.0, 1.5}) {
    std::vector<double> broken = params;
    broken[0] = rank;
    refuse(c, out, broken, rank == 1.5 ? CT_INTERNAL : CT_SHAPE);
  }
  Case truth = c;
  truth.reductions = {{0, positive}};
  refuse(truth, truth.out(), truth.params(), CT_DTYPE);
  Case huge{Chain({int64_t{1} << 40, int64_t{1} << 40}), 0, 1, {{0, 0}}};
  huge.chain.input(CT_FLOAT32, {});
  refuse(huge, {type_of(CT_FLOAT32, {int64_t{1} << 40})}, huge.params(), CT_SHAPE);
}

void all() {
  sweep<float>(1);
  sweep<double>(2);
  sweep<int32_t>(3);
  sweep<uint32_t>(4);
  pieces();
  refusals();
}

}  // namespace
}  // namespace cotangent::testing

int main() { return cotangent::testing::on_every_target(cotangent::testing::all); }
