#include "native/emulation/symbols.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__ELF__)
#include <link.h>
#endif

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace cotangent::emulation {
namespace {

std::string demangled(const char* symbol) {
  int status = 0;
  char* text = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
  std::string result = status == 0 ? text : symbol;
  std::free(text);
  // Kernels often live in a namespace without a name.
  const std::string anonymous = "(anonymous namespace)::";
  for (size_t at; (at = result.find(anonymous)) != std::string::npos;) result.erase(at, anonymous.size());
  return result;
}

#if defined(__ELF__)
// A file in memory.
class File {
 public:
  explicit File(const char* path) {
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status{};
    if (descriptor < 0) return;
    if (fstat(descriptor, &status) == 0 && status.st_size > 0) {
      void* memory = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0);
      if (memory != MAP_FAILED) {
        data_ = static_cast<const char*>(memory);
        size_ = static_cast<size_t>(status.st_size);
      }
    }
    close(descriptor);
  }
  ~File() {
    if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // `count` objects at the offset, or nullptr if the file ends before.
  template <class T>
  const T* at(size_t offset, size_t count = 1) const {
    const bool inside = data_ != nullptr && offset <= size_ && count <= (size_ - offset) / sizeof(T);
    return inside ? reinterpret_cast<const T*>(data_ + offset) : nullptr;
  }
  size_t size() const { return size_; }

 private:
  const char* data_ = nullptr;
  size_t size_ = 0;
};

// Names that the dynamic linker does not know - hidden ones, those of this file only - are in the module's own table.
std::string name_in_module(const Dl_info& module, const void* function) {
  const File file(module.dli_fname);
  const auto* header = file.at<ElfW(Ehdr)>(0);
  if (header == nullptr || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return "";
  uintptr_t address = reinterpret_cast<uintptr_t>(function);
  if (header->e_type == ET_DYN) address -= reinterpret_cast<uintptr_t>(module.dli_fbase);
  const auto* sections = file.at<ElfW(Shdr)>(header->e_shoff, header->e_shnum);
  for (size_t i = 0; sections != nullptr && i < header->e_shnum; ++i) {
    if (sections[i].sh_type != SHT_SYMTAB || sections[i].sh_link >= header->e_shnum) continue;
    const auto& names = sections[sections[i].sh_link];
    const size_t count = sections[i].sh_size / sizeof(ElfW(Sym));
    const auto* symbols = file.at<ElfW(Sym)>(sections[i].sh_offset, count);
    for (size_t k = 0; symbols != nullptr && k < count; ++k) {
      if ((symbols[k].st_info & 0xf) != STT_FUNC || symbols[k].st_value != address) continue;
      const char* name = file.at<char>(names.sh_offset + symbols[k].st_name);
      if (name != nullptr && std::memchr(name, '\0', file.size() - (names.sh_offset + symbols[k].st_name))) {
        return demangled(name);
      }
    }
  }
  return "";
}
#endif

}  // namespace

std::string name_of(const void* function) {
  Dl_info info{};
  if (dladdr(function, &info) == 0) return "unknown";
  if (info.dli_sname != nullptr && info.dli_saddr == function) return demangled(info.dli_sname);
#if defined(__ELF__)
  std::string name = name_in_module(info, function);
  if (!name.empty()) return name;
#endif
  char offset[32];
  std::snprintf(offset, sizeof offset, "+0x%zx",
                static_cast<size_t>(static_cast<const char*>(function) - static_cast<const char*>(info.dli_fbase)));
  return std::string(info.dli_fname) + offset;
}

}  // namespace cotangent::emulation
