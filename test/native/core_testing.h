// Helpers of the core's tests: Programs written equation by equation, encoded as TypeScript does, and runs on the CPU
// device.
#ifndef COTANGENT_TEST_CORE_TESTING_H
#define COTANGENT_TEST_CORE_TESTING_H

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "native/core/executor.h"

namespace cotangent::testing {

inline std::atomic<int> failures{0};

#define CHECK(condition, ...)                                              \
  do {                                                                     \
    if (!(condition) && ++::cotangent::testing::failures <= 40) {          \
      std::fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      std::fprintf(stderr, __VA_ARGS__);                                   \
      std::fprintf(stderr, "\n");                                          \
    }                                                                      \
  } while (0)

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  int below(int count) { return static_cast<int>(next() % static_cast<uint64_t>(count)); }

 private:
  uint64_t state_;
};

inline Type type_of(int32_t dtype, const std::vector<int64_t>& dims) {
  Type type = scalar_type(dtype);
  type.rank = static_cast<int32_t>(dims.size());
  for (size_t d = 0; d < dims.size(); ++d) type.dims[d] = dims[d];
  return type;
}

inline Type float64(const std::vector<int64_t>& dims = {}) { return type_of(CT_FLOAT64, dims); }
inline Type int32(const std::vector<int64_t>& dims = {}) { return type_of(CT_INT32, dims); }
inline Type boolean(const std::vector<int64_t>& dims = {}) { return type_of(CT_BOOL, dims); }

// A Program as TypeScript holds it. Inputs first, then constants, then equations.
struct Source {
  struct Line {
    std::string name;
    std::vector<int> in, out;
    std::vector<double> params;
    std::vector<std::string> labels;  // params that are names; they go first
    std::vector<Source> subs;
  };
  std::vector<Type> types;
  std::vector<bool> donated;
  std::vector<double> constants;
  std::vector<Line> lines;
  std::vector<int> outputs;

  int inputs() const { return static_cast<int>(donated.size()); }
  int input(const Type& type, bool donate = false) {
    donated.push_back(donate);
    return add(type);
  }
  int constant(int32_t dtype, double value) {
    constants.push_back(value);
    return add(scalar_type(dtype));
  }
  std::vector<int> apply(const std::string& name, const std::vector<int>& in, const std::vector<Type>& out,
                         const std::vector<double>& params = {}, const std::vector<Source>& subs = {},
                         const std::vector<std::string>& labels = {}) {
    Line line{name, in, {}, params, labels, subs};
    for (const Type& type : out) line.out.push_back(add(type));
    lines.push_back(line);
    return line.out;
  }
  int one(const std::string& name, const std::vector<int>& in, const Type& out,
          const std::vector<double>& params = {}) {
    return apply(name, in, {out}, params)[0];
  }

 private:
  int add(const Type& type) {
    types.push_back(type);
    return static_cast<int>(types.size()) - 1;
  }
};

struct Encoding {
  std::vector<double> words;
  std::vector<std::string> names;
};

inline Encoding encode(const Source& main) {
  Encoding code;
  const auto name = [&](const std::string& text) {
    for (size_t k = 0; k < code.names.size(); ++k) {
      if (code.names[k] == text) return static_cast<double>(k);
    }
    code.names.push_back(text);
    return static_cast<double>(code.names.size() - 1);
  };
  std::vector<const Source*> programs{&main};
  std::vector<double>& words = code.words;
  words = {1, 0};
  const auto put = [&](const std::vector<int>& items) { words.insert(words.end(), items.begin(), items.end()); };
  for (size_t at = 0; at < programs.size(); ++at) {
    const Source& program = *programs[at];
    for (const size_t count : {program.types.size(), program.donated.size(), program.constants.size(),
                               program.lines.size(), program.outputs.size()}) {
      words.push_back(static_cast<double>(count));
    }
    for (const Type& type : program.types) {
      words.push_back(type.dtype);
      words.push_back(type.rank);
      for (int k = 0; k < type.rank; ++k) words.push_back(static_cast<double>(type.dims[k]));
    }
    for (const bool donated : program.donated) words.push_back(donated);
    words.insert(words.end(), program.constants.begin(), program.constants.end());
    for (const Source::Line& line : program.lines) {
      words.push_back(name(line.name));
      words.push_back(static_cast<double>(line.in.size()));
      put(line.in);
      words.push_back(static_cast<double>(line.out.size()));
      put(line.out);
      words.push_back(static_cast<double>(line.labels.size() + line.params.size()));
      for (const std::string& label : line.labels) words.push_back(name(label));
      words.insert(words.end(), line.params.begin(), line.params.end());
      words.push_back(static_cast<double>(line.subs.size()));
      for (const Source& sub : line.subs) {
        words.push_back(static_cast<double>(programs.size()));
        programs.push_back(&sub);
      }
    }
    put(program.outputs);
  }
  words[1] = static_cast<double>(programs.size());
  return code;
}

