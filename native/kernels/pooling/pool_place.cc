// poolGather: y[i, p] = x[i, index[i, p]]; poolScatter: x[i, q] = the sum of y[i, p] over p with index[i, p] = q, in
// the order of p. The trailing axes are seen as one. A negative index stands for no place: 0, or nothing is added.
#include <algorithm>

#include "native/backend/cpu/check.h"
#include "native/kernels/pooling/pooling.h"

namespace cotangent::cpu {
namespace {

constexpr int64_t kGrain = 16384;  // elements worth a thread

// x [planes, sources], y and index [planes, results].
struct Places {
  int64_t planes, sources, results;
};

template <class T>
class PoolGatherKernel : public Kernel {
 public:
  PoolGatherKernel(const OpDesc& desc, const Places& places) : places_(places) {
    estimated_ns = estimate_ns(traffic(desc));
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    const T* const x = static_cast<const T*>(launch.in[0]);
    const int32_t* const index = static_cast<const int32_t*>(launch.in[1]);
    T* const y = static_cast<T*>(launch.out[0]);
    const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, places_.results));
    launch.parallel.range(places_.planes, grain, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t p = i * places_.results; p < (i + 1) * places_.results; ++p) {
          const int64_t q = index[p];
          y[p] = q >= 0 && q < places_.sources ? x[i * places_.sources + q] : T(0);
        }
      }
    });
    return CT_OK;
  }

 private:
  Places places_;
};

template <class T>
class PoolScatterKernel : public Kernel {
 public:
  PoolScatterKernel(const OpDesc& desc, const Places& places) : places_(places) {
    estimated_ns = estimate_ns(traffic(desc));
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    const T* const y = static_cast<const T*>(launch.in[0]);
    const int32_t* const index = static_cast<const int32_t*>(launch.in[1]);
    T* const x = static_cast<T*>(launch.out[0]);
    const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, places_.sources + places_.results));
    launch.parallel.range(places_.planes, grain, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        T* const plane = x + i * places_.sources;
        std::fill(plane, plane + places_.sources, T(0));
        for (int64_t p = i * places_.results; p < (i + 1) * places_.results; ++p) {
          const int64_t q = index[p];
          if (q >= 0 && q < places_.sources) plane[q] += y[p];
        }
      }
    });
    return CT_OK;
  }

 private:
  Places places_;
};

// `x` and `y` differ in their trailing axes only; `index` has the dims of y.
Places read_places(const OpDesc& desc, const ct_type& x, const ct_type& y) {
  expect_params(desc, 1);
  expect_float(x, "an operand");
  const int axes = static_cast<int>(integer_in(desc, 0, 1, kPoolAxes, "a number of axes"));
  if (x.rank < axes || y.rank != x.rank) fail(CT_SHAPE, "operands of one rank", describe(x) + " and " + describe(y));
  const int leading = x.rank - axes;
  std::vector<int64_t> wanted = dims(y);
  std::copy(x.dims, x.dims + leading, wanted.begin());
  expect_type(y, x.dtype, wanted, "what is pooled");
  expect_type(desc.in(1), CT_INT32, wanted, "the places");
  return {product(x, 0, leading), product(x, leading, x.rank), product(y, leading, y.rank)};
}

}  // namespace

std::unique_ptr<Kernel> prepare_pool_gather(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  const Places places = read_places(desc, desc.in(0), desc.out(0));
  if (desc.in(0).dtype == CT_FLOAT32) return std::make_unique<PoolGatherKernel<float>>(desc, places);
  return std::make_unique<PoolGatherKernel<double>>(desc, places);
}

std::unique_ptr<Kernel> prepare_pool_scatter(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  const Places places = read_places(desc, desc.out(0), desc.in(0));
  if (desc.in(0).dtype == CT_FLOAT32) return std::make_unique<PoolScatterKernel<float>>(desc, places);
  return std::make_unique<PoolScatterKernel<double>>(desc, places);
}

}  // namespace cotangent::cpu
