// Runs one equation on the CPU backend and on the CUDA backend under host emulation, through the backend ABI, and
// compares. The CPU's kernels have tests of their own against arithmetic written for clarity.
#ifndef COTANGENT_TEST_CUDA_TESTING_H
#define COTANGENT_TEST_CUDA_TESTING_H

#include <dlfcn.h>

#include <cstdlib>

#include "native/core/pool.h"
#include "test/native/kernel_testing.h"

namespace cotangent::testing {

// A backend, its device and a queue.
class Opened {
 public:
  explicit Opened(const ct_backend& backend) : backend_(backend) {
    ct_error error{};
    CHECK(backend_.device_open(0, &device_, &error) == CT_OK, "%s", error.message);
    CHECK(backend_.queue_create(device_, 1, &queue_, &error) == CT_OK, "%s", error.message);
  }
  ~Opened() {
    backend_.queue_destroy(queue_);
    backend_.device_close(device_);
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  // Runs the equation; result `shared.first` (if >= 0) shares the buffer of operand `shared.second`. Bit k of
  // `constants`: the value of operand k is known when the equation is prepared.
  std::vector<Value> run(const char* kernel, const std::vector<Value>& in, const std::vector<ct_type>& out,
                         const std::vector<double>& params, std::pair<int, int> shared = {-1, -1},
                         uint64_t constants = 0) {
    const Prepared op(*this, kernel, in, out, params, constants);
    std::vector<void*> results;
    std::vector<const void*> operands;
    std::vector<Memory> memory;
    ct_error error{};
    for (const Value& value : in) {
      Buffer host = to_buffer(value);
      memory.emplace_back(*this, host.bytes());
      CHECK(backend_.write(queue_, memory.back().pointer, host.data(), static_cast<uint64_t>(host.bytes()), &error) ==
                CT_OK,
            "%s", error.message);
      operands.push_back(memory.back().pointer);
    }
    for (size_t j = 0; j < out.size(); ++j) {
      if (shared.first == static_cast<int>(j)) {
        results.push_back(const_cast<void*>(operands[static_cast<size_t>(shared.second)]));
      } else {
        memory.emplace_back(*this, byte_count(out[j]));
        results.push_back(memory.back().pointer);
      }
    }
    const int32_t threads = 1;
    const FixedThreads fixed(threads);  // the CPU cuts its work by this setting
    memory.emplace_back(*this, static_cast<int64_t>(backend_.workspace_bytes(op.op, threads)));
    void* const workspace = memory.back().pointer;
    for (int32_t piece = 0; piece < backend_.pieces(op.op, threads); ++piece) {
      CHECK(backend_.run(op.op, queue_, operands.data(), results.data(), workspace, piece, &error) == CT_OK, "%s",
            error.message);
    }
    CHECK(backend_.synchronize(queue_, &error) == CT_OK, "%s: %s", kernel, error.message);
    // Results in place of one of many operands are thousands of runs: the first one has looked at all of them.
    const bool looks = shared.first < 0 || in.size() <= 4;
    for (size_t k = 0; looks && k < in.size(); ++k) {
      if (shared.first >= 0 && static_cast<int>(k) == shared.second) continue;
      Buffer before = to_buffer(in[k]), after(before.bytes());
      CHECK(backend_.read(queue_, after.data(), operands[k], static_cast<uint64_t>(after.bytes()), &error) == CT_OK,
            "%s", error.message);
      CHECK(before.bytes() == 0 || std::memcmp(before.data(), after.data(), static_cast<size_t>(before.bytes())) == 0,
            "%s: operand %zu was changed", kernel, k);
    }
    std::vector<Value> values;
    for (size_t j = 0; j < out.size(); ++j) {
      Buffer host(byte_count(out[j]));
      CHECK(backend_.read(queue_, host.data(), results[j], static_cast<uint64_t>(host.bytes()), &error) == CT_OK, "%s",
            error.message);
      values.push_back(from_buffer(out[j], host));
    }
    return values;
  }

  // Of an equation on operands that need not exist.
  uint64_t workspace_bytes(const char* kernel, const std::vector<ct_type>& in, const std::vector<ct_type>& out,
                           const std::vector<double>& params) {
    const std::vector<const void*> known(in.size());
    const ct_op_desc desc{kernel,
                          static_cast<int32_t>(in.size()),
                          static_cast<int32_t>(out.size()),
                          static_cast<int32_t>(params.size()),
                          in.data(),
                          out.data(),
                          params.data(),
                          known.data()};
    ct_op* op = nullptr;
    ct_op_info info{};
    ct_error error{};
    CHECK(backend_.prepare(device_, &desc, &op, &info, &error) == CT_OK, "%s", error.message);
    const uint64_t bytes = backend_.workspace_bytes(op, 1);
    backend_.op_destroy(op);
    return bytes;
  }

  ct_op_info info(const char* kernel, const std::vector<Value>& in, const std::vector<ct_type>& out,
                  const std::vector<double>& params, uint64_t constants = 0) {
    return Prepared(*this, kernel, in, out, params, constants).info;
  }

 private:
  struct Memory {
    Memory(Opened& owner, int64_t bytes) : owner(owner), bytes(static_cast<uint64_t>(bytes > 0 ? bytes : 1)) {
      ct_error error{};
      CHECK(owner.backend_.allocate(owner.device_, this->bytes, &pointer, &error) == CT_OK, "%s", error.message);
    }
    Memory(Memory&& other) noexcept : owner(other.owner), bytes(other.bytes), pointer(other.pointer) {
      other.pointer = nullptr;
    }
    ~Memory() {
      if (pointer) owner.backend_.release(owner.device_, pointer, bytes);
    }
    Opened& owner;
    uint64_t bytes;
    void* pointer = nullptr;
  };

  struct Prepared {
    Prepared(Opened& owner, const char* kernel, const std::vector<Value>& in, const std::vector<ct_type>& out,
             const std::vector<double>& params, uint64_t constants)
        : backend(owner.backend_) {
      std::vector<ct_type> types;
      std::vector<Buffer> buffers;
      std::vector<const void*> known;
      for (size_t k = 0; k < in.size(); ++k) {
        types.push_back(in[k].type);
        buffers.push_back(to_buffer(in[k]));
        known.push_back(constants >> k & 1 ? buffers.back().data() : nullptr);
      }
      const ct_op_desc desc{kernel,
                            static_cast<int32_t>(in.size()),
                            static_cast<int32_t>(out.size()),
                            static_cast<int32_t>(params.size()),
                            types.data(),
                            out.data(),
                            params.data(),
                            known.data()};
      ct_error error{};
      CHECK(backend.prepare(owner.device_, &desc, &op, &info, &error) == CT_OK, "%s", error.message);
    }
    ~Prepared() { backend.op_destroy(op); }
    Prepared(const Prepared&) = delete;
    Prepared& operator=(const Prepared&) = delete;
    const ct_backend& backend;
    ct_op* op = nullptr;
    ct_op_info info{};
  };

  const ct_backend& backend_;
  ct_device* device_ = nullptr;
  ct_queue* queue_ = nullptr;
};

// The library's file comes from the build (COTANGENT_CUDA_EMULATED_LIBRARY).
inline const ct_backend& emulated_backend() {
  static const ct_backend* const backend = [] {
    void* const library = dlopen(COTANGENT_CUDA_EMULATED_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    CHECK(library, "%s", dlerror());
    const auto entry = reinterpret_cast<const ct_backend* (*)()>(dlsym(library, "cotangent_backend"));
    CHECK(entry, "%s", dlerror());
    return entry();
  }();
  return *backend;
}

// How far a float of the GPU may be from the CPU's: |gpu - cpu| <= absolute + relative |cpu|; NaN equals NaN, and
// infinity itself alone. Integers are exact.
struct Tolerance {
  double relative = 0, absolute = 0;

  bool allows(int32_t dtype, double expected, double received) const {
    if (same(expected, received)) return true;
    if (dtype > CT_FLOAT64 || !std::isfinite(expected)) return false;
    return std::abs(received - expected) <= absolute + relative * std::abs(expected);
  }
};

// The order of blocks and lanes that this process was started with; empty: the usual one.
inline std::string emulation_order() {
  const char* const order = std::getenv("COTANGENT_EMULATION_ORDER");
  return order && std::strcmp(order, "forward") != 0 ? order : "";
}

class CudaComparison {
 public:
  CudaComparison() : cpu_(*cotangent_backend()), cuda_(emulated_backend()) {}

  // Both backends on the same operands; also in place wherever the GPU's kernel says that it may be.
  void check(const char* kernel, const std::vector<Value>& in, const std::vector<ct_type>& out,
             const std::vector<double>& params, Tolerance tolerance = {}, uint64_t constants = 0) {
    if (!picked()) return;
    const std::vector<Value> expected = cpu_.run(kernel, in, out, params, {-1, -1}, constants);
    compare(kernel, in, expected, cuda_.run(kernel, in, out, params, {-1, -1}, constants), tolerance);
    const ct_op_info info = cuda_.info(kernel, in, out, params, constants);
    for (size_t j = 0; j < out.size(); ++j) {
      for (size_t k = 0; k < in.size(); ++k) {
        if (!(info.in_place[j] >> k & 1)) continue;
        if (in.size() * out.size() > 64 && pick_.below(16) != 0) continue;  // of thousands of pairs, some
        const std::pair<int, int> shared{static_cast<int>(j), static_cast<int>(k)};
        compare(kernel, in, expected, cuda_.run(kernel, in, out, params, shared, constants), tolerance);
      }
    }
  }

  Opened& cuda() { return cuda_; }

 private:
  static void compare(const char* kernel, const std::vector<Value>& in, const std::vector<Value>& expected,
                      const std::vector<Value>& received, Tolerance tolerance) {
    for (size_t j = 0; j < expected.size(); ++j) {
      for (size_t i = 0; i < expected[j].data.size(); ++i) {
        const double wanted = expected[j].data[i], got = received[j].data[i];
        CHECK(tolerance.allows(expected[j].type.dtype, wanted, got),
              "%s of %s: result %zu, element %zu: the CPU gives %.17g, the GPU %.17g", kernel,
              in.empty() ? "nothing" : describe(in[0].type).c_str(), j, i, wanted, got);
      }
    }
  }

  // All checks in the usual order. Every test is run again in reverse and in a random order (CMakeLists.txt), with some
  // of the checks, others in each: all of them would take three times as long.
  bool picked() { return order_.empty() || pick_.below(kOneIn) == 0; }

  static constexpr int kOneIn = 4;
  const std::string order_ = emulation_order();
  Random pick_{order_ == "reverse" ? 1u : 2u};
  Opened cpu_, cuda_;
};

}  // namespace cotangent::testing

#endif
