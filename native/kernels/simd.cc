#include "native/kernels/simd.h"

#include <cstdlib>

namespace cotangent {
namespace {

struct Choice {
  SimdTarget target;
  std::string error;
};

Choice choose() {
  const std::vector<SimdTarget> supported = supported_targets();
  Choice choice{supported.back(), ""};
  const char* wanted = std::getenv("COTANGENT_SIMD");
  if (!wanted || !*wanted) return choice;
  std::string names;
  for (const SimdTarget target : supported) {
    if (std::string(wanted) == target_name(target)) {
      choice.target = target;
      return choice;
    }
    names += (names.empty() ? "" : ", ") + std::string(target_name(target));
  }
  choice.error = "Expected COTANGENT_SIMD to be one of " + names + " on this machine, received '" + wanted +
                 "'. Hint: unset it to let the machine choose.";
  return choice;
}

const Choice& choice() {
  static const Choice chosen = choose();
  return chosen;
}

}  // namespace

SimdTarget current_target() { return choice().target; }

const std::string& target_error() { return choice().error; }

const char* target_name(SimdTarget target) {
  switch (target) {
    case SimdTarget::kBaseline:
      return "baseline";
    case SimdTarget::kAvx2:
      return "avx2";
    case SimdTarget::kAvx512:
      return "avx512";
    case SimdTarget::kNeon:
      return "neon";
  }
  return "unknown";
}

std::vector<SimdTarget> supported_targets() {
#if defined(__x86_64__) || defined(_M_X64)
  std::vector<SimdTarget> targets{SimdTarget::kBaseline};
  // The flags must cover what CMakeLists.txt compiles the target with. __builtin_cpu_supports also asks the operating
  // system whether it saves the wide registers.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
      __builtin_cpu_supports("f16c")) {
    targets.push_back(SimdTarget::kAvx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw")) {
      targets.push_back(SimdTarget::kAvx512);
    }
  }
  return targets;
#else
  return {SimdTarget::kNeon};
#endif
}

std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const SimdTarget target : supported_targets()) names.emplace_back(target_name(target));
  return names;
}

}  // namespace cotangent
