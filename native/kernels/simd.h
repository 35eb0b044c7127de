// SIMD targets. Files named *.simd.cc are compiled once per target, each time inside `namespace
// cotangent::COTANGENT_TARGET`; a family declares its entry point in every target and picks one at run time:
//
//   COTANGENT_SIMD_DECLARE(const ChainTarget& chain_target())      // at namespace cotangent scope
//   const ChainTarget& t = COTANGENT_SIMD_DISPATCH(chain_target)();
//
// The target is the widest one that the machine supports, or what COTANGENT_SIMD=baseline|avx2|avx512|neon asks for.
// Objects of different targets must share no weak symbols (the linker would keep an arbitrary one): in *.simd.cc
// everything lives in the target's namespace, and no standard header with inline code is included.
#ifndef COTANGENT_KERNELS_SIMD_H
#define COTANGENT_KERNELS_SIMD_H

#include <string>
#include <vector>

namespace cotangent {

enum class SimdTarget { kBaseline, kAvx2, kAvx512, kNeon };

// Chosen at first use. When target_error() is not empty: the machine's own choice.
SimdTarget current_target();

const char* target_name(SimdTarget target);

// Targets that this machine can run, narrowest first.
std::vector<SimdTarget> supported_targets();
std::vector<std::string> target_names();

// Why COTANGENT_SIMD cannot be obeyed, or empty. The backend refuses to open a device then.
const std::string& target_error();

}  // namespace cotangent

#if defined(__x86_64__) || defined(_M_X64)
#define COTANGENT_SIMD_DECLARE(declaration) \
  namespace baseline {                      \
  declaration;                              \
  }                                         \
  namespace avx2 {                          \
  declaration;                              \
  }                                         \
  namespace avx512 {                        \
  declaration;                              \
  }
#define COTANGENT_SIMD_SELECT(function, target)                                  \
  ((target) == ::cotangent::SimdTarget::kAvx512 ? &::cotangent::avx512::function \
   : (target) == ::cotangent::SimdTarget::kAvx2 ? &::cotangent::avx2::function   \
                                                : &::cotangent::baseline::function)
#else
#define COTANGENT_SIMD_DECLARE(declaration) \
  namespace neon {                          \
  declaration;                              \
  }
#define COTANGENT_SIMD_SELECT(function, target) ((void)(target), &::cotangent::neon::function)
#endif

// The current target's version of `function`, as a function pointer.
#define COTANGENT_SIMD_DISPATCH(function) COTANGENT_SIMD_SELECT(function, ::cotangent::current_target())

#endif
