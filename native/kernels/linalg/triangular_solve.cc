// triangularSolve: op(A) x = b (left) or x op(A) = b (right), batched, row-major; only A's triangle is read.
//
// Batches are spread over the parts; otherwise the right-hand sides are cut. A single large system with too few
// right-hand sides to cut is solved block by block: a small triangle by BLAS, then its contribution to the remaining
// rows, which are cut. A zero on the diagonal gives infinities and NaN, as the division does.
#include <algorithm>

#include "native/backend/cpu/blas.h"
#include "native/kernels/linalg/batch.h"
#include "native/kernels/linalg/linalg.h"
#include "native/kernels/movement/strided_copy.h"

namespace cotangent::cpu {
namespace {

constexpr int kBlock = 128;
constexpr int kFewSides = 16;      // right-hand sides a part needs to be worth its pass over A
constexpr int kBlockedSize = 256;  // order from which a few right-hand sides are solved in blocks
constexpr int kVectorSize = 2048;  // the same for one: a vector is bound by memory, and forks are dear beside it
constexpr int64_t kPartRows = 512;

template <class T>
class TriangularSolveKernel : public Kernel {
 public:
  TriangularSolveKernel(const OpDesc& desc, const TriangularSystem& system)
      : system_(system), bytes_(byte_count(desc.in(1))) {
    const double flops = solve_flops() * static_cast<double>(system.batch);
    estimated_ns = estimate_ns(traffic(desc), system.sides == 1 ? 0 : flops * (sizeof(T) == 4 ? 1 : 2));
    in_place[0] = 2;
  }

  // Batches, or right-hand sides.
  int pieces(int threads) const override {
    if (by_batch(threads)) return pieces_by_time(threads, system_.batch / std::max(1, threads));
    return in_blocks(threads) ? 1 : static_cast<int>(system_.batch) * side_pieces(threads);
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    const T* const a = static_cast<const T*>(launch.in[0]);
    T* const x = static_cast<T*>(launch.out[0]);
    Parallel& parallel = launch.parallel;
    if (bytes_ == 0) return CT_OK;
    if (launch.piece == 0) copy_bytes(parallel, x, launch.in[1], bytes_);
    const int64_t a_size = static_cast<int64_t>(system_.n) * system_.n,
                  x_size = static_cast<int64_t>(system_.n) * system_.sides;
    if (by_batch(parallel.threads())) {
      const int64_t grain = static_cast<int64_t>(kPartFlops / solve_flops());
      const Piece piece(system_.batch, launch.piece, pieces(parallel.threads()));
      parallel.range(piece.length(), grain, 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = piece.begin + begin; i < piece.begin + end; ++i) {
          solve_sides(a + i * a_size, x + i * x_size, 0, system_.sides);
        }
      });
    } else if (in_blocks(parallel.threads())) {
      for (int64_t i = 0; i < system_.batch; ++i) solve_blocked(parallel, a + i * a_size, x + i * x_size);
    } else {
      const int count = side_pieces(parallel.threads()), i = launch.piece / count;
      const Piece sides(system_.sides, launch.piece % count, count, 8);
      const double side_flops = solve_flops() / system_.sides;
      const int64_t grain = std::max<int64_t>(kFewSides, static_cast<int64_t>(kPartFlops / side_flops));
      parallel.range(sides.length(), grain, 8, [&](int64_t begin, int64_t end) {
        solve_sides(a + i * a_size, x + i * x_size, static_cast<int>(sides.begin + begin),
                    static_cast<int>(sides.begin + end));
      });
    }
    return CT_OK;
  }

 private:
  double solve_flops() const { return system_.flops(); }

  // A vector is the same thing on either side. With few sides BLAS's own solve is slow, so blocks pay on one thread,
  // too.
  bool in_blocks(int threads) const {
    if (system_.sides == 1) return threads > 1 && system_.n >= kVectorSize;
    return system_.left && system_.n >= kBlockedSize && system_.sides < kFewSides * std::max(threads, 4);
  }

  bool by_batch(int threads) const { return system_.batch >= threads && !(in_blocks(threads) && system_.batch == 1); }

