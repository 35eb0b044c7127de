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

#include "native/backend/description.h"
#include "native/core/parallel.h"

namespace cotangent::cpu {

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
  int pieces_by_time(int threads, int64_t most) const { return pieces_by_time(estimated_ns, threads, most); }
  static int pieces_by_time(double ns, int threads, int64_t most) {
    constexpr double kPieceNs = 3e6;  // estimates are of plain machines: usually it takes half as long
    const double wanted = ns / threads / kPieceNs;
    return static_cast<int>(std::clamp<double>(wanted, 1, static_cast<double>(std::clamp<int64_t>(most, 1, 4096))));
  }
};

// What a launch will cost on one thread of a plain machine: 10 GB/s, 20 GFLOP/s in float32.
inline double estimate_ns(double bytes, double flops = 0) { return 100 + bytes / 10 + flops / 20; }

// Bytes rounded up so that what follows them in a workspace is aligned, too.
inline int64_t aligned_bytes(int64_t bytes) { return (bytes + 63) / 64 * 64; }

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
