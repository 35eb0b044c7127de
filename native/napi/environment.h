// One JavaScript environment (the main thread or a worker): its slots, Programs, streams and tickets. Lives on the
// environment's thread; the executor calls in through Client and Waiter only.
#ifndef COTANGENT_NAPI_ENVIRONMENT_H
#define COTANGENT_NAPI_ENVIRONMENT_H

#include <napi.h>

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "native/napi/runtime.h"

namespace cotangent {

class Environment final : private Client {
 public:
  // Throws Error or Napi::Error.
  explicit Environment(Napi::Env env);
  ~Environment();

  // The environment goes away: aborts and awaits its work, lets go of everything.
  void tear_down();

  void configure(Napi::Function settled, Napi::Function progress);

  uint32_t compile(const double* words, size_t count, const std::vector<std::string>& names);
  void release_program(uint32_t program);
  std::string describe_program(uint32_t program);

  uint32_t create_stream();
  void release_stream(uint32_t stream);
  void abort_stream(uint32_t stream);
  void start_profiling(uint32_t stream);
  // What ran since the last call; times since the stream was made.
  Profiler::Profile take_profile(uint32_t stream);

  void execute(uint32_t program, uint32_t stream, const int32_t* slots, size_t count);

  void write(int32_t slot, const Type& type, const void* data);
  void release_slots(const int32_t* slots, size_t count);
  Value::State state(int32_t slot);
  double request(int32_t slot);
  double request_idle();
  // The ticket's value, ready. Throws its failure. The ticket is over in both cases.
  Ref<Value> take_ticket(double ticket);
  void read(const Value& value, void* to);
  void wait(int32_t slot);

  uint64_t handles() const { return handles_; }
  Runtime& runtime() { return runtime_; }

 private:
  struct Slot {
    Ref<Value> value;
    bool seen_pending = false;  // what state() answered last
  };
  struct ProgramEntry {
    Ref<Executable> executable;
    std::unique_ptr<Execution> inline_execution;
    const Layout* layout = nullptr;
  };
  // Registered with a value, or with the executor for idleness. One reference is the table's, one the registration's.
  class Ticket final : public RefCounted, public Waiter {
   public:
    Ticket(Environment& environment, double id, Ref<Value> asked)
        : value(std::move(asked)), environment_(environment), id_(id) {}
    void settled() override;
    void release() {
      if (drop()) delete this;
    }
    const Ref<Value> value;  // null: idleness
    IdleWaiter idle{this};
    std::atomic<bool> over{false};

   private:
    ~Ticket() = default;
    Environment& environment_;
    const double id_;
  };
  struct Progress {
    uint32_t stream;
    std::string tag;
    std::vector<std::string> names;
    std::vector<double> values;
    bool waiting;  // for delivery
  };

  void progress(uint32_t stream, const EmitPlan& emit, const double* values) override;
  void complete(double ticket);
  void wake_locked();
  static void deliver(Napi::Env env, Napi::Function callback, Environment* context, void* data);
  void deliver_settled(const std::vector<double>& tickets);
  void deliver_progress(const Progress& progress);

  ProgramEntry& program(uint32_t id);
  Stream& stream(uint32_t id);
  Slot& slot(int32_t index);
  Value& value(int32_t slot);
  void put(Slot& slot, Ref<Value> value);
  void empty(Slot& slot);
  void gather(const Plan& plan, const int32_t* slots, size_t count);
  bool can_run_inline(const Plan& plan, const Stream& stream) const;
  void run_inline(ProgramEntry& entry, const Stream& stream);
  void* inline_arena(uint64_t bytes);
  double add_ticket(Ref<Value> value, bool deliver_anyway);
  void hold_loop(int tickets);
  void report_memory();
  bool terminating();

  const Napi::Env env_;
  Runtime& runtime_;
  const Queue inline_queue_;
  const bool inline_enabled_, fuse_;
  Ref<Buffer> arena_;
  Arguments arguments_;
  std::vector<Slot> slots_;
  std::vector<ProgramEntry> programs_;
  std::vector<uint32_t> free_programs_;
  std::unordered_map<uint32_t, Ref<Stream>> streams_;
  std::unordered_map<double, Ref<Ticket>> tickets_;
  double next_ticket_ = 1;
  uint64_t handles_ = 0;
  int64_t bytes_ = 0, reported_bytes_ = 0;  // held by slots; as the collector knows it

  using Wake = Napi::TypedThreadSafeFunction<Environment, void, deliver>;
  Wake wake_;
  Napi::FunctionReference settled_, progress_;
  int undelivered_ = 0;  // tickets that will appear in `settled`

  std::mutex mutex_;  // guards what follows
  bool closed_ = false;
  bool scheduled_ = false;
  std::vector<double> done_;
  std::vector<Progress> news_;
};

}  // namespace cotangent

#endif
