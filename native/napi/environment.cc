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

Environment::Environment(Napi::Env env)
    : env_(env), inline_enabled_(!is_off("COTANGENT_INLINE")), fuse_(!is_off("COTANGENT_FUSE")) {
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
  // All are told first: work on one device may wait for another's.
  for (const auto& site : sites_) {
    if (site) site->device.executor.abort_all(*site);
  }
  for (const auto& site : sites_) {
    if (site) site->device.executor.drain(*site);
  }
  wake_.Abort();
  tickets_.clear();
  slots_.clear();
  programs_.clear();
  streams_.clear();
  markers_.clear();
  arguments_.clear();
  sites_.clear();
  settled_.Reset();
  progress_.Reset();
  Napi::MemoryManagement::AdjustExternalMemory(env_, -reported_bytes_);
}

void Environment::configure(Napi::Function settled, Napi::Function progress) {
  if (!settled_.IsEmpty()) fail(CT_INTERNAL, "configure", "to be called once", "a second call");
  settled_ = Napi::Persistent(settled);
  progress_ = Napi::Persistent(progress);
}

OpenDevice& Environment::open(const std::string& name) {
  OpenDevice& device = open_device(name);
  if (device.id >= sites_.size()) sites_.resize(device.id + 1);
  if (!sites_[device.id]) {
    sites_[device.id] = std::make_unique<Site>(*this, device);
    run_thread_start_hook();  // this thread runs small Programs
  }
  return device;
}

Environment::Site& Environment::site(uint32_t device) {
  if (device >= sites_.size() || !sites_[device]) unknown("device", device);
  return *sites_[device];
}

// --- Programs and streams
// -------------------------------------------------------------------------------------------------

uint32_t Environment::compile(uint32_t on, const double* words, size_t count, const std::vector<std::string>& names) {
  Site& at = site(on);
  Device& device = at.device.device;
  Program decoded = decode(words, count, names, device.backend().formula);
  ProgramEntry entry;
  entry.site = &at;
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

uint32_t Environment::create_stream(uint32_t on) {
  Site& at = site(on);
  Ref<Stream> stream = at.device.executor.create_stream(at);
  const uint32_t id = stream->id();
  streams_.emplace(id, StreamEntry{std::move(stream), &at});
  return id;
}

Environment::StreamEntry& Environment::stream(uint32_t id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) unknown("stream", id);
  return found->second;
}

void Environment::release_stream(uint32_t id) {
  stream(id);
  streams_.erase(id);
}

void Environment::start_profiling(uint32_t id) { stream(id).stream->start_profiling(); }

Profiler::Profile Environment::take_profile(uint32_t id) {
  Stream& from = *stream(id).stream;
  if (!from.profiler()) fail(CT_INTERNAL, "takeProfile", "a stream that is profiled", "another one");
  static const int64_t epoch = now_ns();  // of all streams; small numbers keep their nanoseconds as doubles
  Profiler::Profile profile = from.profiler()->take();
  for (Profiler::Event& event : profile.events) event.start_ns -= epoch;
  return profile;
}

void Environment::abort_stream(uint32_t id) {
  const StreamEntry& entry = stream(id);
  entry.site->device.executor.abort(*entry.stream);
}

// --- markers
// -------------------------------------------------------------------------------------------------

uint32_t Environment::record_marker(uint32_t on) {
  Site& at = site(on);
  if (at.device.device.backend().synchronous) {
    fail(CT_INTERNAL, "recordMarker", "an asynchronous device", at.device.name);
  }
  auto marker = std::make_unique<Marker>(at.device.device);
  at.device.executor.mark(at, at.queue.get(), marker->get());
  const uint32_t id = next_marker_++;
  markers_.emplace(id, MarkerEntry{std::move(marker), &at});
  return id;
}

Environment::MarkerEntry& Environment::marker(uint32_t id) {
  const auto found = markers_.find(id);
  if (found == markers_.end()) unknown("marker", id);
  return found->second;
}

void Environment::release_marker(uint32_t id) {
  marker(id);
  markers_.erase(id);
}

double Environment::elapsed(uint32_t from, uint32_t to) {
  const MarkerEntry &first = marker(from), &last = marker(to);
  if (first.site != last.site) fail(CT_INTERNAL, "elapsed", "markers of one device", "those of two");
  double ns = 0;
  ct_error error{};
  if (first.site->device.device.backend().elapsed(first.marker->get(), last.marker->get(), &ns, &error) != CT_OK) {
    throw Error(to_failure(error));
  }
  return ns;
}

}  // namespace cotangent
