#include "native/emulation/symbols.h"

#include <cxxabi.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace cotangent::emulation {
namespace {

std::string demangled(const char* symbol) {
  int status = 0;
  char* text = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
  std::string result = status == 0 ? text : symbol;
  std::free(text);
  return result;
}

}  // namespace

std::string name_of(const void* function) {
  Dl_info info{};
  if (dladdr(function, &info) == 0) return "unknown";
  if (info.dli_sname != nullptr && info.dli_saddr == function) return demangled(info.dli_sname);
  char offset[32];
  std::snprintf(offset, sizeof offset, "+0x%zx",
                static_cast<size_t>(static_cast<const char*>(function) - static_cast<const char*>(info.dli_fbase)));
  return std::string(info.dli_fname) + offset;
}

}  // namespace cotangent::emulation
