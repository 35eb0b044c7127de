#include "native/napi/environment.h"

#include <cstdlib>
#include <cstring>

#include "native/core/pool.h"

namespace cotangent {
namespace {

bool is_off(const char* variable) {
  const char* const value = std::getenv(variable);
  return value && std::strcmp(value, "0") == 0;
}

[[noreturn]] void unknown(const char* what, uint32_t id) {
  fail(CT_INTERNAL, "addon", std::string("a live ") + what, "number " + std::to_string(id));
}

}  // namespace

Runtime& runtime() {
  static Runtime* const instance = [] {
    auto* const made = new Runtime(*cotangent_backend());
    // process.exit() runs no cleanup hooks of the main environment, but it does run these handlers, ahead of OpenBLAS's
    // own.
    std::atexit([] { runtime().executor.shut_down(); });
    return made;
  }();
  return *instance;
}

Environment::Environment(Napi::Env env)
    : env_(env),
      runtime_(cotangent::runtime()),
      inline_queue_(runtime_.device, true),
      inline_enabled_(!is_off("COTANGENT_INLINE")),
      fuse_(!is_off("COTANGENT_FUSE")) {
  run_thread_start_hook();
  wake_ = Wake::New(env, "cotangent", 0, 1, this);
  wake_.Unref(env);
}

Environment::~Environment() = default;

void Environment::tear_down() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    closed_ = true;
  }
  runtime_.executor.close(*this);
  wake_.Abort();
  tickets_.clear();
  slots_.clear();
  programs_.clear();
  streams_.clear();
  arena_ = {};
  arguments_.clear();
  settled_.Reset();
  progress_.Reset();
  Napi::MemoryManagement::AdjustExternalMemory(env_, -reported_bytes_);
}

void Environment::configure(Napi::Function settled, Napi::Function progress) {
  if (!settled_.IsEmpty()) fail(CT_INTERNAL, "configure", "to be called once", "a second call");
  settled_ = Napi::Persistent(settled);
  progress_ = Napi::Persistent(progress);
}

// --- Programs and streams
// -------------------------------------------------------------------------------------------------

uint32_t Environment::compile(const double* words, size_t count, const std::vector<std::string>& names) {
  Device& device = runtime_.device;
  Program decoded = decode(words, count, names, device.backend().formula);
  ProgramEntry entry;
  entry.executable = Ref<Executable>::adopt(new Executable(device, std::move(decoded), fuse_));
  if (free_programs_.empty()) {
    programs_.push_back(std::move(entry));
    return static_cast<uint32_t>(programs_.size() - 1);
  }
  const uint32_t id = free_programs_.back();
  free_programs_.pop_back();
  programs_[id] = std::move(entry);
  return id;
}

Environment::ProgramEntry& Environment::program(uint32_t id) {
  if (id >= programs_.size() || !programs_[id].executable) unknown("Program", id);
  return programs_[id];
}

void Environment::release_program(uint32_t id) {
  program(id) = {};
  free_programs_.push_back(id);
}

std::string Environment::describe_program(uint32_t id) { return describe(program(id).executable->plan.program); }

uint32_t Environment::create_stream() {
  Ref<Stream> stream = runtime_.executor.create_stream(*this);
  const uint32_t id = stream->id();
  streams_.emplace(id, std::move(stream));
  return id;
}

Stream& Environment::stream(uint32_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) unknown("stream", id);
  return *found->second;
}

void Environment::release_stream(uint32_t id) {
  stream(id);
  streams_.erase(id);
}

void Environment::start_profiling(uint32_t id) { stream(id).start_profiling(); }

Profiler::Profile Environment::take_profile(uint32_t id) {
  Stream& from = stream(id);
  if (!from.profiler()) fail(CT_INTERNAL, "takeProfile", "a stream that is profiled", "another one");
  Profiler::Profile profile = from.profiler()->take();
  for (Profiler::Event& event : profile.events) event.start_ns -= from.epoch_ns();
  return profile;
}

void Environment::abort_stream(uint32_t id) { runtime_.executor.abort(stream(id)); }

}  // namespace cotangent
