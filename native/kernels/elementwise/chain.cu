// chain: y_j = formulas(x_1, .., x_n) in one pass over memory: every input is read once (again from L1 when later steps
// use it, too), every output written once.
//
// No code is made for a chain: a few kernels, compiled beforehand, interpret it (chain_machine.h). A step costs some
// forty instructions for a thread's eight floats, about five an element, where an H100 has about seventy an element
// while it waits for the eight bytes of y = f(x). A compiler at run time (NVRTC) would write the steps out as one
// function and hold slots in registers; its place is beside `function()`: it would return the compiled function for a
// program that has run often enough, taking the same argument.
#include <algorithm>
#include <cstring>

#include "native/kernels/elementwise/chain_machine.h"
#include "native/kernels/elementwise/elementwise_cuda.h"

namespace cotangent::cuda {
namespace {

constexpr int64_t kSharedBytes = 48 << 10;  // what every device gives a block without being asked
constexpr unsigned kFewestThreads = 64;

// Device memory with the words of a chain that is longer than the kernel's argument.
class DeviceCode {
 public:
  DeviceCode(Device& device, const std::vector<ChainWord>& words) : device_(device) {
    const uint64_t bytes = words.size() * sizeof(ChainWord);
    require(cudaMallocAsync(&memory_, bytes, device.stream()), "cudaMallocAsync");
    ct_error error{};
    if (device.staging().write(device.stream(), memory_, words.data(), bytes, &error) == CT_OK) return;
    cudaFreeAsync(memory_, device.stream());
    throw KernelError{static_cast<ct_code>(error.code), error.message};
  }
  ~DeviceCode() {
    if (device_.select(nullptr) == CT_OK) cudaFreeAsync(memory_, device_.stream());
  }
  DeviceCode(const DeviceCode&) = delete;
  DeviceCode& operator=(const DeviceCode&) = delete;

  const ChainWord* words() const { return static_cast<const ChainWord*>(memory_); }

 private:
  Device& device_;
  void* memory_ = nullptr;
};

class ChainKernel : public Kernel {
 public:
  ChainKernel(const OpDesc& desc, Device& device) : program_(decode_chain(desc)) {
    const ChainLayout layout = lay_out_chain(desc);
    std::vector<bool> constants;
    for (int k = 0; k < desc.in_count(); ++k) {
      constants.push_back(desc.constant(k) && layout.inputs[static_cast<size_t>(k)].kind == ChainInput::kScalar);
      if (constants.back()) set_constant(k, desc.constant(k));
    }
    const ChainCode code = generate_chain(program_, layout, constants);
    function_ = function(code.costly);
    arguments_.count = layout.count;
    arguments_.wide = code.wide;
    set_code(code, device);
    choose_geometry(code, device);
    find_arrays(desc, layout, constants);
    allow_in_place(desc, layout, code, constants);
    estimated_ns = estimate_ns(traffic(desc), static_cast<double>(layout.count * program_.instructions.size()) * 8);
  }

  uint64_t workspace_bytes() const override { return far_bytes_; }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (arguments_.count == 0) return CT_OK;
    ChainArguments arguments = arguments_;
    arguments.far_slots = to.workspace;
    arguments.vectors = true;
    for (int k = 0; k < program_.in_count; ++k) {
      if (is_constant_ >> k & 1) continue;
      arguments.in[k].pointer = to.in[k];
      if (is_array_ >> k & 1) arguments.vectors = arguments.vectors && aligned_to(kVectorBytes, to.in[k]);
    }
    for (size_t j = 0; j < program_.outputs.size(); ++j) {
      arguments.out[j] = to.out[j];
      arguments.vectors = arguments.vectors && aligned_to(kVectorBytes, to.out[j]);
    }
    return check(launch(blocks_, threads_, shared_bytes_, to.stream(), function_, arguments), error, "chain");
  }

