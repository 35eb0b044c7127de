// searchSorted: sorted [B.., n], values [B.., m] -> int32 [B.., m], where each value belongs in its sorted line: the
// number of elements before it (left), or before or equal to it (right). NaN is last. Bisection without branches.
#include <algorithm>
#include <limits>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/sort/parameters.h"
#include "native/kernels/sort/sort.h"
#include "native/kernels/sort/sort_keys.h"

namespace cotangent::cpu {
namespace {

template <class T>
class SearchKernel : public Kernel {
 public:
  SearchKernel(const OpDesc& desc, const SearchParameters& search)
      : right_(search.right), size_(search.size), values_(search.values), count_(search.count) {
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
  const SearchParameters search(desc);
  switch (search.dtype) {
    case CT_FLOAT32:
      return std::make_unique<SearchKernel<float>>(desc, search);
    case CT_FLOAT64:
      return std::make_unique<SearchKernel<double>>(desc, search);
    case CT_INT32:
      return std::make_unique<SearchKernel<int32_t>>(desc, search);
    case CT_UINT32:
      return std::make_unique<SearchKernel<uint32_t>>(desc, search);
  }
  return std::make_unique<SearchKernel<uint8_t>>(desc, search);
}

}  // namespace cotangent::cpu
