#include "native/core/executor.h"

#include <algorithm>
#include <memory>
#include <thread>

#include "native/core/pool.h"

namespace cotangent {

void Stream::release() {
  if (!drop()) return;
  executor_.forget(*this);
  delete this;
}

// Told when the input of a copy, which another device computes, is settled.
class Executor::Arrival final : public Waiter {
 public:
  explicit Arrival(Executor& executor) : executor_(executor) {}
  void settled() override {
    {
      std::lock_guard<std::mutex> lock(executor_.mutex_);
      executor_.unblock();
    }
    executor_.wake();
    delete this;
  }

 private:
  Executor& executor_;
};

namespace {

// Of all devices: a stream's number names it to JavaScript.
std::atomic<uint32_t> next_stream{1};

}  // namespace

Executor::Executor(Device& device)
    : device_(device), asynchronous_(!device.backend().synchronous), queue_(device, false) {}

Ref<Stream> Executor::create_stream(Client& client) {
  std::lock_guard<std::mutex> lock(mutex_);
  Ref<Stream> stream =
      Ref<Stream>::adopt(new Stream(*this, client, next_stream.fetch_add(1, std::memory_order_relaxed)));
  streams_.insert(stream.get());
  return stream;
}

void Executor::forget(Stream& stream) {
  std::lock_guard<std::mutex> lock(mutex_);
  streams_.erase(&stream);
}

void Executor::abort(Stream& stream) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stream.aborted_.store(true, std::memory_order_relaxed);
    unblock();
  }
  wake();
}

// --- queueing
// -----------------------------------------------------------------------------------------------------------

bool Executor::full(uint64_t bytes) {
  if (pending_ == 0) return false;
  if (pending_ >= kMaxPending) return true;
  return pending_bytes_ + bytes > device_.allocator().statistics().limit / 4;
}

Task& Executor::add(Client& client, Arguments& arguments, uint64_t bytes) {
  std::unique_ptr<Task> task;
  if (idle_tasks_.empty()) {
    task = std::make_unique<Task>();
  } else {
    task = std::move(idle_tasks_.back());
    idle_tasks_.pop_back();
  }
  task->client = &client;
  task->source = nullptr;
  task->next = nullptr;
  task->is_long = false;
  task->inputs.swap(arguments.inputs);
  task->outputs.swap(arguments.outputs);
  task->output_bytes = bytes;
  ++pending_;
  ++client.pending_;
  pending_bytes_ += bytes;
  return *task.release();
}

void Executor::push(Stream& stream, Executable& executable, Arguments& arguments) {
  Task& task = add(stream.client_, arguments, executable.plan.output_bytes);
  task.executable = Ref<Executable>(&executable);
  task.is_long = executable.plan.programs[0].estimated_ns >= kShortNs;
  append(stream, task);
}

void Executor::push_copy(Stream& stream, Device& source, Arguments& arguments, uint64_t bytes) {
  Task& task = add(stream.client_, arguments, bytes);
  task.source = &source;
  auto arrival = std::make_unique<Arrival>(*this);
  if (task.inputs[0]->wait(arrival.get())) arrival.release();
  append(stream, task);
}

void Executor::append(Stream& stream, Task& task) {
  task.stream = Ref<Stream>(&stream);
  if (!started_) {
    std::thread([this] { work(); }).detach();
    started_ = true;
  }
  if (stream.last_) {
    stream.last_->next = &task;
    stream.last_ = &task;
  } else {
    stream.first_ = stream.last_ = &task;
    schedule(stream);
  }
}

void Executor::wake() {
  // Pairs with `sleep`: either the sleeper sees the count, or this thread sees that it sleeps.
  signals_.fetch_add(1, std::memory_order_seq_cst);
  if (!asleep_.load(std::memory_order_seq_cst)) return;
  std::lock_guard<std::mutex> lock(mutex_);
  work_.notify_one();
}

bool Executor::head_is_ready(const Stream& stream) const {
  if (stream.aborted()) return true;
  const Task& task = *stream.first_;
  // What another device has launched is not there yet.
  if (task.source) return task.inputs[0]->state() != Value::State::kPending;
  return std::all_of(task.inputs.begin(), task.inputs.end(),
                     [](const Ref<Value>& input) { return input->available(); });
}

// Puts a stream that has a first task and is in no list where it belongs.
void Executor::schedule(Stream& stream) {
  if (!head_is_ready(stream)) {
    stream.place_ = Stream::Place::kBlocked;
    blocked_.push_back(&stream);
  } else if (stream.first_->is_long && !stream.aborted()) {
    stream.place_ = Stream::Place::kLong;
    long_.push_back(&stream);
  } else {
    stream.place_ = Stream::Place::kShort;
    short_.push_back(&stream);
  }
}