 private:
  ChainFunction function(bool costly) const {
    switch (program_.lane) {
      case kLaneFloat32:
        return float_chain(costly);
      case kLaneFloat64:
        return double_chain(costly);
      case kLaneInt32:
        return int_chain();
      default:
        return uint_chain();
    }
  }

  void set_constant(int k, const void* value) {
    is_constant_ |= uint64_t{1} << k;
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
  void dispatch_lane(F&& body) const {
    switch (program_.lane) {
      case kLaneFloat32:
        return body(float{});
      case kLaneFloat64:
        return body(double{});
      default:
        return body(uint32_t{});
    }
  }

  void set_code(const ChainCode& code, Device& device) {
    arguments_.word_count = static_cast<int32_t>(code.words.size());
    if (code.words.size() <= kInlineWords) {
      std::copy(code.words.begin(), code.words.end(), arguments_.words);
    } else {
      code_ = std::make_unique<DeviceCode>(device, code.words);
      arguments_.code = code_->words();
    }
  }

  // Blocks small enough for the slots to fit into shared memory, and for a small array to reach all multiprocessors.
  void choose_geometry(const ChainCode& code, const Device& device) {
    const int64_t slot = kVectors * kVectorBytes;  // a thread's
    const int64_t threads = std::max<int64_t>(1, (arguments_.count + kVectors * width() - 1) / (kVectors * width()));
    while (threads_ > kFewestThreads && code.slot_count * slot * threads_ > kSharedBytes) threads_ /= 2;
    while (threads_ > kFewestThreads && threads / threads_ < 2 * device.properties().multiProcessorCount) threads_ /= 2;
    arguments_.shared_slots =
        static_cast<int32_t>(std::min<int64_t>(code.slot_count, kSharedBytes / (slot * threads_)));
    shared_bytes_ = static_cast<size_t>(arguments_.shared_slots * slot * threads_);
    blocks_ = device.grid(function_, threads, threads_, shared_bytes_);
    far_bytes_ = static_cast<uint64_t>((code.slot_count - arguments_.shared_slots) * slot * threads_) * blocks_;
  }

  int64_t width() const { return kVectorBytes / program_.lane_bytes(); }

  void find_arrays(const OpDesc& desc, const ChainLayout& layout, const std::vector<bool>& constants) {
    for (int k = 0; k < desc.in_count(); ++k) {
      const bool array =
          !constants[static_cast<size_t>(k)] && layout.inputs[static_cast<size_t>(k)].kind != ChainInput::kScalar;
      is_array_ |= static_cast<uint64_t>(array) << k;
    }
  }

  // Output j may take over input k when a thread reads no element of k after it stored one of j, and none that another
  // thread stores.
  void allow_in_place(const OpDesc& desc, const ChainLayout& layout, const ChainCode& code,
                      const std::vector<bool>& constants) {
    for (size_t j = 0; j < program_.outputs.size(); ++j) {
      for (size_t k = 0; k < constants.size(); ++k) {
        const bool same_walk = layout.inputs[k].kind == ChainInput::kContiguous || layout.count == 1;
        if (!same_walk || constants[k] || desc.in(static_cast<int>(k)).dtype != desc.out(static_cast<int>(j)).dtype)
          continue;
        if (code.last_read[k] <= code.stored_at[j]) in_place[j] |= uint64_t{1} << k;
      }
    }
  }

  const ChainProgram program_;
  ChainFunction function_ = nullptr;
  ChainArguments arguments_{};
  std::unique_ptr<DeviceCode> code_;
  uint64_t is_constant_ = 0, is_array_ = 0;  // by input
  unsigned threads_ = kChainBlock, blocks_ = 1;
  size_t shared_bytes_ = 0;
  uint64_t far_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Kernel> prepare_chain(const OpDesc& desc, Device& device) {
  return std::make_unique<ChainKernel>(desc, device);
}

}  // namespace cotangent::cuda
