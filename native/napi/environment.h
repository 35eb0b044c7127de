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

#include "native/napi/devices.h"

namespace cotangent {

class Environment final {
 public:
  // Throws Error or Napi::Error.
  explicit Environment(Napi::Env env);
  ~Environment();

  // The environment goes away: aborts and awaits its work, lets go of everything.
  void tear_down();

  void configure(Napi::Function settled, Napi::Function progress);

  // Opens the device for this environment, too. Throws Error.
  OpenDevice& open(const std::string& name);
  uint32_t compile(uint32_t device, const double* words, size_t count, const std::vector<std::string>& names);
  void release_program(uint32_t program);
  std::string describe_program(uint32_t program);

  uint32_t create_stream(uint32_t device);
  void release_stream(uint32_t stream);
  void abort_stream(uint32_t stream);
  void start_profiling(uint32_t stream);
  // What ran since the last call; times are those of one clock for all streams.
  Profiler::Profile take_profile(uint32_t stream);

  // A new marker behind what is launched on an asynchronous device; it is reached when the environment is idle there.
  uint32_t record_marker(uint32_t device);
  void release_marker(uint32_t marker);
  // Nanoseconds of the device from one marker to a later one.
  double elapsed(uint32_t from, uint32_t to);

  void execute(uint32_t program, uint32_t stream, const int32_t* slots, size_t count);

  void write(uint32_t device, int32_t slot, const Type& type, const void* data);
  // Enqueues a copy of the value in slot `from` into the free slot `to`, on the stream's device.
  void copy(uint32_t stream, int32_t from, int32_t to);
  void release_slots(const int32_t* slots, size_t count);
  Value::State state(int32_t slot);
  double request(int32_t slot);
  double request_idle(uint32_t device);
  // What a ticket asked for: a value that is ready, and its device. Nulls: idleness.
  struct Answer {
    Ref<Value> value;
    OpenDevice* device;
  };
  // Throws the value's failure. The ticket is over in both cases.
  Answer take_ticket(double ticket);
  static void read(const Answer& answer, void* to);
  void wait(int32_t slot);

  // Live slots with values of the device.
  uint64_t handles(uint32_t device) const {
    return device < sites_.size() && sites_[device] ? sites_[device]->handles : 0;
  }

 private:
  // A device as this environment uses it.
  class Site final : public Client {
   public:
    Site(Environment& environment, OpenDevice& on) : device(on), queue(on.device, true), environment_(environment) {}
    void progress(uint32_t stream, const EmitPlan& emit, const double* values) override {
      environment_.progress(stream, emit, values);
    }
    OpenDevice& device;
    const Queue queue;  // of this environment's thread
    Ref<Buffer> arena;  // of Programs that run inline
    uint64_t handles = 0;

   private:
    Environment& environment_;
  };
  struct Slot {
    Ref<Value> value;
    Site* site = nullptr;
    bool seen_pending = false;  // what state() answered last
  };
  struct StreamEntry {
    Ref<Stream> stream;
    Site* site;
  };
  struct ProgramEntry {
    Ref<Executable> executable;
    Site* site = nullptr;
    std::unique_ptr<Execution> inline_execution;
    const Layout* layout = nullptr;
  };
  struct MarkerEntry {
    std::unique_ptr<Marker> marker;
    Site* site;
  };
  // Registered with a value, or with the executor for idleness. One reference is the table's, one the registration's.
  class Ticket final : public RefCounted, public Waiter {
   public:
    Ticket(Environment& environment, double id, Ref<Value> asked, Site& at)
        : value(std::move(asked)), site(at), environment_(environment), id_(id) {}
    void settled() override;
    void release() {
      if (drop()) delete this;
    }
    const Ref<Value> value;  // null: idleness
    Site& site;
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

  void progress(uint32_t stream, const EmitPlan& emit, const double* values);
  void complete(double ticket);
  void wake_locked();
  static void deliver(Napi::Env env, Napi::Function callback, Environment* context, void* data);
  void deliver_settled(const std::vector<double>& tickets);
  void deliver_progress(const Progress& progress);

  Site& site(uint32_t device);
  ProgramEntry& program(uint32_t id);
  StreamEntry& stream(uint32_t id);
  MarkerEntry& marker(uint32_t id);
  Slot& slot(int32_t index);
  Slot& free_slot(const char* op, int32_t index);
  Slot& held(int32_t index);
  void follow(const Slot& slot);
  void put(Slot& slot, Ref<Value> value, Site& site);
  void empty(Slot& slot);
  void gather(const ProgramEntry& program, const int32_t* slots, size_t count);
  bool can_run_inline(const Plan& plan, const Stream& stream) const;
  void run_inline(ProgramEntry& entry, const Stream& stream);
  static void* inline_arena(Site& site, uint64_t bytes);
  double add_ticket(Ref<Value> value, Site& site, bool deliver_anyway);
  void hold_loop(int tickets);
  void report_memory();
  bool terminating();

  const Napi::Env env_;
  const bool inline_enabled_, fuse_;
  std::vector<std::unique_ptr<Site>> sites_;  // by the device's id; null where it is not in use here
  Arguments arguments_;
  std::vector<Slot> slots_;
  std::vector<ProgramEntry> programs_;
  std::vector<uint32_t> free_programs_;
  std::unordered_map<uint32_t, StreamEntry> streams_;
  std::unordered_map<uint32_t, MarkerEntry> markers_;
  uint32_t next_marker_ = 1;
  std::unordered_map<double, Ref<Ticket>> tickets_;
  double next_ticket_ = 1;
  int64_t bytes_ = 0, reported_bytes_ = 0;  // held by slots, on all devices; as the collector knows it

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