void Executor::unblock() {
  for (size_t k = 0; k < blocked_.size();) {
    Stream* const stream = blocked_[k];
    if (!head_is_ready(*stream)) {
      ++k;
      continue;
    }
    blocked_[k] = blocked_.back();
    blocked_.pop_back();
    schedule(*stream);
  }
}

bool Executor::wait_idle(Client& client, IdleWaiter* waiter) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto await = [waiter](Task& task) {
    task.idle_waiters.push_back(waiter);
    ++waiter->remaining;
  };
  for (const Stream* stream : streams_) {
    if (&stream->client_ != &client) continue;
    for (Task* task = stream->first_; task; task = task->next) await(*task);
  }
  for (Task* task : leaving_) {
    if (task->client == &client) await(*task);
  }
  return waiter->remaining > 0;
}

void Executor::abort_all(Client& client) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Stream* stream : streams_) {
      if (&stream->client_ == &client) stream->aborted_.store(true, std::memory_order_relaxed);
    }
    unblock();
  }
  wake();
}

void Executor::drain(Client& client) {
  std::unique_lock<std::mutex> lock(mutex_);
  drained_.wait(lock, [&] { return client.pending_ == 0; });
}

void Executor::shut_down() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (shut_down_) return;
    shut_down_ = true;
    for (Stream* stream : streams_) stream->aborted_.store(true, std::memory_order_relaxed);
    flights_.notify_all();
  }
  wake();
  std::unique_lock<std::mutex> lock(mutex_);
  drained_.wait(lock, [this] { return (!started_ || parked_) && (!landing_ || landing_parked_); });
}

ExecutorStatistics Executor::statistics() {
  std::lock_guard<std::mutex> lock(mutex_);
  return {programs_run_.load(std::memory_order_relaxed),
          equations_run_.load(std::memory_order_relaxed),
          reads_.load(std::memory_order_relaxed),
          blocked_enqueues_,
          pending_,
          static_cast<int>(streams_.size()),
          static_cast<double>(busy_ns_.load(std::memory_order_relaxed)) * 1e-9};
}

// --- the executor's thread
// ------------------------------------------------------------------------------------------------

// Short Programs go first, but not for longer than a slice while a long one waits.
Stream* Executor::pick(bool* is_long) {
  *is_long = !long_.empty() && (short_.empty() || short_ns_ >= kSliceNs);
  std::deque<Stream*>& list = *is_long ? long_ : short_;
  if (list.empty()) return nullptr;
  Stream* const stream = list.front();
  list.pop_front();
  stream->place_ = Stream::Place::kRunning;
  return stream;
}

void Executor::sleep(std::unique_lock<std::mutex>& lock) {
  const uint32_t seen = signals_.load(std::memory_order_relaxed);
  lock.unlock();
  const bool signalled = spin_until([&] { return signals_.load(std::memory_order_acquire) != seen; });
  lock.lock();
  if (signalled) return;
  asleep_.store(true, std::memory_order_seq_cst);
  work_.wait(lock, [&] { return signals_.load(std::memory_order_seq_cst) != seen; });
  asleep_.store(false, std::memory_order_relaxed);
}

void Executor::work() {
  yield_to_interactive_threads();
  run_thread_start_hook();
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    if (shut_down_) {
      if (asynchronous_) {
        ct_error ignored{};
        device_.backend().synchronize(queue_.get(), &ignored);
      }
      parked_ = true;
      drained_.notify_all();
      work_.wait(lock, [] { return false; });
    }
    bool is_long = false;
    Stream* const stream = pick(&is_long);
    if (!stream) {
      short_ns_ = 0;
      sleep(lock);
      continue;
    }
    Task& task = *stream->first_;
    lock.unlock();
    const int64_t begin = now_ns();
    const Verdict verdict = run_slice(task, begin + kSliceNs);
    const int64_t elapsed = now_ns() - begin;
    busy_ns_.fetch_add(elapsed, std::memory_order_relaxed);
    short_ns_ = is_long ? 0 : short_ns_ + elapsed;
    if (verdict == Verdict::kSuspended) {
      lock.lock();
      task.is_long = true;  // whatever its estimate said
      schedule(*stream);
    } else {
      leave(*stream, task, verdict == Verdict::kInFlight);
      lock.lock();
    }
  }
}

