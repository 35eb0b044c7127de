// What the CPU's `Prepare` functions need besides the description: what a launch will cost.
#ifndef COTANGENT_BACKEND_CPU_CHECK_H
#define COTANGENT_BACKEND_CPU_CHECK_H

#include "native/backend/cpu/kernel.h"

namespace cotangent::cpu {

// One thread of a plain machine: 10 GB/s, 20 GFLOP/s in float32.
inline double estimate_ns(double bytes, double flops = 0) { return 100 + bytes / 10 + flops / 20; }

}  // namespace cotangent::cpu

#endif
