// cholesky: A = L L^T, batched, row-major; only the lower triangle of A is read, the upper triangle of L is zero.
//
// Batches are spread over the parts; of small matrices as many at once as a vector has lanes (cholesky_loops.h), since
// LAPACK's calls cost more than their arithmetic there. A single large matrix is factored block column by block column
// (right-looking): the diagonal block by LAPACK, the panel below it by triangular solves cut over its rows, and the
// trailing matrix by products cut into bands of equal area.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "native/backend/cpu/blas.h"
#include "native/kernels/linalg/batch.h"
#include "native/kernels/linalg/cholesky_loops.h"
#include "native/kernels/linalg/linalg.h"

namespace cotangent::cpu {
namespace {

constexpr int kSmallSize = 64;     // up to here a batch is factored side by side
constexpr int kBlockedSize = 384;  // from here on a matrix is worth more than one thread

template <class T>
CholeskyLoops<T> cholesky_loops() {
  if constexpr (sizeof(T) == 4) {
    return COTANGENT_SIMD_DISPATCH(cholesky_loops_float32)();
  } else {
    return COTANGENT_SIMD_DISPATCH(cholesky_loops_float64)();
  }
}

template <class T>
class CholeskyKernel : public Kernel {
 public:
  CholeskyKernel(const OpDesc& desc, int64_t batch, int n) : batch_(batch), n_(n) {
    estimated_ns = estimate_ns(traffic(desc), flops() * static_cast<double>(batch) * (sizeof(T) == 4 ? 1 : 2));
    in_place[0] = 1;
    if (n > 0 && n <= kSmallSize && batch >= cholesky_loops<T>().lanes) loops_ = cholesky_loops<T>();
  }

  uint64_t workspace_bytes(int threads) const override { return static_cast<uint64_t>(threads * room()) * sizeof(T); }

