// Helpers of the kernel tests: values as doubles, launches over several cuts, index arithmetic written for clarity.
#ifndef COTANGENT_TEST_KERNEL_TESTING_H
#define COTANGENT_TEST_KERNEL_TESTING_H

#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "native/backend/cpu/kernel.h"
#include "test/native/chain_testing.h"

namespace cotangent::testing {

using Dims = std::vector<int64_t>;

// A tensor whose elements are kept as doubles; float32 values must be representable.
struct Value {
  ct_type type;
  std::vector<double> data;
};

inline int64_t count_of(const Dims& dims) {
  int64_t count = 1;
  for (const int64_t dim : dims) count *= dim;
  return count;
}

template <class F>
void with_type(int32_t dtype, F&& f) {
  switch (dtype) {
    case CT_FLOAT32:
      return f(float{});
    case CT_FLOAT64:
      return f(double{});
    case CT_INT32:
      return f(int32_t{});
    case CT_UINT32:
      return f(uint32_t{});
    default:
      return f(uint8_t{});
  }
}

inline double round_to(int32_t dtype, double x) {
  return dtype == CT_FLOAT32 ? static_cast<double>(static_cast<float>(x)) : x;
}

inline Value value(int32_t dtype, const Dims& dims, std::vector<double> data) {
  return {type_of(dtype, dims), std::move(data)};
}

// Floats in [-1, 1), integers in [-50, 50] (uint32: [0, 100]), bools.
inline Value random_value(int32_t dtype, const Dims& dims, Random& random) {
  std::vector<double> data(static_cast<size_t>(count_of(dims)));
  for (double& x : data) {
    if (dtype <= CT_FLOAT64) {
      x = round_to(dtype, random.uniform(-1, 1));
    } else {
      x = dtype == CT_BOOL ? random.below(2) : random.below(101) - (dtype == CT_INT32 ? 50 : 0);
    }
  }
  return value(dtype, dims, std::move(data));
}

inline Value indices(const Dims& dims, std::vector<double> data) { return value(CT_INT32, dims, std::move(data)); }

inline Buffer to_buffer(const Value& value) {
  Buffer buffer(byte_count(value.type));
  with_type(value.type.dtype, [&](auto type) {
    using T = decltype(type);
    for (size_t i = 0; i < value.data.size(); ++i) buffer.as<T>()[i] = static_cast<T>(value.data[i]);
  });
  return buffer;
}

inline Value from_buffer(const ct_type& type, Buffer& buffer) {
  Value value{type, std::vector<double>(static_cast<size_t>(element_count(type)))};
  with_type(type.dtype, [&](auto element) {
    using T = decltype(element);
    for (size_t i = 0; i < value.data.size(); ++i) value.data[i] = static_cast<double>(buffer.as<T>()[i]);
  });
  return value;
}

// Runs the parts at the same time, the last one first to be started.
class ThreadedParallel : public Parallel {
 public:
  explicit ThreadedParallel(int threads) : threads_(threads) {}
  int threads() const override { return threads_; }
  void run(int parts, void (*body)(void*, int), void* context) override {
    std::vector<std::thread> workers;
    for (int part = parts; part-- > 0;) workers.emplace_back(body, context, part);
    for (std::thread& worker : workers) worker.join();
  }

