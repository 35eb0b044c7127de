// chain: y_j = formulas(x_1, .., x_n) in one pass over memory: every input is read once (again from L1 when later steps
// use it, too), every output written once.
//
// No code is made for a chain: a few kernels, compiled beforehand, interpret it (chain_machine.h). A step costs some
// forty instructions for a thread's eight floats, about five an element, where an H100 has about seventy an element
// while it waits for the eight bytes of y = f(x). A compiler at run time (NVRTC) would write the steps out as one
// function and hold slots in registers; its place is beside `chain_function`: it would return the compiled function for
// a program that has run often enough, taking the same argument.
#include <algorithm>

#include "native/kernels/elementwise/chain_machine.h"
#include "native/kernels/elementwise/elementwise_cuda.h"
#include "native/kernels/elementwise/prepared_chain.h"

namespace cotangent::cuda {
namespace {

constexpr unsigned kFewestThreads = 64;

class ChainKernel : public Kernel {
 public:
  ChainKernel(const OpDesc& desc, Device& device)
      : chain_(desc, device), function_(chain_function(chain_.program().lane, chain_.code().costly)) {
    choose_geometry(device);
    for (int j = 0; j < desc.out_count(); ++j) in_place[j] = chain_.in_place(desc, j);
    estimated_ns = estimate_ns(traffic(desc), chain_.flops());
  }

  uint64_t workspace_bytes() const override { return far_bytes_; }

  ct_code run(const Launch& to, ct_error* error) const override {
    if (chain_.count() == 0) return CT_OK;
    ChainArguments arguments = chain_.arguments(to.in, to.out, static_cast<int>(chain_.program().outputs.size()));
    arguments.shared_slots = shared_slots_;
    arguments.far_slots = to.workspace;
    return check(launch(blocks_, threads_, shared_bytes_, to.stream(), function_, arguments), error, "chain");
  }

 private:
  // Blocks small enough for the slots to fit into shared memory, and for a small array to reach all multiprocessors.
  void choose_geometry(const Device& device) {
    const int64_t slots = chain_.code().slot_count, elements = kVectors * chain_.width();
    const int64_t threads = std::max<int64_t>(1, (chain_.count() + elements - 1) / elements);
    while (threads_ > kFewestThreads && slots * PreparedChain::kSlotBytes * threads_ > kChainSharedBytes) threads_ /= 2;
    while (threads_ > kFewestThreads && threads / threads_ < 2 * device.properties().multiProcessorCount) threads_ /= 2;
    const int64_t slot_bytes = PreparedChain::kSlotBytes * threads_;
    shared_slots_ = static_cast<int32_t>(std::min<int64_t>(slots, kChainSharedBytes / slot_bytes));
    shared_bytes_ = static_cast<size_t>(shared_slots_ * slot_bytes);
    blocks_ = device.grid(function_, threads, threads_, shared_bytes_);
    far_bytes_ = static_cast<uint64_t>((slots - shared_slots_) * slot_bytes) * blocks_;
  }

  const PreparedChain chain_;
  const ChainFunction function_;
  unsigned threads_ = kChainBlock, blocks_ = 1;
  int32_t shared_slots_ = 0;
  size_t shared_bytes_ = 0;
  uint64_t far_bytes_ = 0;
};

}  // namespace

ChainFunction chain_function(Lane lane, bool costly) {
  switch (lane) {
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

std::unique_ptr<Kernel> prepare_chain(const OpDesc& desc, Device& device) {
  return std::make_unique<ChainKernel>(desc, device);
}

}  // namespace cotangent::cuda
