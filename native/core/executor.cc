#include "native/core/executor.h"

#include <algorithm>
#include <thread>

#include "native/core/pool.h"

namespace cotangent {

void Stream::release() {
  if (!drop()) return;
  executor_.forget(*this);
  delete this;
}

Executor::Executor(Device& device) : device_(device), queue_(device, false) {}

Ref<Stream> Executor::create_stream(Client& client) {
  std::lock_guard<std::mutex> lock(mutex_);
  Ref<Stream> stream = Ref<Stream>::adopt(new Stream(*this, client, next_stream_++));
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

bool Executor::full(const Executable& executable) {
  if (pending_ == 0) return false;
  if (pending_ >= kMaxPending) return true;
  return pending_bytes_ + executable.plan.output_bytes > device_.allocator().statistics().limit / 4;
}

void Executor::push(Stream& stream, Executable& executable, Arguments& arguments) {
  std::unique_ptr<Task> task;
  if (idle_tasks_.empty()) {
    task = std::make_unique<Task>();
  } else {
    task = std::move(idle_tasks_.back());
    idle_tasks_.pop_back();
  }
  task->executable = Ref<Executable>(&executable);
  task->stream = Ref<Stream>(&stream);
  task->inputs.swap(arguments.inputs);
  task->outputs.swap(arguments.outputs);
  task->output_bytes = executable.plan.output_bytes;
  task->is_long = executable.plan.programs[0].estimated_ns >= kShortNs;
  if (!started_) {
    std::thread([this] { work(); }).detach();
    started_ = true;
  }
  ++pending_;
  ++stream.client_.pending_;
  pending_bytes_ += task->output_bytes;
  Task* const added = task.release();
  added->next = nullptr;
  if (stream.last_) {
    stream.last_->next = added;
    stream.last_ = added;
  } else {
    stream.first_ = stream.last_ = added;
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
  const std::vector<Ref<Value>>& inputs = stream.first_->inputs;
  return std::none_of(inputs.begin(), inputs.end(),
                      [](const Ref<Value>& input) { return input->state() == Value::State::kPending; });
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
  if (finishing_ && finishing_client_ == &client) await(*finishing_);
  return waiter->remaining > 0;
}

void Executor::close(Client& client) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (Stream* stream : streams_) {
    if (&stream->client_ == &client) stream->aborted_.store(true, std::memory_order_relaxed);
  }
  unblock();
  lock.unlock();
  wake();
  lock.lock();
  drained_.wait(lock, [&] { return client.pending_ == 0; });
}

void Executor::shut_down() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!started_ || shut_down_) return;
    shut_down_ = true;
    for (Stream* stream : streams_) stream->aborted_.store(true, std::memory_order_relaxed);
  }
  wake();
  std::unique_lock<std::mutex> lock(mutex_);
  drained_.wait(lock, [this] { return parked_; });
}

ExecutorStatistics Executor::statistics() {
  std::lock_guard<std::mutex> lock(mutex_);
  return {programs_run_.load(std::memory_order_relaxed),
          equations_run_.load(std::memory_order_relaxed),
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
    const bool done = run_slice(task, begin + kSliceNs);
    const int64_t elapsed = now_ns() - begin;
    busy_ns_.fetch_add(elapsed, std::memory_order_relaxed);
    short_ns_ = is_long ? 0 : short_ns_ + elapsed;
    if (done) {
      finish(*stream, task);
      lock.lock();
    } else {
      lock.lock();
      task.is_long = true;  // whatever its estimate said
      schedule(*stream);
    }
  }
}

// True when the task is over.
bool Executor::run_slice(Task& task, int64_t deadline_ns) {
  Stream& stream = *task.stream;
  const RunContext context{queue_.get(), &stream.aborted_, &stream, stream.epoch_ns(), stream.profiler()};
  try {
    if (stream.aborted()) {
      fail_outputs(task.outputs, aborted_failure());
      return true;
    }
    if (!task.execution && !start(task, context)) return true;
    const FixedThreads threads(task.threads);
    const Execution::Outcome outcome = task.execution->run(context, deadline_ns);
    if (outcome == Execution::Outcome::kSuspended) return false;
    if (!device_.backend().synchronous && outcome == Execution::Outcome::kDone) {
      ct_error error{};  // results are ready when they are computed, not when they are queued
      if (device_.backend().synchronize(queue_.get(), &error) != CT_OK) throw Error(to_failure(error));
    }
    task.execution->settle(outcome, task.inputs, task.outputs, false);
  } catch (...) {
    fail_outputs(task.outputs, current_failure());
  }
  return true;
}

// False when the outputs have failed already.
bool Executor::start(Task& task, const RunContext& context) {
  for (const Ref<Value>& input : task.inputs) {
    if (input->state() != Value::State::kFailed) continue;
    fail_outputs(task.outputs, input->failure());
    return false;
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
  return true;
}

void Executor::release_resources(Task& task) {
  if (task.execution) {
    equations_run_.fetch_add(task.execution->equations_run(), std::memory_order_relaxed);
    programs_run_.fetch_add(1, std::memory_order_relaxed);
    task.executable->recycle(std::move(task.execution));
  }
  if (task.arena) device_.allocator().release(task.arena, task.arena_bytes);
  task.arena = nullptr;
  task.inputs.clear();
  task.outputs.clear();
}

// The stream is let go of before anybody hears that the task is over: whoever waits for that finds nothing of it left.
void Executor::finish(Stream& stream, Task& task) {
  release_resources(task);
  Client& client = stream.client_;
  std::unique_lock<std::mutex> lock(mutex_);
  stream.first_ = task.next;
  stream.place_ = Stream::Place::kIdle;
  if (stream.first_) {
    schedule(stream);
  } else {
    stream.last_ = nullptr;
  }
  finishing_ = &task;
  finishing_client_ = &client;
  lock.unlock();
  task.executable = {};
  task.stream = {};
  lock.lock();
  while (!task.idle_waiters.empty()) {  // somebody may ask while the lock is away
    IdleWaiter* const waiter = task.idle_waiters.back();
    task.idle_waiters.pop_back();
    if (--waiter->remaining > 0) continue;
    lock.unlock();
    waiter->waiter->settled();
    lock.lock();
  }
  finishing_ = nullptr;
  --pending_;
  pending_bytes_ -= task.output_bytes;
  idle_tasks_.emplace_back(&task);
  unblock();
  space_.notify_all();
  if (--client.pending_ == 0) drained_.notify_all();  // from here on the client may be gone
}

}  // namespace cotangent
