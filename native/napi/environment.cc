#include "native/napi/environment.h"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <cstring>

#include "native/core/pool.h"

namespace cotangent {
namespace {

constexpr int32_t kMaxSlots = 1 << 26;
constexpr int64_t kReportStep = 1 << 20;  // bytes: the collector hears of memory in steps
constexpr std::chrono::milliseconds kPoll{20};

bool is_off(const char* variable) {
  const char* const value = std::getenv(variable);
  return value && std::strcmp(value, "0") == 0;
}

[[noreturn]] void unknown(const char* what, uint32_t id) {
  fail(CT_INTERNAL, "addon", std::string("a live ") + what, "number " + std::to_string(id));
}

// Wakes a thread that blocks in `wait`. On the heap: the settling thread may be in here while the other one returns.
class Signal final : public RefCounted, public Waiter {
 public:
  void release() {
    if (drop()) delete this;
  }
  void settled() override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      done_ = true;
      wake_.notify_one();
    }
    release();
  }
  bool wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    return wake_.wait_for(lock, kPoll, [this] { return done_; });
  }

 private:
  ~Signal() = default;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
};

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

// --- running
// --------------------------------------------------------------------------------------------------------------

void Environment::gather(const Plan& plan, const int32_t* slots, size_t count) {
  const size_t inputs = static_cast<size_t>(plan.program.input_count), outputs = plan.outputs.size();
  if (count != inputs + outputs) {
    fail(CT_INTERNAL, "execute", std::to_string(inputs + outputs) + " slots", std::to_string(count));
  }
  for (size_t k = 0; k < inputs; ++k) {
    Value& input = value(slots[k]);
    if (input.type() != plan.program.types[k]) {
      fail(input.type().dtype == plan.program.types[k].dtype ? CT_SHAPE : CT_DTYPE, "execute",
           "input " + std::to_string(k) + " of type " + show(plan.program.types[k]), show(input.type()));
    }
    arguments_.inputs.emplace_back(&input);
  }
  for (size_t j = 0; j < outputs; ++j) {
    const Slot& to = slot(slots[inputs + j]);
    if (to.value && to.value->state() != Value::State::kFailed) {
      fail(CT_INTERNAL, "execute", "free output slots", "slot " + std::to_string(slots[inputs + j]) + " in use");
    }
    arguments_.outputs.push_back(Ref<Value>::adopt(new Value(plan.outputs[j].type)));
  }
}

bool Environment::can_run_inline(const Plan& plan, const Stream& stream) const {
  if (!inline_enabled_ || !plan.inlinable || stream.aborted() || stream.profiler()) return false;
  return std::none_of(arguments_.inputs.begin(), arguments_.inputs.end(),
                      [](const Ref<Value>& input) { return input->state() == Value::State::kPending; });
}

void* Environment::inline_arena(uint64_t bytes) {
  if (bytes == 0) return nullptr;
  if (!arena_ || arena_->bytes() < bytes) {
    arena_ = {};
    arena_ = Buffer::allocate(runtime_.device.allocator(), bytes);
  }
  return arena_->pointer();
}

void Environment::run_inline(ProgramEntry& entry, const Stream& stream) {
  for (const Ref<Value>& input : arguments_.inputs) {
    if (input->state() != Value::State::kFailed) continue;
    return fail_outputs(arguments_.outputs, input->failure());
  }
  const RunContext context{inline_queue_.get(), nullptr, nullptr, stream.epoch_ns()};
  try {
    const FixedThreads threads(pool_threads());
    if (!entry.layout || entry.layout->threads != serial().threads()) {
      entry.layout = &entry.executable->plan.layout(serial().threads());
    }
    if (!entry.inline_execution) entry.inline_execution = entry.executable->acquire();
    Execution& execution = *entry.inline_execution;
    execution.start(arguments_.inputs, *entry.layout, inline_arena(entry.layout->bytes), context);
    const Execution::Outcome outcome = execution.run(context, INT64_MAX);
    execution.settle(outcome, arguments_.inputs, arguments_.outputs, true);
    runtime_.programs_inline.fetch_add(1, std::memory_order_relaxed);
    runtime_.equations_inline.fetch_add(execution.equations_run(), std::memory_order_relaxed);
    execution.clear();
  } catch (...) {
    fail_outputs(arguments_.outputs, current_failure());
    if (entry.inline_execution) entry.inline_execution->clear();
  }
}

