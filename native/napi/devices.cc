#include "native/napi/devices.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>

#include "native/backend/cpu/backend.h"

namespace cotangent {
namespace {

constexpr const char* kLibraryVariable = "COTANGENT_CUDA_LIBRARY";
constexpr const char* kBuildHint =
    " Hint: build the package where nvcc is found, or name the library in COTANGENT_CUDA_LIBRARY.";

[[noreturn]] void refuse(const std::string& expected, const std::string& received, const std::string& hint = "") {
  throw Error({CT_DEVICE, "device", "[device] Expected " + expected + ", received " + received + "." + hint});
}

// A device name, taken apart.
struct Address {
  enum class Kind { kCpu, kCuda, kEmulated } kind;
  int32_t index;
  std::string name() const {
    return kind == Kind::kCpu ? "cpu" : kind == Kind::kEmulated ? "cuda:emulated" : "cuda:" + std::to_string(index);
  }
};

Address parse(const std::string& name) {
  if (name == "cpu") return {Address::Kind::kCpu, 0};
  if (name == "cuda") return {Address::Kind::kCuda, 0};
  if (name == "cuda:emulated") return {Address::Kind::kEmulated, 0};
  const std::string digits = name.rfind("cuda:", 0) == 0 ? name.substr(5) : "";
  const bool number = !digits.empty() && digits.size() < 5 &&
                      digits.find_first_not_of("0123456789") == std::string::npos &&
                      (digits[0] != '0' || digits.size() == 1);
  if (!number) refuse("device 'cpu', 'cuda', 'cuda:0', 'cuda:1', ... or 'cuda:emulated'", "'" + name + "'");
  return {Address::Kind::kCuda, std::atoi(digits.c_str())};
}

// The addon's own folder: what was built with it lies beside it.
std::string folder() {
  Dl_info self;
  if (!dladdr(reinterpret_cast<void*>(&folder), &self) || !self.dli_fname) return ".";
  const std::string file = self.dli_fname;
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? "." : file.substr(0, slash);
}

std::string library_of(Address::Kind kind) {
  if (kind == Address::Kind::kEmulated) return folder() + "/libcotangent_cuda_emulated.so";
  const char* const named = std::getenv(kLibraryVariable);
  return named && *named ? named : folder() + "/libcotangent_cuda.so";
}

void shut_down_devices();

// Opened libraries stay: threads of theirs may run.
class Registry {
 public:
  OpenDevice& open(const std::string& name) {
    const Address address = parse(name);
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& device : devices_) {
      if (device->name == address.name()) return *device;
    }
    const ct_backend& found = backend(address.kind);
    const int32_t count = count_of(found);
    if (address.index >= count) {
      refuse("an index of one of " + std::to_string(count) + " CUDA device" + (count == 1 ? "" : "s"), "'" + name + "'",
             " Hint: devices are counted from 0, and CUDA_VISIBLE_DEVICES hides some.");
    }
    devices_.push_back(
        std::make_unique<OpenDevice>(static_cast<uint32_t>(devices_.size()), address.name(), found, address.index));
    // process.exit() runs no cleanup hooks of the main environment, but it does run these handlers, the latest first:
    // ahead of those of the libraries that this device uses.
    std::atexit(shut_down_devices);
    return *devices_.back();
  }

  OpenDevice& at(uint32_t id) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (id >= devices_.size()) fail(CT_INTERNAL, "addon", "an opened device", "number " + std::to_string(id));
    return *devices_[id];
  }

  std::vector<KnownDevice> known() {
    std::vector<KnownDevice> all;
    for (const Address::Kind kind : {Address::Kind::kCpu, Address::Kind::kCuda, Address::Kind::kEmulated}) {
      const std::string name = kind == Address::Kind::kCuda ? "cuda" : Address{kind, 0}.name();
      try {
        std::lock_guard<std::mutex> lock(mutex_);
        const int32_t count = count_of(backend(kind));
        for (int32_t index = 0; index < count; ++index) {
          if (kind == Address::Kind::kCuda || index == 0) all.push_back({Address{kind, index}.name(), ""});
        }
      } catch (const Error& error) {
        const std::string& message = error.failure().message;
        all.push_back({name, message.rfind("[device] ", 0) == 0 ? message.substr(9) : message});
      }
    }
    return all;
  }

  void shut_down() {
    std::vector<OpenDevice*> all;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      for (const auto& device : devices_) all.push_back(device.get());
    }
    for (OpenDevice* device : all) device->executor.shut_down();
  }

 private:
  const ct_backend& backend(Address::Kind kind) {
    if (kind == Address::Kind::kCpu) return cpu::backend();
    const std::string path = library_of(kind);
    const ct_backend*& known = libraries_[path];
    if (!known) known = &load(path);
    return *known;
  }

  static const ct_backend& load(const std::string& path) {
    struct stat file;
    if (path.find('/') != std::string::npos && stat(path.c_str(), &file) != 0) {
      refuse("the CUDA library at " + path, "no such file", kBuildHint);
    }
    void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) refuse("a CUDA library that can be loaded", dlerror());
    using Entry = const ct_backend* (*)();
    const auto entry = reinterpret_cast<Entry>(dlsym(library, "cotangent_backend"));
    if (!entry) refuse("a backend library at " + path, "one without the function cotangent_backend", kBuildHint);
    const ct_backend* const found = entry();
    if (found->abi != CT_BACKEND_ABI) {
      refuse("a backend of ABI " + std::to_string(CT_BACKEND_ABI) + " at " + path,
             "one of ABI " + std::to_string(found->abi), " Hint: build the package anew.");
    }
    return *found;
  }

  static int32_t count_of(const ct_backend& backend) {
    int32_t count = 0;
    ct_error error{};
    if (backend.device_count(&count, &error) != CT_OK) throw Error(to_failure(error));
    return count;
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<OpenDevice>> devices_;
  std::map<std::string, const ct_backend*> libraries_;  // by path
};

Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

void shut_down_devices() { registry().shut_down(); }

}  // namespace

OpenDevice& open_device(const std::string& name) { return registry().open(name); }
OpenDevice& opened_device(uint32_t id) { return registry().at(id); }
std::vector<KnownDevice> known_devices() { return registry().known(); }

}  // namespace cotangent
