// searchSorted: sorted [B.., n], values [B.., m] -> int32 [B.., m], where each value belongs in its sorted line: the
// number of elements before it (left), or before or equal to it (right). NaN is last. Bisection without branches.
#include <algorithm>
#include <limits>

#include "native/backend/cpu/check.h"
#include "native/kernels/sort/sort.h"
#include "native/kernels/sort/sort_keys.h"

namespace cotangent::cpu {
namespace {

template <class T>
class SearchKernel : public Kernel {
 public:
  SearchKernel(const OpDesc& desc, bool right)
      : right_(right),
        size_(desc.in(0).dims[desc.in(0).rank - 1]),
        values_(desc.in(1).dims[desc.in(1).rank - 1]),
        count_(element_count(desc.in(1))) {
    double steps = 1;
    for (int64_t n = size_; n > 0; n /= 2) ++steps;
    estimated_ns = estimate_ns(traffic(desc)) + 2 * steps * static_cast<double>(count_);
  }

  int pieces(int threads) const override { return pieces_by_time(threads, count_ / 4096); }

  ct_code run(const Launch& launch, ct_error*) const override {
    constexpr int64_t kGrain = 1024;  // values worth a thread
    const T* const sorted = static_cast<const T*>(launch.in[0]);
    const T* const values = static_cast<const T*>(launch.in[1]);
    int32_t* const y = static_cast<int32_t*>(launch.out[0]);
    const Piece piece(count_, launch.piece, pieces(launch.parallel.threads()));
    launch.parallel.range(piece.length(), kGrain, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = piece.begin + begin; i < piece.begin + end; ++i) {
        y[i] = search(sorted + i / values_ * size_, values[i]);
      }
    });
    return CT_OK;
  }

 private:
  // The first place whose element is not before the value (right: is behind it).
  int32_t search(const T* line, T value) const {
    const Key<T> wanted = key_of<T, false>(value);
    int64_t low = 0;
    for (int64_t length = size_; length > 0;) {
      const int64_t half = length / 2;
      const Key<T> key = key_of<T, false>(line[low + half]);
      const bool before = right_ ? key <= wanted : key < wanted;
      low = before ? low + half + 1 : low;
      length = before ? length - half - 1 : half;
    }
    return static_cast<int32_t>(low);
  }

  bool right_;
  int64_t size_, values_, count_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_search_sorted(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  expect_params(desc, 1);
  const ct_type &sorted = desc.in(0), &values = desc.in(1);
  if (sorted.rank < 1) fail(CT_SHAPE, "a rank of at least 1", describe(sorted));
  if (sorted.dims[sorted.rank - 1] > std::numeric_limits<int32_t>::max()) {
    fail(CT_SHAPE, "below 2^31 sorted elements", describe(sorted));
  }
  std::vector<int64_t> wanted = dims(sorted);
  wanted.back() = values.rank == sorted.rank ? values.dims[values.rank - 1] : 0;
  expect_type(values, sorted.dtype, wanted, "the values");
  expect_type(desc.out(0), CT_INT32, wanted, "the result");
  const bool right = flag(desc, 0, "right");
  switch (sorted.dtype) {
    case CT_FLOAT32:
      return std::make_unique<SearchKernel<float>>(desc, right);
    case CT_FLOAT64:
      return std::make_unique<SearchKernel<double>>(desc, right);
    case CT_INT32:
      return std::make_unique<SearchKernel<int32_t>>(desc, right);
    case CT_UINT32:
      return std::make_unique<SearchKernel<uint32_t>>(desc, right);
  }
  return std::make_unique<SearchKernel<uint8_t>>(desc, right);
}

}  // namespace cotangent::cpu
