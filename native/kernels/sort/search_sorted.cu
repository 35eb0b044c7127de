// searchSorted: a thread a value, by bisection without branches: log2(n) dependent reads, of which the first ones hit
// the cache for all threads.
#include "native/kernels/sort/sort_cuda.h"
#include "native/kernels/sort/sort_device.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kBlock = 256;

template <class T>
__global__ void __launch_bounds__(kBlock)
    search_sorted_kernel(const T* __restrict__ sorted, const T* __restrict__ values, int32_t* __restrict__ y,
                         int64_t size, int64_t per_line, int64_t count, bool right) {
  for (int64_t i = grid_start(); i < count; i += grid_step()) {
    const T* const line = sorted + i / per_line * size;
    const Key<T> wanted = directed_key(values[i], false);
    // The first place whose element is not before the value (right: is behind it).
    int32_t low = 0;
    for (int32_t length = static_cast<int32_t>(size); length > 0;) {
      const int32_t half = length / 2;
      const Key<T> key = directed_key(line[low + half], false);
      const bool before = key < wanted || (right && key == wanted);
      low = before ? low + half + 1 : low;
      length = before ? length - half - 1 : half;
    }
    y[i] = low;
  }
}

class SearchKernel : public Kernel {
 public:
  explicit SearchKernel(const OpDesc& desc) : search_(desc) {
    double steps = 1;
    for (int64_t n = search_.size; n > 0; n /= 2) ++steps;
    estimated_ns = estimate_ns(traffic(desc) + 32 * steps * static_cast<double>(search_.count));
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (search_.count == 0) return CT_OK;
    return dispatch_dtype(search_.dtype, [&](auto element) {
      using T = decltype(element);
      const auto kernel = search_sorted_kernel<T>;
      const unsigned grid = to.device.grid(kernel, search_.count, kBlock);
      return check(launch(grid, kBlock, 0, to.stream(), kernel, to.input<T>(0), to.input<T>(1), to.output<int32_t>(0),
                          search_.size, search_.values, search_.count, search_.right),
                   error, "searchSorted");
    });
  }

 private:
  const SearchParameters search_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_search_sorted(const OpDesc& desc, Device&) {
  return std::make_unique<SearchKernel>(desc);
}

}  // namespace cotangent::cuda
