#include <algorithm>
#include <cstring>

#include "native/backend/cuda/packed.h"
#include "native/kernels/elementwise/prepared_chain.h"

namespace cotangent::cuda {

// Device memory with the words of a chain that is longer than the kernel's argument.
class PreparedChain::DeviceWords {
 public:
  DeviceWords(Device& device, const std::vector<ChainWord>& words) : device_(device) {
    const uint64_t bytes = words.size() * sizeof(ChainWord);
    require(cudaMallocAsync(&memory_, bytes, device.stream()), "cudaMallocAsync");
    ct_error error{};
    if (device.writing().write(device.stream(), memory_, words.data(), bytes, &error) == CT_OK) return;
    cudaFreeAsync(memory_, device.stream());
    raise(error);
  }
  ~DeviceWords() {
    if (device_.select(nullptr) == CT_OK) cudaFreeAsync(memory_, device_.stream());
  }
  DeviceWords(const DeviceWords&) = delete;
  DeviceWords& operator=(const DeviceWords&) = delete;

  const ChainWord* words() const { return static_cast<const ChainWord*>(memory_); }

 private:
  Device& device_;
  void* memory_ = nullptr;
};

PreparedChain::PreparedChain(const OpDesc& desc, Device& device, bool whole_vectors)
    : program_(decode_chain(desc)), layout_(lay_out_chain(desc)), whole_vectors_(whole_vectors) {
  for (int k = 0; k < desc.in_count(); ++k) {
    constants_.push_back(desc.constant(k) && layout_.inputs[static_cast<size_t>(k)].kind == ChainInput::kScalar);
    if (constants_.back()) set_constant(k, desc.constant(k));
  }
  code_ = generate_chain(program_, layout_, constants_, whole_vectors);
  arguments_.count = layout_.count;
  arguments_.wide = code_.wide;
  arguments_.word_count = static_cast<int32_t>(code_.words.size());
  if (code_.words.size() <= kInlineWords) {
    std::copy(code_.words.begin(), code_.words.end(), arguments_.words);
  } else {
    words_ = std::make_unique<DeviceWords>(device, code_.words);
    arguments_.code = words_->words();
  }
}

PreparedChain::~PreparedChain() = default;

double PreparedChain::flops() const {
  constexpr double kFlops = 8;  // of a formula
  return static_cast<double>(layout_.count) * static_cast<double>(program_.instructions.size()) * kFlops;
}

void PreparedChain::set_constant(int k, const void* value) {
  arguments_.in[k].constant = 0;
  if (!program_.is_bool(k)) {
    std::memcpy(&arguments_.in[k].constant, value, static_cast<size_t>(program_.lane_bytes()));
    return;
  }
  dispatch_lane([&](auto lane) {
    lane = static_cast<decltype(lane)>(*static_cast<const uint8_t*>(value));
    std::memcpy(&arguments_.in[k].constant, &lane, sizeof lane);
  });
}

template <class F>
void PreparedChain::dispatch_lane(F&& body) const {
  switch (program_.lane) {
    case kLaneFloat32:
      return body(float{});
    case kLaneFloat64:
      return body(double{});
    default:
      return body(uint32_t{});
  }
}

uint64_t PreparedChain::in_place(const OpDesc& desc, int j) const {
  uint64_t inputs = 0;
  for (size_t k = 0; k < constants_.size(); ++k) {
    const bool same_walk = layout_.inputs[k].kind == ChainInput::kContiguous || layout_.count == 1;
    if (!same_walk || constants_[k] || desc.in(static_cast<int>(k)).dtype != desc.out(j).dtype) continue;
    if (code_.last_read[k] <= code_.stored_at[static_cast<size_t>(j)]) inputs |= uint64_t{1} << k;
  }
  return inputs;
}

ChainArguments PreparedChain::arguments(const void* const* in, void* const* out, int out_count) const {
  ChainArguments arguments = arguments_;
  arguments.vectors = whole_vectors_;
  for (size_t k = 0; k < constants_.size(); ++k) {
    if (constants_[k]) continue;
    arguments.in[k].pointer = in[k];
    const bool array = layout_.inputs[k].kind != ChainInput::kScalar;
    arguments.vectors = arguments.vectors && (!array || aligned_to(kVectorBytes, in[k]));
  }
  for (int j = 0; j < out_count; ++j) {
    arguments.out[j] = out[j];
    arguments.vectors = arguments.vectors && aligned_to(kVectorBytes, out[j]);
  }
  return arguments;
}

}  // namespace cotangent::cuda
