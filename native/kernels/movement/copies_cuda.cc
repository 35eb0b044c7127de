// broadcast, reshape, transpose, slice, reverse, concatenate, dynamicSlice and dynamicUpdate on a GPU: strided copies.
#include "native/backend/cuda/copy.h"
#include "native/kernels/movement/movement_cuda.h"
#include "native/kernels/movement/strided_copy_cuda.h"

namespace cotangent::cuda {
namespace {

// Operand k is copied by shapes[k].
class CopyKernel : public Kernel {
 public:
  CopyKernel(const OpDesc& desc, const std::vector<StridedShape>& shapes) {
    for (const StridedShape& shape : shapes) copies_.emplace_back(shape, element_bytes(desc.out(0).dtype));
    estimated_ns = estimate_ns(traffic(desc));
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    for (size_t k = 0; k < copies_.size(); ++k) {
      const ct_code code = copies_[k].run(to.device, to.out[0], to.in[k], nullptr, error);
      if (code != CT_OK) return code;
    }
    return CT_OK;
  }

 private:
  std::vector<DeviceCopy> copies_;
};

class ReshapeKernel : public Kernel {
 public:
  explicit ReshapeKernel(const OpDesc& desc) : bytes_(reshape_bytes(desc)) {
    estimated_ns = estimate_ns(traffic(desc));
    in_place[0] = 1;
  }

  ct_code run(const Launch& to, ct_error* error) const override {
    return copy_on_device(to.device, to.out[0], to.in[0], bytes_, error);
  }

 private:
  const int64_t bytes_;
};

class DynamicSliceKernel : public Kernel {
 public:
  explicit DynamicSliceKernel(const OpDesc& desc) : DynamicSliceKernel(desc, slice_window(desc)) {}

  ct_code run(const Launch& to, ct_error* error) const override {
    return copy_.run(to.device, to.out[0], to.in[0], to.input<int32_t>(1), error);
  }

 private:
  DynamicSliceKernel(const OpDesc& desc, const Window& window)
      : copy_({dims(desc.out(0)), contiguous_strides(desc.out(0)), window.strides}, element_bytes(desc.in(0).dtype),
              DeviceCopy::Moves::kSource, &window) {
    estimated_ns = estimate_ns(2.0 * static_cast<double>(byte_count(desc.out(0))));
  }

  const DeviceCopy copy_;
};

class DynamicUpdateKernel : public Kernel {
 public:
  explicit DynamicUpdateKernel(const OpDesc& desc) : DynamicUpdateKernel(desc, update_window(desc)) {}

  ct_code run(const Launch& to, ct_error* error) const override {
    if (bytes_ == 0) return CT_OK;
    const ct_code code = copy_on_device(to.device, to.out[0], to.in[0], bytes_, error);
    if (code != CT_OK) return code;
    return copy_.run(to.device, to.out[0], to.in[1], to.input<int32_t>(2), error);
  }

 private:
  DynamicUpdateKernel(const OpDesc& desc, const Window& window)
      : bytes_(byte_count(desc.in(0))),
        copy_({dims(desc.in(1)), window.strides, contiguous_strides(desc.in(1))}, element_bytes(desc.in(0).dtype),
              DeviceCopy::Moves::kTarget, &window) {
    estimated_ns = estimate_ns(traffic(desc));
    in_place[0] = 1;
  }

  const int64_t bytes_;
  const DeviceCopy copy_;
};

std::unique_ptr<Kernel> single_copy(const OpDesc& desc, const StridedShape& shape) {
  return std::make_unique<CopyKernel>(desc, std::vector<StridedShape>{shape});
}

}  // namespace

std::unique_ptr<Kernel> prepare_broadcast(const OpDesc& desc, Device&) {
  return single_copy(desc, broadcast_shape(desc));
}
std::unique_ptr<Kernel> prepare_transpose(const OpDesc& desc, Device&) {
  return single_copy(desc, transpose_shape(desc));
}
std::unique_ptr<Kernel> prepare_slice(const OpDesc& desc, Device&) { return single_copy(desc, slice_shape(desc)); }
std::unique_ptr<Kernel> prepare_reverse(const OpDesc& desc, Device&) { return single_copy(desc, reverse_shape(desc)); }
std::unique_ptr<Kernel> prepare_concatenate(const OpDesc& desc, Device&) {
  return std::make_unique<CopyKernel>(desc, concatenate_shapes(desc));
}
std::unique_ptr<Kernel> prepare_reshape(const OpDesc& desc, Device&) { return std::make_unique<ReshapeKernel>(desc); }
std::unique_ptr<Kernel> prepare_dynamic_slice(const OpDesc& desc, Device&) {
  return std::make_unique<DynamicSliceKernel>(desc);
}
std::unique_ptr<Kernel> prepare_dynamic_update(const OpDesc& desc, Device&) {
  return std::make_unique<DynamicUpdateKernel>(desc);
}

}  // namespace cotangent::cuda
