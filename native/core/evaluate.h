// Computes formulas and casts of scalars while compiling, on the device that is compiled for.
#ifndef COTANGENT_CORE_EVALUATE_H
#define COTANGENT_CORE_EVALUATE_H

#include "native/core/device.h"
#include "native/core/passes.h"

namespace cotangent {

// `device` must outlive what is returned.
Evaluate scalar_evaluator(Device& device);

}  // namespace cotangent

#endif