 private:
  int threads_;
};

inline const cpu::Registry& all_kernels() {
  static const cpu::Registry registry = [] {
    cpu::Registry made;
    cpu::register_movement(made);
    cpu::register_reduce(made);
    cpu::register_matmul(made);
    cpu::register_linalg(made);
    cpu::register_random(made);
    cpu::register_convolution(made);
    cpu::register_pooling(made);
    cpu::register_cumulative(made);
    cpu::register_sort(made);
    cpu::register_fft(made);
    return made;
  }();
  return registry;
}

inline std::unique_ptr<cpu::Kernel> prepare_kernel(const char* name, const std::vector<Value>& in,
                                                   const std::vector<ct_type>& out, const std::vector<double>& params) {
  std::vector<ct_type> types;
  for (const Value& value : in) types.push_back(value.type);
  const ct_op_desc desc{name,
                        static_cast<int32_t>(in.size()),
                        static_cast<int32_t>(out.size()),
                        static_cast<int32_t>(params.size()),
                        types.data(),
                        out.data(),
                        params.data(),
                        nullptr};
  return all_kernels().find(name)(OpDesc(desc));
}

inline std::vector<Buffer> launch(const cpu::Kernel& kernel, Parallel& parallel, const std::vector<Value>& in,
                                  const std::vector<ct_type>& out, int shared_input) {
  std::vector<Buffer> in_buffers, out_buffers;
  for (const Value& value : in) in_buffers.push_back(to_buffer(value));
  for (size_t k = 0; k < out.size(); ++k) {
    const bool shared = k == 0 && shared_input >= 0;
    out_buffers.push_back(shared ? to_buffer(in[static_cast<size_t>(shared_input)]) : Buffer(byte_count(out[k])));
  }
  std::vector<const void*> in_pointers;
  std::vector<void*> out_pointers;
  for (Buffer& buffer : in_buffers) in_pointers.push_back(buffer.data());
  for (Buffer& buffer : out_buffers) out_pointers.push_back(buffer.data());
  if (shared_input >= 0) in_pointers[static_cast<size_t>(shared_input)] = out_pointers[0];
  Buffer workspace(static_cast<int64_t>(kernel.workspace_bytes(parallel.threads())));
  ct_error error{};
  for (int piece = 0; piece < kernel.pieces(parallel.threads()); ++piece) {
    CHECK(kernel.run({in_pointers.data(), out_pointers.data(), workspace.data(), parallel, piece}, &error) == CT_OK,
          "%s", error.message);
  }
  CHECK(workspace.intact(), "the kernel wrote behind its workspace");
  for (Buffer& buffer : out_buffers) CHECK(buffer.intact(), "the kernel wrote behind a result");
  for (size_t k = 0; k < in.size(); ++k) {
    if (static_cast<int>(k) == shared_input || in[k].data.empty()) continue;
    Buffer before = to_buffer(in[k]);
    CHECK(std::memcmp(before.data(), in_buffers[k].data(), static_cast<size_t>(before.bytes())) == 0,
          "operand %zu was changed", k);
  }
  return out_buffers;
}

inline bool same_bits(std::vector<Buffer>& a, std::vector<Buffer>& b) {
  for (size_t k = 0; k < a.size(); ++k) {
    if (std::memcmp(a[k].data(), b[k].data(), static_cast<size_t>(a[k].bytes())) != 0) return false;
  }
  return true;
}

constexpr int kAnyCut = 0;

// Results of a kernel cut into `cut` parts: the same bits whether the parts run at once or in turn, and whether result
// 0 shares the buffer of any operand that the kernel allows. kAnyCut: 1, 2, 3 and 7 parts must all give the same bits.
inline std::vector<Value> run_kernel(const char* name, const std::vector<Value>& in, const std::vector<ct_type>& out,
                                     const std::vector<double>& params, int cut = kAnyCut) {
  const std::unique_ptr<cpu::Kernel> kernel = prepare_kernel(name, in, out, params);
  CHECK(kernel->estimated_ns > 0, "%s", name);
  InlineParallel reference(cut == kAnyCut ? 1 : cut);
  std::vector<Buffer> expected = launch(*kernel, reference, in, out, -1);
  const std::vector<int> cuts = cut == kAnyCut ? std::vector<int>{1, 2, 3, 7} : std::vector<int>{cut};
  for (const int threads : cuts) {
    InlineParallel in_turn(threads);
    ThreadedParallel at_once(threads);
    if (threads != reference.threads()) {
      std::vector<Buffer> received = launch(*kernel, in_turn, in, out, -1);
      CHECK(same_bits(expected, received), "%s depends on the cut into %d parts", name, threads);
    }
    if (threads > 1 && threads < 7) {
      std::vector<Buffer> received = launch(*kernel, at_once, in, out, -1);
      CHECK(same_bits(expected, received), "%s depends on who runs its %d parts", name, threads);
    }
    for (size_t k = 0; k < in.size(); ++k) {
      if (!(kernel->in_place[0] >> k & 1)) continue;
      std::vector<Buffer> received = launch(*kernel, in_turn, in, out, static_cast<int>(k));
      CHECK(same_bits(expected, received), "%s in place of operand %zu", name, k);
    }
  }
  std::vector<Value> results;
  for (size_t k = 0; k < out.size(); ++k) results.push_back(from_buffer(out[k], expected[k]));
  return results;
}

inline Value run_one(const char* name, const std::vector<Value>& in, const ct_type& out,
                     const std::vector<double>& params, int cut = kAnyCut) {
  return run_kernel(name, in, {out}, params, cut)[0];
}

// f(index) for every index of an array, in row-major order.
inline void for_each_index(const Dims& dims, const std::function<void(const Dims&)>& f) {
  if (count_of(dims) == 0) return;
  Dims index(dims.size(), 0);
  for (;;) {
    f(index);
    size_t k = dims.size();
    while (k > 0 && ++index[k - 1] == dims[k - 1]) index[--k] = 0;
    if (k == 0) return;
  }
}

inline size_t offset_of(const Dims& dims, const Dims& index) {
  int64_t offset = 0;
  for (size_t k = 0; k < dims.size(); ++k) offset = offset * dims[k] + index[k];
  return static_cast<size_t>(offset);
}

inline bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

inline std::string text_of(const Dims& dims) {
  std::string text = "[";
  for (size_t k = 0; k < dims.size(); ++k) text += (k ? ", " : "") + std::to_string(dims[k]);
  return text + "]";
}

inline void check_equal(const Value& received, const std::vector<double>& expected, const std::string& what) {
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK(same(received.data[i], expected[i]), "%s: element %zu: expected %.17g, received %.17g", what.c_str(), i,
          expected[i], received.data[i]);
  }
}

// A call that `prepare` must refuse with this code.
inline void check_refused(const char* name, const std::vector<ct_type>& in, const std::vector<ct_type>& out,
                          const std::vector<double>& params, ct_code code) {
  std::vector<Value> values;
  for (const ct_type& type : in) values.push_back({type, {}});
  try {
    prepare_kernel(name, values, out, params);
    CHECK(false, "%s accepted what it must refuse", name);
  } catch (const KernelError& error) {
    CHECK(error.code == code, "%s: expected code %d, received %d: %s", name, code, error.code, error.message.c_str());
    CHECK(error.message.rfind("Expected ", 0) == 0 && error.message.find(", received ") != std::string::npos, "%s",
          error.message.c_str());
  }
}

}  // namespace cotangent::testing

#endif
