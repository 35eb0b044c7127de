// broadcast, reshape, transpose, slice, reverse, pad and concatenate: copies whose views are known before data is seen.
#include <algorithm>

#include "native/backend/cpu/check.h"
#include "native/kernels/movement/movement.h"
#include "native/kernels/movement/strided_copy.h"

namespace cotangent::cpu {
namespace {

// Operand k is copied by copies[k], to and from the byte offsets given.
class CopyKernel : public Kernel {
 public:
  struct Copy {
    StridedCopy copy;
    int64_t to_bytes, from_bytes;
  };

  CopyKernel(const OpDesc& desc, std::vector<Copy> copies) : copies_(std::move(copies)) {
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
  std::vector<Copy> copies_;
};

class ReshapeKernel : public Kernel {
 public:
  explicit ReshapeKernel(const OpDesc& desc) : bytes_(byte_count(desc.in(0))) {
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

std::unique_ptr<Kernel> single_copy(const OpDesc& desc, const std::vector<int64_t>& to_strides,
                                    const std::vector<int64_t>& from_strides, int64_t from_offset) {
  const ct_type& out = desc.out(0);
  const int64_t element = element_bytes(out.dtype);
  std::vector<CopyKernel::Copy> copies;
  copies.push_back({StridedCopy(dims(out), to_strides, from_strides, element), 0, from_offset * element});
  return std::make_unique<CopyKernel>(desc, std::move(copies));
}

}  // namespace

std::unique_ptr<Kernel> prepare_broadcast(const OpDesc& desc) {
  desc.expect_operands(1, 1);
  const ct_type &in = desc.in(0), &out = desc.out(0);
  expect_params(desc, in.rank);
  expect_dtype(in, {out.dtype}, "an operand");
  const std::vector<int64_t> in_strides = contiguous_strides(in);
  std::vector<int64_t> from(static_cast<size_t>(out.rank), 0);
  int64_t previous = -1;
  for (int k = 0; k < in.rank; ++k) {
    const int64_t dim = integer_in(desc, k, previous + 1, out.rank - 1, "an ascending result dim");
    if (in.dims[k] != 1 && in.dims[k] != out.dims[dim]) {
      fail(CT_SHAPE, "operand dim " + std::to_string(k) + " to be 1 or " + std::to_string(out.dims[dim]), describe(in));
    }
    if (in.dims[k] != 1) from[static_cast<size_t>(dim)] = in_strides[static_cast<size_t>(k)];
    previous = dim;
  }
  return single_copy(desc, contiguous_strides(out), from, 0);
}

std::unique_ptr<Kernel> prepare_reshape(const OpDesc& desc) {
  desc.expect_operands(1, 1);
  const ct_type &in = desc.in(0), &out = desc.out(0);
  expect_dtype(in, {out.dtype}, "an operand");
  if (element_count(in) != element_count(out)) {
    fail(CT_SHAPE, "a result of " + std::to_string(element_count(in)) + " elements", describe(out));
  }
  return std::make_unique<ReshapeKernel>(desc);
}

std::unique_ptr<Kernel> prepare_transpose(const OpDesc& desc) {
  desc.expect_operands(1, 1);
  const ct_type& in = desc.in(0);
  expect_params(desc, in.rank);
  const std::vector<int64_t> in_strides = contiguous_strides(in);
  std::vector<int64_t> wanted, from;
  unsigned seen = 0;
  for (int k = 0; k < in.rank; ++k) {
    const int64_t dim = integer_in(desc, k, 0, in.rank - 1, "an operand dim");
    if (seen & (1u << dim)) fail(CT_SHAPE, "each operand dim once", std::to_string(dim) + " twice");
    seen |= 1u << dim;
    wanted.push_back(in.dims[dim]);
    from.push_back(in_strides[static_cast<size_t>(dim)]);
  }
  expect_type(desc.out(0), in.dtype, wanted, "the result");
  return single_copy(desc, contiguous_strides(desc.out(0)), from, 0);
}

std::unique_ptr<Kernel> prepare_slice(const OpDesc& desc) {
  desc.expect_operands(1, 1);
  const ct_type& in = desc.in(0);
  const int rank = in.rank;
  expect_params(desc, 3 * rank);
  const std::vector<int64_t> in_strides = contiguous_strides(in);
  std::vector<int64_t> wanted, from;
  int64_t offset = 0;
  for (int k = 0; k < rank; ++k) {
    const int64_t limit = integer_in(desc, rank + k, 0, in.dims[k], "a limit");
    const int64_t start = integer_in(desc, k, 0, limit, "a start");
    const int64_t stride = integer_in(desc, 2 * rank + k, 1, int64_t{1} << 53, "a stride");
    const int64_t size = start == limit ? 0 : (limit - start - 1) / stride + 1;
    wanted.push_back(size);
    // A single element has no stride; a huge one must not overflow.
    from.push_back(size > 1 ? in_strides[static_cast<size_t>(k)] * stride : 0);
    offset += start * in_strides[static_cast<size_t>(k)];
  }
  expect_type(desc.out(0), in.dtype, wanted, "the result");
  return single_copy(desc, contiguous_strides(desc.out(0)), from, offset);
}

std::unique_ptr<Kernel> prepare_reverse(const OpDesc& desc) {
  desc.expect_operands(1, 1);
  const ct_type& in = desc.in(0);
  expect_type(desc.out(0), in.dtype, dims(in), "the result");
  std::vector<int64_t> from = contiguous_strides(in);
  int64_t offset = 0, previous = -1;
  for (int k = 0; k < desc.param_count(); ++k) {
    previous = integer_in(desc, k, previous + 1, in.rank - 1, "ascending axes");
    int64_t& stride = from[static_cast<size_t>(previous)];
    offset += std::max<int64_t>(0, in.dims[previous] - 1) * stride;
    stride = -stride;
  }
  return single_copy(desc, contiguous_strides(in), from, offset);
}

std::unique_ptr<Kernel> prepare_pad(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  const ct_type &in = desc.in(0), &out = desc.out(0);
  const int rank = in.rank;
  expect_params(desc, 3 * rank);
  expect_type(desc.in(1), in.dtype, {}, "the padding value");
  constexpr int64_t kMost = int64_t{1} << 53;
  std::vector<int64_t> wanted, interiors;
  std::vector<int64_t> lows;
  for (int k = 0; k < rank; ++k) {
    lows.push_back(integer_in(desc, k, 0, kMost, "a low padding"));
    const int64_t high = integer_in(desc, rank + k, 0, kMost, "a high padding");
    interiors.push_back(integer_in(desc, 2 * rank + k, 0, kMost, "an interior padding"));
    const int64_t gaps = in.dims[k] > 1 ? in.dims[k] - 1 : 0;
    if (gaps && interiors.back() > kMost / gaps)
      fail(CT_SHAPE, "a smaller interior padding", std::to_string(interiors.back()));
    wanted.push_back(lows.back() + high + in.dims[k] + gaps * interiors.back());
  }
  expect_type(out, in.dtype, wanted, "the result");
  std::vector<int64_t> to = contiguous_strides(out);
  int64_t offset = 0;
  for (size_t k = 0; k < to.size(); ++k) {
    offset += lows[k] * to[k];
    if (in.dims[k] > 1) to[k] *= interiors[k] + 1;  // a single element has no stride; a huge one must not overflow
  }
  const int64_t element = element_bytes(in.dtype);
  return std::make_unique<PadKernel>(desc, StridedCopy(dims(in), to, contiguous_strides(in), element), offset * element,
                                     element_count(in) == element_count(out));
}

std::unique_ptr<Kernel> prepare_concatenate(const OpDesc& desc) {
  if (desc.in_count() < 1) fail(CT_SHAPE, "at least one operand", "none");
  desc.expect_operands(desc.in_count(), 1);
  expect_params(desc, 1);
  const ct_type& out = desc.out(0);
  const int axis = axis_param(desc, 0, out.rank);
  const std::vector<int64_t> to = contiguous_strides(out);
  const int64_t element = element_bytes(out.dtype);
  std::vector<CopyKernel::Copy> copies;
  int64_t total = 0;
  for (int k = 0; k < desc.in_count(); ++k) {
    const ct_type& in = desc.in(k);
    std::vector<int64_t> wanted = dims(out);
    wanted[static_cast<size_t>(axis)] = in.rank == out.rank ? in.dims[axis] : 0;
    expect_type(in, out.dtype, wanted, "an operand");
    copies.push_back(
        {StridedCopy(wanted, to, contiguous_strides(in), element), total * to[static_cast<size_t>(axis)] * element, 0});
    total += in.dims[axis];
  }
  if (total != out.dims[axis]) {
    fail(CT_SHAPE, "a result of " + std::to_string(total) + " along axis " + std::to_string(axis), describe(out));
  }
  return std::make_unique<CopyKernel>(desc, std::move(copies));
}

}  // namespace cotangent::cpu