Executor::Verdict Executor::run_slice(Task& task, int64_t deadline_ns) {
  Stream& stream = *task.stream;
  const RunContext context{queue_.get(), &stream.aborted_, &stream, stream.epoch_ns(), stream.profiler()};
  try {
    if (stream.aborted()) {
      fail_outputs(task.outputs, aborted_failure());
      return Verdict::kOver;
    }
    if (!task.execution) {
      for (const Ref<Value>& input : task.inputs) {
        if (input->state() != Value::State::kFailed) continue;
        fail_outputs(task.outputs, input->failure());
        return Verdict::kOver;
      }
      if (task.source) return copy(task) ? Verdict::kInFlight : Verdict::kOver;
      start(task, context);
    }
    const FixedThreads threads(task.threads);
    const Execution::Outcome outcome = task.execution->run(context, deadline_ns);
    if (outcome == Execution::Outcome::kSuspended) {
      if (asynchronous_) throttle();
      return Verdict::kSuspended;
    }
    const bool launched = asynchronous_ && outcome == Execution::Outcome::kDone;
    if (launched) record(task, queue_.get());
    task.execution->settle(outcome, task.inputs, task.outputs,
                           launched ? Execution::Results::kLaunched : Execution::Results::kReady);
    return launched ? Verdict::kInFlight : Verdict::kOver;
  } catch (...) {
    fail_outputs(task.outputs, current_failure());
  }
  return Verdict::kOver;
}

void Executor::start(Task& task, const RunContext& context) {
  if (asynchronous_) {
    if (const std::shared_ptr<const Failure> failure = lost()) throw Error(*failure);
  }
  Executable& executable = *task.executable;
  task.threads = pool_threads();
  const Layout& layout = executable.plan.layout(task.threads);
  if (layout.bytes > 0) {
    task.arena = device_.allocator().allocate(layout.bytes);
    if (!task.arena) device_.allocator().refuse(layout.bytes);
    task.arena_bytes = layout.bytes;
  }
  const FixedThreads threads(task.threads);
  task.execution = executable.acquire();
  task.execution->start(task.inputs, layout, task.arena, context);
}

// Host memory is read and written as it is; between two devices that have memory of their own it is a stop on the way.
// True when the result is in flight.
bool Executor::copy(Task& task) {
  Device& source = *task.source;
  const Value& from = *task.inputs[0];
  Value& to = *task.outputs[0];
  Ref<Buffer> buffer = Buffer::allocate(device_.allocator(), task.output_bytes);
  const void* host = from.buffer()->pointer();
  std::unique_ptr<char[]> between;
  if (task.output_bytes > 0) {
    ct_error error{};
    if (!source.backend().synchronous) {
      void* landing = buffer->pointer();
      if (asynchronous_) {
        between.reset(new char[task.output_bytes]);
        landing = between.get();
      }
      if (source.backend().fetch(source.handle(), landing, host, task.output_bytes, &error) != CT_OK) {
        throw Error(to_failure(error));
      }
      host = landing;
    }
    if (host != buffer->pointer() &&
        device_.backend().write(queue_.get(), buffer->pointer(), host, task.output_bytes, &error) != CT_OK) {
      throw Error(to_failure(error));
    }
  }
  if (!asynchronous_) {
    to.set_ready(std::move(buffer));
    return false;
  }
  record(task, queue_.get());
  to.set_launched(std::move(buffer), true);
  return true;
}

void Executor::release_resources(Task& task) {
  if (task.execution) {
    equations_run_.fetch_add(task.execution->equations_run(), std::memory_order_relaxed);
    reads_.fetch_add(task.execution->reads(), std::memory_order_relaxed);
    programs_run_.fetch_add(1, std::memory_order_relaxed);
    task.executable->recycle(std::move(task.execution));
  }
  // Queued work may still use these on an asynchronous device: what takes them over is queued behind it.
  if (task.arena) device_.allocator().release(task.arena, task.arena_bytes);
  task.arena = nullptr;
  task.inputs.clear();
}

// The stream is let go of before anybody hears that the task is over: whoever waits for that finds nothing of it left.
void Executor::leave(Stream& stream, Task& task, bool in_flight) {
  release_resources(task);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stream.first_ = task.next;
    stream.place_ = Stream::Place::kIdle;
    if (stream.first_) {
      schedule(stream);
    } else {
      stream.last_ = nullptr;
    }
    leaving_.push_back(&task);
    unblock();
  }
  task.executable = {};
  task.stream = {};
  if (in_flight) {
    fly(task);
  } else {
    retire(task);
  }
}

// A task that has left its stream and whose outputs are settled is over.
void Executor::retire(Task& task) {
  task.outputs.clear();
  std::unique_lock<std::mutex> lock(mutex_);
  while (!task.idle_waiters.empty()) {  // somebody may ask while the lock is away
    IdleWaiter* const waiter = task.idle_waiters.back();
    task.idle_waiters.pop_back();
    if (--waiter->remaining > 0) continue;
    lock.unlock();
    waiter->waiter->settled();
    lock.lock();
  }
  leaving_.erase(std::find(leaving_.begin(), leaving_.end(), &task));
  Client& client = *task.client;
  --pending_;
  pending_bytes_ -= task.output_bytes;
  idle_tasks_.emplace_back(&task);
  space_.notify_all();
  if (--client.pending_ == 0) drained_.notify_all();  // from here on the client may be gone
}

}  // namespace cotangent