  // Pieces that the right-hand sides of each system are cut into; every piece reads all of A.
  int side_pieces(int threads) const {
    const int64_t batch = std::max<int64_t>(1, system_.batch);
    return std::max(1, pieces_by_time(threads, batch * (system_.sides / 64)) / static_cast<int>(batch));
  }

  // BLAS's words: its A is our A^T, so x op(A) = b for the left side, with the triangle turned over.
  char uplo() const { return system_.lower ? 'U' : 'L'; }
  char diagonal() const { return system_.unit ? 'U' : 'N'; }

  // Right-hand sides [begin, end) of one system.
  void solve_sides(const T* a, T* x, int begin, int end) const {
    const int n = system_.n, sides = system_.sides, count = end - begin;
    if (sides == 1) {
      // op(A) x = b with A = (BLAS's A)^T; on the right, op(A)^T x^T = b^T.
      blas::trsv(uplo(), system_.transpose == system_.left ? 'N' : 'T', diagonal(), n, a, n, x);
    } else if (system_.left) {
      blas::trsm('R', uplo(), system_.transpose ? 'T' : 'N', diagonal(), count, n, a, n, x + begin, sides);
    } else {
      const char trans = system_.transpose ? 'T' : 'N';
      blas::trsm('L', uplo(), trans, diagonal(), n, count, a, n, x + static_cast<int64_t>(begin) * n, n);
    }
  }

  // One system M x = b with M = op(A) (left) or op(A)^T (one right-hand side on the right).
  void solve_blocked(Parallel& parallel, const T* a, T* x) const {
    const int n = system_.n, sides = system_.sides;
    const bool transpose = system_.transpose == system_.left;
    const bool forward = system_.lower != transpose;  // M is lower
    const int blocks = (n + kBlock - 1) / kBlock;
    for (int step = 0; step < blocks; ++step) {
      const int start = (forward ? step : blocks - 1 - step) * kBlock, end = std::min(n, start + kBlock);
      const T* const triangle = a + static_cast<int64_t>(start) * n + start;
      T* const solved = x + static_cast<int64_t>(start) * sides;
      if (sides == 1) {
        blas::trsv(uplo(), transpose ? 'N' : 'T', diagonal(), end - start, triangle, n, solved);
      } else {
        blas::trsm('R', uplo(), transpose ? 'T' : 'N', diagonal(), sides, end - start, triangle, n, solved, sides);
      }
      const int first = forward ? end : 0, rest = forward ? n - end : start;
      const int64_t grain = std::clamp<int64_t>(static_cast<int64_t>(kPartFlops) / (2 * kBlock * sides), 16, kPartRows);
      parallel.range(rest, grain, 16, [&](int64_t from, int64_t to) {
        subtract(a, transpose, first + static_cast<int>(from), static_cast<int>(to - from), start, end - start, solved,
                 x);
      });
    }
  }

  // x[row .. row + rows] -= M[row .. row + rows, column .. column + columns] solved.
  void subtract(const T* a, bool transpose, int row, int rows, int column, int columns, const T* solved, T* x) const {
    const int n = system_.n, sides = system_.sides;
    const T* const part =
        a + (transpose ? static_cast<int64_t>(column) * n + row : static_cast<int64_t>(row) * n + column);
    T* const target = x + static_cast<int64_t>(row) * sides;
    if (sides > 1) {
      blas::gemm(transpose, false, rows, sides, columns, T(-1), part, n, solved, sides, T(1), target, sides);
    } else if (transpose) {
      blas::gemv('N', rows, columns, T(-1), part, n, solved, T(1), target);
    } else {
      blas::gemv('T', columns, rows, T(-1), part, n, solved, T(1), target);
    }
  }

  TriangularSystem system_;
  int64_t bytes_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_triangular_solve(const OpDesc& desc) {
  const TriangularSystem system(desc);
  if (system.dtype == CT_FLOAT32) return std::make_unique<TriangularSolveKernel<float>>(desc, system);
  return std::make_unique<TriangularSolveKernel<double>>(desc, system);
}

}  // namespace cotangent::cpu
