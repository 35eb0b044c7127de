// linearRecurrence: y_k = a_k y_(k-1) + b_k along one axis, from its start or (reverse) from its end. The operands are
// seen as [outer, size, inner]; lines are shared out over the threads, a line is not cut.
#include <algorithm>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/cumulative/cumulative.h"
#include "native/kernels/cumulative/cumulative_loops.h"
#include "native/kernels/cumulative/parameters.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kGrain = 8192;  // elements worth a thread

class RecurrenceKernel : public Kernel {
 public:
  RecurrenceKernel(const OpDesc& desc, const LineParameters& line)
      : loops_(COTANGENT_SIMD_DISPATCH(recurrence_loops)(line.dtype)),
        reverse_(line.reverse),
        element_(element_bytes(line.dtype)),
        outer_(line.outer),
        size_(line.size),
        inner_(line.inner),
        tiles_{line.outer, line.inner} {
    estimated_ns = estimate_ns(traffic(desc) + 16.0 * static_cast<double>(element_count(desc.in(0))));
    in_place[0] = 2;
  }

  int pieces(int threads) const override { return pieces_by_time(threads, tiles_.items()); }

  ct_code run(const Launch& launch, ct_error*) const override {
    if (outer_ * size_ * inner_ == 0) return CT_OK;
    const char *const a = static_cast<const char*>(launch.in[0]), *const b = static_cast<const char*>(launch.in[1]);
    char* const y = static_cast<char*>(launch.out[0]);
    const Piece piece(tiles_.items(), launch.piece, pieces(launch.parallel.threads()));
    if (inner_ == 1) {
      launch.parallel.range(piece.length(), kGrain / size_, 8, [&](int64_t begin, int64_t end) {
        const int64_t at = (piece.begin + begin) * size_ * element_;
        loops_.lines(a + at, b + at, y + at, end - begin, size_, reverse_);
      });
      return CT_OK;
    }
    launch.parallel.range(piece.length(), kGrain / (size_ * tiles_.width()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = piece.begin + begin; i < piece.begin + end; ++i) {
        const int64_t column = i % tiles_.count() * tiles_.width();
        const int64_t at = (i / tiles_.count() * size_ * inner_ + column) * element_;
        loops_.columns(a + at, b + at, y + at, size_, inner_, std::min(tiles_.width(), inner_ - column), reverse_);
      }
    });
    return CT_OK;
  }

 private:
  RecurrenceLoops loops_;
  bool reverse_;
  int64_t element_, outer_, size_, inner_;
  LineTiles tiles_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_linear_recurrence(const OpDesc& desc) {
  return std::make_unique<RecurrenceKernel>(desc, LineParameters::of_recurrence(desc));
}

}  // namespace cotangent::cpu
