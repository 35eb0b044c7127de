#include "native/kernels/movement/strided_shape.h"

#include <algorithm>

namespace cotangent {

std::vector<int64_t> contiguous_strides(const ct_type& type) {
  std::vector<int64_t> strides(static_cast<size_t>(type.rank));
  int64_t stride = 1;
  for (int32_t i = type.rank - 1; i >= 0; --i) {
    strides[static_cast<size_t>(i)] = stride;
    stride *= type.dims[i];
  }
  return strides;
}

std::vector<StridedDim> merge_dims(const StridedShape& shape) {
  std::vector<StridedDim> merged;
  for (size_t i = 0; i < shape.dims.size(); ++i) {
    if (shape.dims[i] == 1) continue;
    const StridedDim dim{shape.dims[i], shape.to[i], shape.from[i]};
    if (!merged.empty() && merged.back().to == dim.to * dim.size && merged.back().from == dim.from * dim.size) {
      merged.back() = {merged.back().size * dim.size, dim.to, dim.from};
    } else {
      merged.push_back(dim);
    }
  }
  if (merged.empty()) merged.push_back({1, 1, 1});
  return merged;
}

StridedShape broadcast_shape(const OpDesc& desc) {
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
  return {dims(out), contiguous_strides(out), from, 0, 0};
}

int64_t reshape_bytes(const OpDesc& desc) {
  desc.expect_operands(1, 1);
  const ct_type &in = desc.in(0), &out = desc.out(0);
  expect_dtype(in, {out.dtype}, "an operand");
  if (element_count(in) != element_count(out)) {
    fail(CT_SHAPE, "a result of " + std::to_string(element_count(in)) + " elements", describe(out));
  }
  return byte_count(in);
}

StridedShape transpose_shape(const OpDesc& desc) {
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
  return {wanted, contiguous_strides(desc.out(0)), from, 0, 0};
}

StridedShape slice_shape(const OpDesc& desc) {
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
  return {wanted, contiguous_strides(desc.out(0)), from, 0, offset};
}

StridedShape reverse_shape(const OpDesc& desc) {
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
  return {dims(in), contiguous_strides(in), from, 0, offset};
}

Padding::Padding(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  const ct_type &in = desc.in(0), &out = desc.out(0);
  const int rank = in.rank;
  expect_params(desc, 3 * rank);
  expect_type(desc.in(1), in.dtype, {}, "the padding value");
  constexpr int64_t kMost = int64_t{1} << 53;
  std::vector<int64_t> wanted;
  for (int k = 0; k < rank; ++k) {
    low.push_back(integer_in(desc, k, 0, kMost, "a low padding"));
    const int64_t high = integer_in(desc, rank + k, 0, kMost, "a high padding");
    interior.push_back(integer_in(desc, 2 * rank + k, 0, kMost, "an interior padding"));
    const int64_t gaps = in.dims[k] > 1 ? in.dims[k] - 1 : 0;
    if (gaps && interior.back() > kMost / gaps)
      fail(CT_SHAPE, "a smaller interior padding", std::to_string(interior.back()));
    wanted.push_back(low.back() + high + in.dims[k] + gaps * interior.back());
  }
  expect_type(out, in.dtype, wanted, "the result");
}

std::vector<StridedShape> concatenate_shapes(const OpDesc& desc) {
  if (desc.in_count() < 1) fail(CT_SHAPE, "at least one operand", "none");
  desc.expect_operands(desc.in_count(), 1);
  expect_params(desc, 1);
  const ct_type& out = desc.out(0);
  const int axis = axis_param(desc, 0, out.rank);
  const std::vector<int64_t> to = contiguous_strides(out);
  std::vector<StridedShape> copies;
  int64_t total = 0;
  for (int k = 0; k < desc.in_count(); ++k) {
    const ct_type& in = desc.in(k);
    std::vector<int64_t> wanted = dims(out);
    wanted[static_cast<size_t>(axis)] = in.rank == out.rank ? in.dims[axis] : 0;
    expect_type(in, out.dtype, wanted, "an operand");
    copies.push_back({wanted, to, contiguous_strides(in), total * to[static_cast<size_t>(axis)], 0});
    total += in.dims[axis];
  }
  if (total != out.dims[axis]) {
    fail(CT_SHAPE, "a result of " + std::to_string(total) + " along axis " + std::to_string(axis), describe(out));
  }
  return copies;
}

Window::Window(const ct_type& whole, const ct_type& window) : strides(contiguous_strides(whole)) {
  bool fits = whole.rank == window.rank;
  for (int32_t k = 0; fits && k < whole.rank; ++k) {
    fits = window.dims[k] <= whole.dims[k];
    last.push_back(whole.dims[k] - window.dims[k]);
  }
  if (!fits) fail(CT_SHAPE, "a window that fits into " + describe(whole), describe(window));
}

Window slice_window(const OpDesc& desc) {
  desc.expect_operands(2, 1);
  expect_dtype(desc.out(0), {desc.in(0).dtype}, "a result");
  expect_type(desc.in(1), CT_INT32, {desc.in(0).rank}, "the starts");
  return {desc.in(0), desc.out(0)};
}

Window update_window(const OpDesc& desc) {
  desc.expect_operands(3, 1);
  const ct_type& x = desc.in(0);
  expect_dtype(desc.in(1), {x.dtype}, "an update");
  expect_type(desc.in(2), CT_INT32, {x.rank}, "the starts");
  expect_type(desc.out(0), x.dtype, dims(x), "the result");
  return {x, desc.in(1)};
}

}  // namespace cotangent