void Environment::execute(uint32_t id, uint32_t stream_id, const int32_t* slots, size_t count) {
  ProgramEntry& entry = program(id);
  const Plan& plan = entry.executable->plan;
  Stream& on = stream(stream_id);
  struct Clear {
    Arguments& arguments;
    ~Clear() { arguments.clear(); }
  } const clear{arguments_};
  gather(plan, slots, count);
  const size_t inputs = arguments_.inputs.size(), outputs = arguments_.outputs.size();
  const bool run_here = can_run_inline(plan, on);
  if (run_here) run_inline(entry, on);
  // The slots hold their own references before the executor gets the arguments; donated inputs keep the executor's
  // only.
  for (size_t k = 0; k < inputs; ++k) {
    if (plan.program.donated[k]) empty(slot(slots[k]));
  }
  for (size_t j = 0; j < outputs; ++j) put(slot(slots[inputs + j]), arguments_.outputs[j]);
  if (!run_here && !runtime_.executor.enqueue(on, *entry.executable, arguments_, [this] { return terminating(); })) {
    for (size_t j = 0; j < outputs; ++j) empty(slot(slots[inputs + j]));
    throw Error(*aborted_failure());
  }
  report_memory();
}

// True when JavaScript may not run any more: a worker was told to stop while its thread is in here.
bool Environment::terminating() {
  napi_value global;
  bool present;
  return napi_get_global(env_, &global) != napi_ok ||
         napi_has_named_property(env_, global, "Object", &present) != napi_ok;
}

// --- slots
// ----------------------------------------------------------------------------------------------------------------

Environment::Slot& Environment::slot(int32_t index) {
  if (index < 0 || index >= kMaxSlots) {
    fail(CT_INTERNAL, "addon", "a slot from 0 to " + std::to_string(kMaxSlots - 1), std::to_string(index));
  }
  if (static_cast<size_t>(index) >= slots_.size())
    slots_.resize(std::max<size_t>(static_cast<size_t>(index) + 1, slots_.size() * 2));
  return slots_[static_cast<size_t>(index)];
}

Value& Environment::value(int32_t index) {
  if (index < 0 || static_cast<size_t>(index) >= slots_.size() || !slots_[static_cast<size_t>(index)].value) {
    throw Error({kDisposed, "addon",
                 "[addon] Expected a slot that holds a value, received empty slot " + std::to_string(index) + "."});
  }
  return *slots_[static_cast<size_t>(index)].value;
}

void Environment::put(Slot& slot, Ref<Value> value) {
  empty(slot);
  bytes_ += byte_count(value->type());
  ++handles_;
  slot.value = std::move(value);
}

void Environment::empty(Slot& slot) {
  if (!slot.value) return;
  bytes_ -= byte_count(slot.value->type());
  --handles_;
  slot = {};
}

void Environment::release_slots(const int32_t* slots, size_t count) {
  for (size_t k = 0; k < count; ++k) empty(slot(slots[k]));
  report_memory();
}

void Environment::report_memory() {
  const int64_t change = bytes_ - reported_bytes_;
  if (change > -kReportStep && change < kReportStep) return;
  Napi::MemoryManagement::AdjustExternalMemory(env_, change);
  reported_bytes_ = bytes_;
}

void Environment::write(int32_t index, const Type& type, const void* data) {
  Slot& to = slot(index);
  if (to.value && to.value->state() != Value::State::kFailed) {
    fail(CT_INTERNAL, "write", "a free slot", "slot " + std::to_string(index) + " in use");
  }
  Ref<Buffer> buffer = Buffer::allocate(runtime_.device.allocator(), static_cast<uint64_t>(byte_count(type)));
  ct_error error{};
  if (runtime_.device.backend().write(inline_queue_.get(), buffer->pointer(), data, buffer->bytes(), &error) != CT_OK) {
    throw Error(to_failure(error));
  }
  Ref<Value> written = Ref<Value>::adopt(new Value(type));
  written->make_ready(std::move(buffer));
  put(to, std::move(written));
  report_memory();
}

Value::State Environment::state(int32_t index) {
  const Value::State now = value(index).state();
  slots_[static_cast<size_t>(index)].seen_pending = now == Value::State::kPending;
  return now;
}

void Environment::read(const Value& value, void* to) {
  ct_error error{};
  const uint64_t bytes = static_cast<uint64_t>(byte_count(value.type()));
  if (bytes == 0) return;
  if (runtime_.device.backend().read(inline_queue_.get(), to, value.buffer()->pointer(), bytes, &error) != CT_OK) {
    throw Error(to_failure(error));
  }
}

void Environment::wait(int32_t index) {
  const Ref<Value> awaited(&value(index));
  if (spin_until([&] { return awaited->state() != Value::State::kPending; })) return;
  const Ref<Signal> signal = Ref<Signal>::adopt(new Signal);
  signal->retain();  // the registration's reference
  if (!awaited->wait(signal.get())) {
    signal->release();
    return;
  }
  while (!signal->wait()) {
    if (terminating()) throw Error(*aborted_failure());
  }
}

// --- tickets
// --------------------------------------------------------------------------------------------------------------

