// Copies between strided views on a GPU (strided_shape.h).
#ifndef COTANGENT_KERNELS_MOVEMENT_STRIDED_COPY_CUDA_H
#define COTANGENT_KERNELS_MOVEMENT_STRIDED_COPY_CUDA_H

#include <vector>

#include "native/backend/cuda/device.h"
#include "native/kernels/movement/strided_shape.h"

namespace cotangent::cuda {

// Immutable, made by `prepare`. Every element is read and written once. What is contiguous on both sides is moved in
// words of up to 16 bytes; a transposition goes through tiles in shared memory.
class DeviceCopy {
 public:
  // Which view moves with a window, if one does.
  enum class Moves { kNeither, kTarget, kSource };

  DeviceCopy(const StridedShape& shape, int64_t element) : DeviceCopy(shape, element, Moves::kNeither, nullptr) {}
  DeviceCopy(const StridedShape& shape, int64_t element, Moves moves, const Window* window);

  // `to` and `from` are the arrays' first elements; `starts` says on the device where the window is.
  ct_code run(Device& device, void* to, const void* from, const int32_t* starts, ct_error* error) const;

 private:
  void choose_word();
  ct_code run_words(Device& device, void* to, const void* from, const int32_t* starts, ct_error* error) const;
  ct_code run_tiles(Device& device, void* to, const void* from, ct_error* error) const;

  std::vector<StridedDim> dims_;
  int64_t to_offset_, from_offset_;
  int64_t element_;
  int64_t count_ = 1;
  int64_t reach_ = 0;  // elements from the lowest to the highest that either view touches
  int64_t word_ = 1;   // bytes
  int crossing_ = -1;  // the dim that is contiguous in the source, when the copy is a transposition
  Moves moves_;
  std::vector<int64_t> strides_, last_;  // of the window
};

}  // namespace cotangent::cuda

#endif
