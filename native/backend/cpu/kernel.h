// What a CPU kernel is inside the CPU backend. A kernel family registers one `Prepare` per kernel name; `prepare`
// checks the description, decides everything that can be decided before data is seen and returns an immutable Kernel.
#ifndef COTANGENT_BACKEND_CPU_KERNEL_H
#define COTANGENT_BACKEND_CPU_KERNEL_H

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "native/backend/backend.h"
#include "native/core/parallel.h"

namespace cotangent::cpu {

// Thrown by `Prepare` only; the backend turns it into a ct_error at the ABI. Kernels never throw while running.
struct KernelError {
  ct_code code;
  std::string message;  // "Expected ..., received ..."; the backend adds the kernel's name
};

inline int64_t element_bytes(int32_t dtype) {
  switch (dtype) {
    case CT_FLOAT32:
    case CT_INT32:
    case CT_UINT32:
      return 4;
    case CT_FLOAT64:
      return 8;
    case CT_BOOL:
      return 1;
  }
  throw KernelError{CT_DTYPE, "Expected a dtype code in [0, 4], received " + std::to_string(dtype) + "."};
}

inline const char* dtype_name(int32_t dtype) {
  static constexpr const char* kNames[] = {"float32", "float64", "int32", "uint32", "bool"};
  return dtype >= 0 && dtype <= 4 ? kNames[dtype] : "unknown";
}

inline int64_t element_count(const ct_type& type) {
  int64_t count = 1;
  for (int32_t i = 0; i < type.rank; ++i) count *= type.dims[i];
  return count;
}

inline int64_t byte_count(const ct_type& type) { return element_count(type) * element_bytes(type.dtype); }

inline std::vector<int64_t> dims(const ct_type& type) { return {type.dims, type.dims + type.rank}; }

// "float32 [2, 3]"
inline std::string describe(const ct_type& type) {
  std::string text = std::string(dtype_name(type.dtype)) + " [";
  for (int32_t i = 0; i < type.rank; ++i) text += (i ? ", " : "") + std::to_string(type.dims[i]);
  return text + "]";
}

// A view of ct_op_desc with checked access. Valid only while `prepare` runs.
class OpDesc {
 public:
  explicit OpDesc(const ct_op_desc& desc) : desc_(desc) {}

  std::string_view kernel() const { return desc_.kernel; }
  int in_count() const { return desc_.n_in; }
  int out_count() const { return desc_.n_out; }
  int param_count() const { return desc_.n_params; }

  const ct_type& in(int k) const { return at(desc_.in, desc_.n_in, k, "operand"); }
  const ct_type& out(int k) const { return at(desc_.out, desc_.n_out, k, "result"); }
  double param(int k) const { return at(desc_.params, desc_.n_params, k, "parameter"); }

  // A parameter that must be an integer a double holds exactly.
  int64_t integer(int k) const {
    const double value = param(k);
    const bool in_range = value >= -9007199254740992.0 && value <= 9007199254740992.0;
    if (!in_range || value != static_cast<double>(static_cast<int64_t>(value))) {
      throw KernelError{CT_INTERNAL, "Expected parameter " + std::to_string(k) + " to be an integer, received " +
                                         std::to_string(value) + "."};
    }
    return static_cast<int64_t>(value);
  }

  // Value of input k when it is a scalar known at compile time, else null. Copy what you need.
  const void* constant(int k) const {
    in(k);
    return desc_.constants ? desc_.constants[k] : nullptr;
  }

  void expect_operands(int in_count, int out_count) const {
    if (desc_.n_in == in_count && desc_.n_out == out_count) return;
    throw KernelError{CT_INTERNAL, "Expected " + std::to_string(in_count) + " operands and " +
                                       std::to_string(out_count) + " results, received " + std::to_string(desc_.n_in) +
                                       " and " + std::to_string(desc_.n_out) + "."};
  }

 private:
  template <class T>
  static const T& at(const T* items, int count, int k, const char* what) {
    if (k >= 0 && k < count) return items[k];
    throw KernelError{CT_INTERNAL, std::string("Expected ") + what + " " + std::to_string(k) + ", received only " +
                                       std::to_string(count) + "."};
  }

  const ct_op_desc& desc_;
};

// One launch. Buffers are 64-byte aligned, `workspace` holds workspace_bytes(parallel.threads()) bytes, `piece` is in
// [0, pieces(parallel.threads())).
struct Launch {
  const void* const* in;
  void* const* out;
  void* workspace;
  Parallel& parallel;
  int piece = 0;
};

// A prepared equation. Immutable after `prepare`: several threads may run it at once.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual ct_code run(const Launch& launch, ct_error* error) const = 0;
  virtual uint64_t workspace_bytes(int threads) const {
    (void)threads;
    return 0;
  }

  // A launch of more than some milliseconds is cut into pieces: they run in order, and what one of them leaves in the
  // buffers and the workspace the next one finds.
  virtual int pieces(int threads) const {
    (void)threads;
    return 1;
  }

  double estimated_ns = 0;                  // on one thread
  uint64_t in_place[CT_MAX_OPERANDS] = {};  // bit k of in_place[j]: output j may share the buffer of input k

 protected:
  // Pieces of about the length of an executor's slice; at most `most`.
  int pieces_by_time(int threads, int64_t most) const {
    constexpr double kPieceNs = 3e6;  // estimates are of plain machines: usually it takes half as long
    const double wanted = estimated_ns / threads / kPieceNs;
    return static_cast<int>(std::clamp<double>(wanted, 1, static_cast<double>(std::clamp<int64_t>(most, 1, 4096))));
  }
};

// Piece `piece` of `pieces` of [0, n), cut at multiples of `align`.
struct Piece {
  Piece(int64_t n, int piece, int pieces, int64_t align = 1) {
    const int64_t blocks = (n + align - 1) / align;
    begin = blocks * piece / pieces * align;
    end = std::min(n, blocks * (piece + 1) / pieces * align);
  }
  int64_t begin, end;
  int64_t length() const { return std::max<int64_t>(0, end - begin); }
};

using Prepare = std::unique_ptr<Kernel> (*)(const OpDesc&);  // throws KernelError

class Registry {
 public:
  void add(const char* name, Prepare prepare) { table_[name] = prepare; }
  Prepare find(std::string_view name) const {
    const auto found = table_.find(name);
    return found == table_.end() ? nullptr : found->second;
  }

 private:
  std::map<std::string, Prepare, std::less<>> table_;
};

void register_elementwise(Registry& registry);
void register_movement(Registry& registry);
void register_reduce(Registry& registry);
void register_matmul(Registry& registry);
void register_linalg(Registry& registry);
void register_random(Registry& registry);
void register_convolution(Registry& registry);
void register_pooling(Registry& registry);
void register_cumulative(Registry& registry);
void register_sort(Registry& registry);
void register_fft(Registry& registry);

}  // namespace cotangent::cpu

#endif
