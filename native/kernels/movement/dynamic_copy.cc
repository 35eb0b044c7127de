// dynamicSlice and dynamicUpdate: the window's place is data. Starts are clamped so that the window fits.
#include <algorithm>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/movement/movement.h"
#include "native/kernels/movement/strided_copy.h"

namespace cotangent::cpu {
namespace {

// Elements from the array's first one to the window's.
int64_t offset_of(const Window& window, const void* starts) {
  int64_t offset = 0;
  for (size_t k = 0; k < window.strides.size(); ++k) {
    const int64_t start = static_cast<const int32_t*>(starts)[k];
    offset += std::clamp<int64_t>(start, 0, window.last[k]) * window.strides[k];
  }
  return offset;
}

class DynamicSliceKernel : public Kernel {
 public:
  explicit DynamicSliceKernel(const OpDesc& desc)
      : window_(slice_window(desc)),
        element_(element_bytes(desc.in(0).dtype)),
        copy_({dims(desc.out(0)), contiguous_strides(desc.out(0)), window_.strides}, element_) {
    estimated_ns = estimate_ns(2.0 * static_cast<double>(byte_count(desc.out(0))));
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    copy_.run(launch.parallel, launch.out[0],
              static_cast<const char*>(launch.in[0]) + offset_of(window_, launch.in[1]) * element_);
    return CT_OK;
  }

 private:
  Window window_;
  int64_t element_;
  StridedCopy copy_;
};

class DynamicUpdateKernel : public Kernel {
 public:
  explicit DynamicUpdateKernel(const OpDesc& desc)
      : window_(update_window(desc)),
        element_(element_bytes(desc.in(0).dtype)),
        bytes_(byte_count(desc.in(0))),
        copy_({dims(desc.in(1)), window_.strides, contiguous_strides(desc.in(1))}, element_) {
    // The plan decides later whether x is overwritten; the copy of x is counted because it may be needed.
    estimated_ns = estimate_ns(traffic(desc));
    in_place[0] = 1;
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    copy_bytes(launch.parallel, launch.out[0], launch.in[0], bytes_);
    copy_.run(launch.parallel, static_cast<char*>(launch.out[0]) + offset_of(window_, launch.in[2]) * element_,
              launch.in[1]);
    return CT_OK;
  }

 private:
  Window window_;
  int64_t element_, bytes_;
  StridedCopy copy_;
};

}  // namespace

std::unique_ptr<Kernel> prepare_dynamic_slice(const OpDesc& desc) { return std::make_unique<DynamicSliceKernel>(desc); }

std::unique_ptr<Kernel> prepare_dynamic_update(const OpDesc& desc) {
  return std::make_unique<DynamicUpdateKernel>(desc);
}

}  // namespace cotangent::cpu
