// broadcast, reshape, transpose, slice, reverse, pad and concatenate: copies whose views are known before data is seen.
#include <algorithm>

#include "native/backend/cpu/kernel.h"
#include "native/kernels/movement/movement.h"
#include "native/kernels/movement/strided_copy.h"

namespace cotangent::cpu {
namespace {

// Operand k is copied by copies[k], to and from the byte offsets given.
class CopyKernel : public Kernel {
 public:
  CopyKernel(const OpDesc& desc, const std::vector<StridedShape>& shapes) {
    const int64_t element = element_bytes(desc.out(0).dtype);
    for (const StridedShape& shape : shapes) {
      copies_.push_back({StridedCopy(shape, element), shape.to_offset * element, shape.from_offset * element});
    }
    estimated_ns = estimate_ns(traffic(desc));
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    for (size_t k = 0; k < copies_.size(); ++k) {
      const Copy& copy = copies_[k];
      copy.copy.run(launch.parallel, static_cast<char*>(launch.out[0]) + copy.to_bytes,
                    static_cast<const char*>(launch.in[k]) + copy.from_bytes);
    }
    return CT_OK;
  }

 private:
  struct Copy {
    StridedCopy copy;
    int64_t to_bytes, from_bytes;
  };

  std::vector<Copy> copies_;
};

class ReshapeKernel : public Kernel {
 public:
  explicit ReshapeKernel(const OpDesc& desc) : bytes_(reshape_bytes(desc)) {
    estimated_ns = estimate_ns(traffic(desc));
    in_place[0] = 1;
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    copy_bytes(launch.parallel, launch.out[0], launch.in[0], bytes_);
    return CT_OK;
  }

 private:
  int64_t bytes_;
};

class PadKernel : public Kernel {
 public:
  PadKernel(const OpDesc& desc, StridedCopy copy, int64_t to_bytes, bool covers)
      : copy_(std::move(copy)),
        to_bytes_(to_bytes),
        count_(element_count(desc.out(0))),
        element_(element_bytes(desc.out(0).dtype)),
        covers_(covers) {
    estimated_ns = estimate_ns(traffic(desc));
  }

  ct_code run(const Launch& launch, ct_error*) const override {
    if (!covers_) fill(launch.parallel, launch.out[0], launch.in[1], count_, element_);
    copy_.run(launch.parallel, static_cast<char*>(launch.out[0]) + to_bytes_, launch.in[0]);
    return CT_OK;
  }

 private:
  StridedCopy copy_;
  int64_t to_bytes_, count_, element_;
  bool covers_;  // nothing is left to fill
};

}  // namespace

std::unique_ptr<Kernel> prepare_broadcast(const OpDesc& desc) {
  return std::make_unique<CopyKernel>(desc, std::vector<StridedShape>{broadcast_shape(desc)});
}

std::unique_ptr<Kernel> prepare_transpose(const OpDesc& desc) {
  return std::make_unique<CopyKernel>(desc, std::vector<StridedShape>{transpose_shape(desc)});
}

std::unique_ptr<Kernel> prepare_slice(const OpDesc& desc) {
  return std::make_unique<CopyKernel>(desc, std::vector<StridedShape>{slice_shape(desc)});
}

std::unique_ptr<Kernel> prepare_reverse(const OpDesc& desc) {
  return std::make_unique<CopyKernel>(desc, std::vector<StridedShape>{reverse_shape(desc)});
}

std::unique_ptr<Kernel> prepare_concatenate(const OpDesc& desc) {
  return std::make_unique<CopyKernel>(desc, concatenate_shapes(desc));
}

std::unique_ptr<Kernel> prepare_reshape(const OpDesc& desc) { return std::make_unique<ReshapeKernel>(desc); }

std::unique_ptr<Kernel> prepare_pad(const OpDesc& desc) {
  const Padding padding(desc);
  const ct_type &in = desc.in(0), &out = desc.out(0);
  std::vector<int64_t> to = contiguous_strides(out);
  int64_t offset = 0;
  for (size_t k = 0; k < to.size(); ++k) {
    offset += padding.low[k] * to[k];
    if (in.dims[k] > 1)
      to[k] *= padding.interior[k] + 1;  // a single element has no stride; a huge one must not overflow
  }
  const int64_t element = element_bytes(in.dtype);
  return std::make_unique<PadKernel>(desc, StridedCopy({dims(in), to, contiguous_strides(in)}, element),
                                     offset * element, element_count(in) == element_count(out));
}

}  // namespace cotangent::cpu
