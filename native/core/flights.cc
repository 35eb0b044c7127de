// Asynchronous devices: what is launched is in flight until the device has done it. A thread of its own waits for that.
#include <thread>
#include <utility>

#include "native/core/executor.h"

namespace cotangent {

// Puts the task's marker behind what is queued. Throws Error.
void Executor::record(Task& task, ct_queue* queue) {
  ct_error error{};
  const ct_backend& backend = device_.backend();
  if (!task.marker && backend.marker_create(device_.handle(), &task.marker, &error) != CT_OK) {
    throw Error(to_failure(error));
  }
  if (backend.record(queue, task.marker, &error) != CT_OK) throw Error(to_failure(error));
}

// Results may be used from now on by what is launched later.
void Executor::fly(Task& task) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!landing_) {
    std::thread([this] { land(); }).detach();
    landing_ = true;
  }
  in_flight_.push_back(&task);
  flights_.notify_one();
}

// A task of no stream.
Task& Executor::add_leaving(Client& client, Arguments& arguments) {
  std::lock_guard<std::mutex> lock(mutex_);
  Task& task = add(client, arguments, 0);
  leaving_.push_back(&task);
  return task;
}

void Executor::follow(Client& client, ct_queue* queue, Value& value) {
  Ref<Value> flight(&value);  // held before the value counts as followed: Value::exclusive depends on it
  if (!value.follow()) return;
  Arguments arguments;
  arguments.outputs.push_back(std::move(flight));
  Task& task = add_leaving(client, arguments);
  try {
    record(task, queue);
  } catch (const Error& error) {
    value.landed(std::make_shared<const Failure>(error.failure()));
    return retire(task);
  }
  fly(task);
}

void Executor::mark(Client& client, ct_queue* queue, ct_marker* marker) {
  ct_error error{};
  if (device_.backend().record(queue, marker, &error) != CT_OK) throw Error(to_failure(error));
  Arguments none;
  Task& task = add_leaving(client, none);
  try {
    record(task, queue);
  } catch (const Error&) {
    retire(task);
    throw;
  }
  fly(task);
}

// A long Program is at most two slices of launches ahead of the device, so that others get their turn there, too.
void Executor::throttle() {
  ct_error error{};
  const ct_backend& backend = device_.backend();
  for (ct_marker*& marker : slices_) {
    if (marker) continue;
    if (backend.marker_create(device_.handle(), &marker, &error) != CT_OK ||
        backend.record(queue_.get(), marker, &error) != CT_OK) {
      throw Error(to_failure(error));
    }
  }
  ct_marker* const before = slices_[1 - slice_];
  if (backend.record(queue_.get(), slices_[slice_], &error) != CT_OK || backend.wait(before, &error) != CT_OK) {
    throw Error(to_failure(error));
  }
  slice_ = 1 - slice_;
}

std::shared_ptr<const Failure> Executor::lost() {
  std::lock_guard<std::mutex> lock(mutex_);
  return lost_;
}

// The landing thread. Waiting for the oldest flight is enough: the device works in order.
void Executor::land() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    flights_.wait(lock, [this] { return shut_down_ || !in_flight_.empty(); });
    if (shut_down_) {
      landing_parked_ = true;
      drained_.notify_all();
      flights_.wait(lock, [] { return false; });
    }
    Task& task = *in_flight_.front();
    lock.unlock();
    ct_error error{};
    const int32_t code = device_.backend().wait(task.marker, &error);
    lock.lock();
    if (shut_down_) continue;
    // What fails on the device cannot be attributed to one of the launches, and what used their results ran, too.
    if (code != CT_OK && !lost_) {
      Failure fault = to_failure(error);
      fault.message += " Hint: this process cannot use the device any more; start another one.";
      lost_ = std::make_shared<const Failure>(std::move(fault));
    }
    const std::shared_ptr<const Failure> failure = lost_;
    in_flight_.pop_front();
    lock.unlock();
    for (const Ref<Value>& output : task.outputs) {
      if (output->state() == Value::State::kPending) output->landed(failure);
    }
    retire(task);
    lock.lock();
  }
}

}  // namespace cotangent