  // Block columns of large matrices, batches of others.
  int pieces(int threads) const override {
    if (in_blocks(threads)) return static_cast<int>(std::min<int64_t>(batch_ * blocks(), INT32_MAX));
    return pieces_by_time(threads, batch_ / std::max(1, threads));
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    const T* const a = static_cast<const T*>(launch.in[0]);
    T* const l = static_cast<T*>(launch.out[0]);
    int32_t* const info = static_cast<int32_t*>(launch.out[1]);
    Parallel& parallel = launch.parallel;
    const int64_t size = static_cast<int64_t>(n_) * n_;
    if (n_ == 0) std::fill_n(info, batch_, 0);
    if (n_ == 0 || batch_ == 0) return CT_OK;
    if (in_blocks(parallel.threads())) {
      const int i = launch.piece / blocks(), step = launch.piece % blocks();
      T* const matrix = l + i * size;
      if (step == 0) {
        parallel.range(n_, 64, 16, [&](int64_t begin, int64_t end) { copy_lower(matrix, a + i * size, begin, end); });
        info[i] = 0;
      }
      if (info[i] == 0) info[i] = factor_block(parallel, matrix, step * block());
      if (step + 1 == blocks()) info[i] = finish(matrix, info[i]);
      return CT_OK;
    }
    const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kPartFlops / flops()));
    const Piece piece(batch_, launch.piece, pieces(parallel.threads()), loops_.lanes);
    if (loops_.factor) {
      const int64_t groups = (piece.length() + loops_.lanes - 1) / loops_.lanes;
      const int64_t parts =
          std::clamp<int64_t>(piece.length() / grain, 1, std::min<int64_t>(groups, parallel.threads()));
      parallel.parts(static_cast<int>(parts), [&](int part) {
        T* const workspace = static_cast<T*>(launch.workspace) + part * room();
        const int64_t end = std::min(piece.end, piece.begin + groups * (part + 1) / parts * loops_.lanes);
        for (int64_t i = piece.begin + groups * part / parts * loops_.lanes; i < end; i += loops_.lanes) {
          const int count = static_cast<int>(std::min<int64_t>(loops_.lanes, end - i));
          loops_.factor(a + i * size, l + i * size, n_, count, workspace);
          for (int64_t k = i; k < i + count; ++k) info[k] = finish(l + k * size, 0);
        }
      });
      return CT_OK;
    }
    parallel.range(piece.length(), grain, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = piece.begin + begin; i < piece.begin + end; ++i) {
        T* const matrix = l + i * size;
        copy_lower(matrix, a + i * size, 0, n_);
        info[i] = finish(matrix, blas::potrf('U', n_, matrix, n_));
      }
    });
    return CT_OK;
  }

 private:
  // Elements of a part's workspace, in whole cache lines.
  int64_t room() const { return loops_.factor ? (loops_.room(n_) + 15) / 16 * 16 : 0; }

  bool in_blocks(int threads) const { return n_ >= kBlockedSize && batch_ < threads; }
  int block() const { return n_ < 1024 ? 64 : 128; }
  int blocks() const { return (n_ + block() - 1) / block(); }
  double flops() const { return static_cast<double>(n_) * n_ * n_ / 3; }

  T* at(T* matrix, int64_t row, int64_t column) const { return matrix + row * n_ + column; }

  // Rows [begin, end); a may be l.
  void copy_lower(T* l, const T* a, int64_t begin, int64_t end) const {
    for (int64_t r = begin; r < end; ++r) {
      if (l != a) std::memcpy(l + r * n_, a + r * n_, static_cast<size_t>(r + 1) * sizeof(T));
      std::memset(l + r * n_ + r + 1, 0, static_cast<size_t>(n_ - r - 1) * sizeof(T));
    }
  }

  // LAPACK does not look for NaN and infinity everywhere; both end up on the diagonal. A failing matrix becomes NaN.
  int32_t finish(T* matrix, int info) const {
    for (int i = 0; i < n_ && info == 0; ++i) {
      const T pivot = *at(matrix, i, i);
      if (!(pivot > 0) || !std::isfinite(pivot)) info = i + 1;
    }
    if (info) fill_nan(matrix, static_cast<int64_t>(n_) * n_);
    return info;
  }

  // One block column, and what it changes in the ones after it. 0, or the order of the minor that fails.
  int factor_block(Parallel& parallel, T* l, int start) const {
    const int width = std::min(block(), n_ - start), next = start + width, rest = n_ - next;
    T* const diagonal = at(l, start, start);
    const int info = blas::potrf('U', width, diagonal, n_);
    if (info) return start + info;
    if (rest == 0) return 0;
    // Panel P [rest, width] := P inv(L11)^T; as columns, inv(L11) P^T.
    parallel.range(rest, grain(static_cast<double>(width) * width), 8, [&](int64_t begin, int64_t end) {
      blas::trsm('L', 'U', 'T', 'N', width, static_cast<int>(end - begin), diagonal, n_, at(l, next + begin, start),
                 n_);
    });
    update(parallel, l, start, width, next, rest);
    return 0;
  }

  // Trailing matrix [rest, rest] (lower) -= P P^T, in bands of rows of about the same area.
  void update(Parallel& parallel, T* l, int start, int width, int next, int rest) const {
    const double worth = static_cast<double>(rest) * rest * width / kPartFlops;
    const int count = static_cast<int>(std::clamp<double>(worth, 1, parallel.threads()));
    const auto edge = [&](int part) {
      if (part == count) return rest;
      return static_cast<int>(std::sqrt(static_cast<double>(part) / count) * rest) / 16 * 16;
    };
    parallel.parts(count, [&](int part) {
      const int begin = edge(part), rows = edge(part + 1) - begin;
      if (rows <= 0) return;
      const T* const panel = at(l, next + begin, start);
      if (begin > 0) {
        blas::gemm(false, true, rows, begin, width, T(-1), panel, n_, at(l, next, start), n_, T(1),
                   at(l, next + begin, next), n_);
      }
      blas::syrk('U', 'T', rows, width, T(-1), panel, n_, T(1), at(l, next + begin, next + begin), n_);
    });
  }

  // Pieces of `flops` each that are worth a thread.
  static int64_t grain(double flops) { return std::max<int64_t>(8, static_cast<int64_t>(kPartFlops / flops)); }

  int64_t batch_;
  int n_;
  CholeskyLoops<T> loops_{1, nullptr, nullptr};  // without functions: matrices go one by one
};

}  // namespace

std::unique_ptr<Kernel> prepare_cholesky(const OpDesc& desc) {
  const Matrices shape = cholesky_shape(desc);
  if (desc.in(0).dtype == CT_FLOAT32) return std::make_unique<CholeskyKernel<float>>(desc, shape.batch, shape.rows);
  return std::make_unique<CholeskyKernel<double>>(desc, shape.batch, shape.rows);
}

}  // namespace cotangent::cpu
