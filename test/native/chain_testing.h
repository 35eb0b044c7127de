// Helpers of the elementwise tests: building a chain, running it, and repeating a test on every SIMD target of the
// machine.
#ifndef COTANGENT_TEST_CHAIN_TESTING_H
#define COTANGENT_TEST_CHAIN_TESTING_H

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/elementwise/formulas.h"
#include "native/kernels/simd.h"

namespace cotangent::testing {

inline int failures = 0;

#define CHECK(condition, ...)                                              \
  do {                                                                     \
    if (!(condition) && ++::cotangent::testing::failures <= 40) {          \
      std::fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      std::fprintf(stderr, __VA_ARGS__);                                   \
      std::fprintf(stderr, "\n");                                          \
    }                                                                      \
  } while (0)

// Cuts work into `threads` parts and runs them one after the other.
class InlineParallel : public Parallel {
 public:
  explicit InlineParallel(int threads) : threads_(threads) {}
  int threads() const override { return threads_; }
  void run(int parts, void (*body)(void*, int), void* context) override {
    for (int part = 0; part < parts; ++part) body(context, part);
  }

 private:
  int threads_;
};

inline ct_type type_of(int32_t dtype, const std::vector<int64_t>& dims) {
  ct_type type{};
  type.dtype = dtype;
  type.rank = static_cast<int32_t>(dims.size());
  for (size_t d = 0; d < dims.size(); ++d) type.dims[d] = dims[d];
  return type;
}

struct Instruction {
  int formula;
  int32_t dtype;
  std::vector<int> operands;
};

// A chain under construction: inputs first, then instructions, then outputs.
struct Chain {
  std::vector<int64_t> dims;
  std::vector<ct_type> in;
  std::vector<const void*> constants;
  std::vector<int32_t> dtypes;
  std::vector<Instruction> instructions;
  std::vector<int> outputs;

  explicit Chain(std::vector<int64_t> result_dims) : dims(std::move(result_dims)) {}

  int input(int32_t dtype, const std::vector<int64_t>& input_dims, const void* constant = nullptr) {
    in.push_back(type_of(dtype, input_dims));
    constants.push_back(constant);
    dtypes.push_back(dtype);
    return static_cast<int>(in.size()) - 1;
  }
  int apply(int formula, const std::vector<int>& operands) {
    const formula::FormulaInfo& info = formula::kFormulas[formula];
    const int32_t dtype =
        info.result == formula::Result::kTruth ? static_cast<int32_t>(CT_BOOL) : dtypes[operands.back()];
    instructions.push_back({formula, dtype, operands});
    dtypes.push_back(dtype);
    return static_cast<int>(dtypes.size()) - 1;
  }
  int apply(const char* name, const std::vector<int>& operands) { return apply(formula_row(name), operands); }
  void output(int id) { outputs.push_back(id); }

  std::vector<ct_type> out() const {
    std::vector<ct_type> types;
    for (const int id : outputs) types.push_back(type_of(dtypes[id], dims));
    return types;
  }
  std::vector<double> params() const {
    std::vector<double> words{static_cast<double>(instructions.size())};
    for (const Instruction& item : instructions) {
      words.push_back(item.formula);
      words.push_back(item.dtype);
      words.push_back(static_cast<double>(item.operands.size()));
      words.insert(words.end(), item.operands.begin(), item.operands.end());
    }
    words.push_back(static_cast<double>(outputs.size()));
    words.insert(words.end(), outputs.begin(), outputs.end());
    return words;
  }
};

inline std::unique_ptr<cpu::Kernel> prepare(const char* name, const std::vector<ct_type>& in,
                                            const std::vector<ct_type>& out, const std::vector<double>& params,
                                            const std::vector<const void*>& constants) {
  static const cpu::Registry registry = [] {
    cpu::Registry made;
    cpu::register_elementwise(made);
    return made;
  }();
  const ct_op_desc desc{name,
                        static_cast<int32_t>(in.size()),
                        static_cast<int32_t>(out.size()),
                        static_cast<int32_t>(params.size()),
                        in.data(),
                        out.data(),
                        params.data(),
                        constants.empty() ? nullptr : constants.data()};
  return registry.find(name)(OpDesc(desc));
}

inline std::unique_ptr<cpu::Kernel> prepare(const Chain& chain) {
  return prepare("chain", chain.in, chain.out(), chain.params(), chain.constants);
}

// 64-byte aligned bytes with a guard behind them that must stay as it was.
class Buffer {
 public:
  explicit Buffer(int64_t bytes) : bytes_(bytes), memory_(static_cast<size_t>(bytes) + 128 + 64, 0xa5) {
    data_ = memory_.data() + (64 - reinterpret_cast<uintptr_t>(memory_.data()) % 64) % 64;
  }
  Buffer(Buffer&&) = default;  // the vector's memory does not move
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  void* data() { return data_; }
  int64_t bytes() const { return bytes_; }
  bool intact() const {
    for (int i = 0; i < 64; ++i) {
      if (data_[bytes_ + i] != 0xa5) return false;
    }
    return true;
  }

 private:
  int64_t bytes_;
  std::vector<uint8_t> memory_;
  uint8_t* data_;
};

inline void run(const cpu::Kernel& kernel, const std::vector<const void*>& in, const std::vector<void*>& out,
                int threads = 1) {
  InlineParallel parallel(threads);
  Buffer workspace(static_cast<int64_t>(kernel.workspace_bytes(threads)));
  ct_error error{};
  for (int piece = 0; piece < kernel.pieces(threads); ++piece) {
    const ct_code code = kernel.run({in.data(), out.data(), workspace.data(), parallel, piece}, &error);
    CHECK(code == CT_OK, "%s", error.message);
  }
  CHECK(workspace.intact(), "the kernel wrote behind its workspace");
}

// Small, fast, and the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  int below(int n) { return static_cast<int>(bits() % static_cast<uint64_t>(n)); }
  double uniform(double low, double high) { return low + (high - low) * (static_cast<double>(bits() >> 11) * 0x1p-53); }

 private:
  uint64_t state_;
};

// Runs `test` in a process of its own for every SIMD target of the machine, because a process chooses its target once.
inline int on_every_target(void (*test)()) {
  int failed = 0;
  for (const std::string& name : target_names()) {
    const pid_t child = fork();
    if (child == 0) {
      setenv("COTANGENT_SIMD", name.c_str(), 1);
      CHECK(target_error().empty(), "%s", target_error().c_str());
      CHECK(name == target_name(current_target()), "expected target %s", name.c_str());
      test();
      if (failures) std::fprintf(stderr, "%s: %d checks failed\n", name.c_str(), failures);
      std::fflush(nullptr);
      _exit(failures ? 1 : 0);
    }
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
      std::fprintf(stderr, "failed on target %s\n", name.c_str());
      ++failed;
    }
  }
  return failed ? 1 : 0;
}

}  // namespace cotangent::testing

#endif