inline Device& device() {
  static auto* const instance = new Device(*cotangent_backend());
  return *instance;
}
inline Executor& executor() {
  static auto* const instance = new Executor(device());
  return *instance;
}

inline Ref<Executable> compile(const Encoding& code, bool fuse = true) {
  Program program = decode(code.words.data(), code.words.size(), code.names, cotangent_backend()->formula);
  return Ref<Executable>::adopt(new Executable(device(), std::move(program), fuse));
}
inline Ref<Executable> compile(const Source& source, bool fuse = true) { return compile(encode(source), fuse); }

// Elements as doubles.
using Numbers = std::vector<double>;

inline Ref<Value> make_value(const Type& type, const Numbers& numbers) {
  Ref<Value> value = Ref<Value>::adopt(new Value(type));
  Ref<Buffer> buffer = Buffer::allocate(device().allocator(), static_cast<uint64_t>(byte_count(type)));
  for (size_t k = 0; k < numbers.size(); ++k) {
    store_scalar(type.dtype, numbers[k],
                 static_cast<char*>(buffer->pointer()) + k * static_cast<size_t>(dtype_bytes(type.dtype)));
  }
  value->make_ready(std::move(buffer));
  return value;
}

inline Numbers numbers_of(const Value& value) {
  Numbers numbers;
  const Type& type = value.type();
  for (int64_t k = 0; k < element_count(type); ++k) {
    numbers.push_back(
        load_scalar(type.dtype, static_cast<const char*>(value.buffer()->pointer()) + k * dtype_bytes(type.dtype)));
  }
  return numbers;
}

inline bool same(const Numbers& a, const Numbers& b) {
  if (a.size() != b.size()) return false;
  for (size_t k = 0; k < a.size(); ++k) {
    if (!(a[k] == b[k] || (a[k] != a[k] && b[k] != b[k]))) return false;
  }
  return true;
}

class Latch final : public Waiter {
 public:
  void settled() override {
    std::lock_guard<std::mutex> lock(mutex_);
    done_ = true;
    wake_.notify_all();
  }
  bool wait(int64_t milliseconds = 60'000) {
    std::unique_lock<std::mutex> lock(mutex_);
    return wake_.wait_for(lock, std::chrono::milliseconds(milliseconds), [this] { return done_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
};

// An environment without Node.
class TestClient final : public Client {
 public:
  ~TestClient() {
    executor().abort_all(*this);
    executor().drain(*this);
  }
  void progress(uint32_t, const EmitPlan& emit, const double* values) override {
    std::lock_guard<std::mutex> lock(mutex_);
    received_.emplace_back(emit.tag, Numbers(values, values + emit.names.size()));
  }
  std::vector<std::pair<std::string, Numbers>> received() {
    std::lock_guard<std::mutex> lock(mutex_);
    return received_;
  }

  std::vector<Ref<Value>> enqueue(Stream& stream, Executable& executable, const std::vector<Ref<Value>>& inputs) {
    Arguments arguments;
    arguments.inputs = inputs;
    return enqueue_owned(stream, executable, std::move(arguments));
  }
  // Keeps no reference to the inputs.
  std::vector<Ref<Value>> enqueue_owned(Stream& stream, Executable& executable, Arguments arguments) {
    for (const OutputPlan& output : executable.plan.outputs) {
      arguments.outputs.push_back(Ref<Value>::adopt(new Value(output.type)));
    }
    std::vector<Ref<Value>> outputs = arguments.outputs;
    CHECK(executor().enqueue(stream, executable, arguments, [] { return false; }), "enqueue gave up");
    return outputs;
  }

  bool idle() {
    Latch latch;
    IdleWaiter waiter(&latch);
    return !executor().wait_idle(*this, &waiter) || latch.wait();
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<std::string, Numbers>> received_;
};

inline bool await(const Ref<Value>& value, int64_t milliseconds = 60'000) {
  if (value->state() != Value::State::kPending) return true;
  static std::vector<std::unique_ptr<Latch>> latches;  // may be told after a timeout
  latches.push_back(std::make_unique<Latch>());
  Latch& latch = *latches.back();
  return !value->wait(&latch) || latch.wait(milliseconds);
}

// Expects an Error while compiling; returns its failure.
inline Failure compile_failure(const Encoding& code) {
  try {
    compile(code);
  } catch (const Error& error) {
    return error.failure();
  }
  CHECK(false, "compiled");
  return {};
}
inline Failure compile_failure(const Source& source) { return compile_failure(encode(source)); }

}  // namespace cotangent::testing

#endif
