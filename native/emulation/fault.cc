#include "native/emulation/fault.h"

#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include "native/emulation/memory.h"
#include "native/emulation/sanitizers.h"
#include "native/emulation/scheduler.h"

namespace cotangent::emulation::fault {
namespace {

struct State {
  cudaError_t error = cudaSuccess;
  std::string message;
  bool device = false;
  pthread_t thread{};
  bool trapping = false;
  fenv_t host_environment{};
  struct sigaction previous_segv, previous_bus, previous_fpe;
};

State& state() {
  static State* instance = new State;
  return *instance;
}

// What the signal handler leaves for the lane, which resumes in `fail_lane_after_signal`.
int pending_signal;
int pending_code;
void* pending_address;

[[noreturn]] void fail_lane_after_signal() {
  if (pending_signal == SIGFPE && pending_code == FPE_INTDIV) {
    scheduler::fail_lane(cudaErrorLaunchFailure,
                         "an integer division by zero, whose result the device leaves undefined");
  }
  if (pending_signal == SIGFPE) {
    scheduler::fail_lane(cudaErrorLaunchFailure,
                         "an invalid floating-point operation, as of a signalling NaN: memory used before it was set?");
  }
  if (scheduler::overflows(pending_address)) {
    scheduler::fail_lane(cudaErrorIllegalAddress, "the lane's stack overflowed");
  }
  // The processor gives no address for what its alignment or canonical-address rules refuse.
#if defined(SI_KERNEL)
  if (pending_signal == SIGSEGV && pending_code == SI_KERNEL) {
    scheduler::fail_lane(cudaErrorMisalignedAddress, "an access to a misaligned or impossible address");
  }
#endif
  scheduler::fail_lane(cudaErrorIllegalAddress, "an access to " + memory::describe(pending_address));
}

// Makes the interrupted code go on in fail_lane_after_signal on the top of the lane's stack, whose calls are given up.
bool redirect(void* signal_context, char* stack_top) {
  auto* context = static_cast<ucontext_t*>(signal_context);
#if defined(__linux__) && defined(__x86_64__)
  context->uc_mcontext.gregs[REG_RSP] = reinterpret_cast<greg_t>(stack_top - 8);
  context->uc_mcontext.gregs[REG_RIP] = reinterpret_cast<greg_t>(&fail_lane_after_signal);
  return true;
#elif defined(__linux__) && defined(__aarch64__)
  context->uc_mcontext.sp = reinterpret_cast<uintptr_t>(stack_top);
  context->uc_mcontext.pc = reinterpret_cast<uintptr_t>(&fail_lane_after_signal);
  return true;
#else
  static_cast<void>(context);
  static_cast<void>(stack_top);
  return false;
#endif
}

void chain(int signal, siginfo_t* info, void* context) {
  State& s = state();
  struct sigaction& previous = signal == SIGSEGV ? s.previous_segv : signal == SIGBUS ? s.previous_bus : s.previous_fpe;
  if (previous.sa_flags & SA_SIGINFO) return previous.sa_sigaction(signal, info, context);
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) return previous.sa_handler(signal);
  sigaction(signal, &previous, nullptr);  // the access happens again, and ends the process as usual
}

void on_signal(int signal, siginfo_t* info, void* context) {
  State& s = state();
  const bool device = s.device && pthread_equal(s.thread, pthread_self());
  if (device && signal != SIGFPE && memory::open(info->si_addr)) return;  // the device's first touch of it
  if (device && scheduler::in_lane()) {
    pending_signal = signal;
    pending_code = info->si_code;
    pending_address = info->si_addr;
    if (redirect(context, scheduler::abandon_stack())) return;
  }
  if (signal != SIGFPE && memory::owns(info->si_addr)) {
    char text[192];
    const int length = std::snprintf(text, sizeof text,
                                     "cotangent emulation: %s touched device memory at %p outside a kernel or copy\n",
                                     device ? "a library call" : "host code", info->si_addr);
    if (write(STDERR_FILENO, text, static_cast<size_t>(length)) < 0) {
    }
  }
  chain(signal, info, context);
}

void install_handlers() {
  static const bool done = [] {
    State& s = state();
    struct sigaction action{};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &s.previous_segv);
    sigaction(SIGBUS, &action, &s.previous_bus);
    sigaction(SIGFPE, &action, &s.previous_fpe);
    return true;
  }();
  static_cast<void>(done);
}

// A lane that overflows its stack leaves none for the handler.
struct AlternateStack {
  static constexpr size_t kBytes = 64 * 1024;
  std::unique_ptr<char[]> memory;
  AlternateStack() {
    stack_t present{};
    if (sigaltstack(nullptr, &present) != 0 || !(present.ss_flags & SS_DISABLE)) return;
    memory = std::make_unique<char[]>(kBytes);
    stack_t stack{};
    stack.ss_sp = memory.get();
    stack.ss_size = kBytes;
    sigaltstack(&stack, nullptr);
  }
  ~AlternateStack() {
    if (!memory) return;
    stack_t none{};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, nullptr);
  }
};

}  // namespace

void report(cudaError_t error, std::string message) {
  State& s = state();
  if (s.error != cudaSuccess) return;
  s.error = error;
  s.message = std::move(message);
}

cudaError_t code() { return state().error; }
std::string message() { return state().message; }

void clear() {
  state().error = cudaSuccess;
  state().message.clear();
}

void enter_device() {
  thread_local const AlternateStack alternate_stack;
  install_handlers();
  State& s = state();
  s.thread = pthread_self();
  s.device = true;
  if (s.trapping) {
    fegetenv(&s.host_environment);
    feclearexcept(FE_ALL_EXCEPT);
#if defined(__GLIBC__)
    feenableexcept(FE_INVALID);
#endif
  }
}

void leave_device() {
  State& s = state();
  if (s.trapping) fesetenv(&s.host_environment);
  s.device = false;
  memory::close();
}

void trap_invalid_operations(bool on) { state().trapping = on; }

}  // namespace cotangent::emulation::fault