void Environment::Ticket::settled() {
  environment_.complete(id_);
  release();
}

double Environment::add_ticket(Ref<Value> value, bool deliver_anyway) {
  const double id = next_ticket_++;
  Ref<Ticket> ticket = Ref<Ticket>::adopt(new Ticket(*this, id, std::move(value)));
  tickets_.emplace(id, ticket);
  ticket->retain();  // the registration's reference
  hold_loop(1);
  const bool registered =
      ticket->value ? ticket->value->wait(ticket.get()) : runtime_.executor.wait_idle(*this, &ticket->idle);
  if (registered) return id;
  if (deliver_anyway) {
    ticket->settled();
  } else {
    hold_loop(-1);
    ticket->release();
  }
  return id;
}

double Environment::request(int32_t index) {
  Value& asked = value(index);
  // JavaScript decides by what state() told it last whether it will wait for the ticket.
  return add_ticket(Ref<Value>(&asked), slots_[static_cast<size_t>(index)].seen_pending);
}

double Environment::request_idle() { return add_ticket({}, true); }

Ref<Value> Environment::take_ticket(double id) {
  const auto found = tickets_.find(id);
  if (found == tickets_.end()) fail(CT_INTERNAL, "collect", "a ticket that is not over", std::to_string(id));
  const Ref<Value> value = found->second->value;
  if (!value) {
    tickets_.erase(found);
    return {};
  }
  if (value->state() == Value::State::kPending) fail(CT_INTERNAL, "collect", "a settled ticket", "one that is pending");
  tickets_.erase(found);
  if (value->state() == Value::State::kFailed) throw Error(*value->failure());
  return value;
}

// The event loop stays alive while a ticket is still to be delivered.
void Environment::hold_loop(int tickets) {
  const int before = undelivered_;
  undelivered_ += tickets;
  if (before == 0 && undelivered_ > 0) wake_.Ref(env_);
  if (before > 0 && undelivered_ == 0) wake_.Unref(env_);
}

// Any thread.
void Environment::complete(double ticket) {
  std::lock_guard<std::mutex> lock(mutex_);
  done_.push_back(ticket);
  wake_locked();
}

void Environment::wake_locked() {
  if (scheduled_ || closed_) return;
  scheduled_ = wake_.NonBlockingCall() == napi_ok;
}

// The executor's thread. News that were not delivered yet are overwritten: JavaScript gets the newest.
void Environment::progress(uint32_t stream, const EmitPlan& emit, const double* values) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto news = std::find_if(news_.begin(), news_.end(),
                           [&](const Progress& known) { return known.stream == stream && known.tag == emit.tag; });
  if (news == news_.end()) news = news_.insert(news_.end(), {stream, emit.tag, {}, {}, false});
  news->names = emit.names;
  news->values.assign(values, values + emit.names.size());
  wake_locked();
}

// --- delivery: the environment's thread
// -------------------------------------------------------------------------------------

void Environment::deliver(Napi::Env env, Napi::Function, Environment* self, void*) {
  if (env == nullptr) return;  // the environment is going away, and so may be `self`
  const Napi::HandleScope scope(env);
  std::vector<double> tickets;
  std::vector<Progress> news;
  {
    std::lock_guard<std::mutex> lock(self->mutex_);
    tickets.swap(self->done_);
    news.swap(self->news_);
    self->scheduled_ = false;
  }
  for (const Progress& item : news) self->deliver_progress(item);
  if (tickets.empty()) return;
  self->hold_loop(-static_cast<int>(tickets.size()));
  tickets.erase(std::remove_if(tickets.begin(), tickets.end(), [&](double id) { return !self->tickets_.count(id); }),
                tickets.end());
  if (!tickets.empty()) self->deliver_settled(tickets);
}

namespace {

Napi::Float64Array float64_array(Napi::Env env, const std::vector<double>& values) {
  Napi::Float64Array array = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

// What a callback throws is the environment's uncaught exception; without a value, the environment is stopping.
template <class F>
void call_back(Napi::Env env, F&& body) {
  try {
    body();
  } catch (const Napi::Error& error) {
    if (!error.IsEmpty()) napi_fatal_exception(env, error.Value());
  }
}

}  // namespace

void Environment::deliver_settled(const std::vector<double>& tickets) {
  call_back(env_, [&] { settled_.Call({float64_array(env_, tickets)}); });
}

void Environment::deliver_progress(const Progress& progress) {
  call_back(env_, [&] {
    Napi::Array names = Napi::Array::New(env_, progress.names.size());
    for (uint32_t k = 0; k < progress.names.size(); ++k) names[k] = progress.names[k];
    progress_.Call({Napi::Number::New(env_, progress.stream), Napi::String::New(env_, progress.tag), names,
                    float64_array(env_, progress.values)});
  });
}

}  // namespace cotangent
