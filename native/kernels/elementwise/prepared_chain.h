// A chain as a GPU's kernels take it: decoded, its steps generated, its argument filled in as far as it is known before
// a launch.
#ifndef COTANGENT_KERNELS_ELEMENTWISE_PREPARED_CHAIN_H
#define COTANGENT_KERNELS_ELEMENTWISE_PREPARED_CHAIN_H

#include <memory>
#include <vector>

#include "native/backend/cuda/kernel.h"
#include "native/kernels/elementwise/chain_steps.h"

namespace cotangent::cuda {

constexpr int64_t kChainSharedBytes = 48 << 10;  // what every device gives a block without being asked

class PreparedChain {
 public:
  // `desc` as for `chain`; `whole_vectors` as for generate_chain. Throws KernelError.
  PreparedChain(const OpDesc& desc, Device& device, bool whole_vectors = true);
  ~PreparedChain();

  const ChainProgram& program() const { return program_; }
  const ChainCode& code() const { return code_; }
  int64_t count() const { return layout_.count; }
  int64_t width() const { return kVectorBytes / program_.lane_bytes(); }
  double flops() const;
  // Bytes of a slot, for a thread.
  static constexpr int64_t kSlotBytes = kVectors * kVectorBytes;

  // Inputs whose buffer output j may take over, as bits: a thread reads no element of them after it stored one of j,
  // and none that another thread stores.
  uint64_t in_place(const OpDesc& desc, int j) const;

  // For pointers of a launch; of `out`, the first `out_count` are there. Slots are left to the caller.
  ChainArguments arguments(const void* const* in, void* const* out, int out_count) const;

 private:
  class DeviceWords;

  void set_constant(int k, const void* value);
  template <class F>
  void dispatch_lane(F&& body) const;

  const ChainProgram program_;
  const ChainLayout layout_;
  const bool whole_vectors_;
  ChainCode code_;
  std::vector<bool> constants_;  // by input
  ChainArguments arguments_{};
  std::unique_ptr<DeviceWords> words_;
};

}  // namespace cotangent::cuda

#endif
