// Wrong code that the emulator must catch, one case per kind of fault, each with its corrected twin that must pass.
//
// Every case runs in a process of its own: this program calls itself with the case's name and `wrong` or `right`. It is
// built plain, with AddressSanitizer and UndefinedBehaviourSanitizer, and with ThreadSanitizer; a case names the
// flavours that catch it and what they say.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "test/native/emulation_faults_lanes.h"
#include "test/native/emulation_faults_memory.h"

namespace cotangent::testing {
namespace {

enum Flavour { kPlain = 1, kAddress = 2, kThread = 4 };
#if defined(__SANITIZE_ADDRESS__)
constexpr Flavour kFlavour = kAddress;
#elif defined(__SANITIZE_THREAD__)
constexpr Flavour kFlavour = kThread;
#else
constexpr Flavour kFlavour = kPlain;
#endif

struct Case {
  const char* name;
  void (*run)(bool wrong);
  int flavours;
  const char* says;  // in the output of the wrong twin
};

// Where the processor stops at such operations.
#if defined(__x86_64__)
constexpr int kTrapping = kPlain;
#else
constexpr int kTrapping = 0;
#endif

#define CASE(name, flavours, says) {#name, name, flavours, says}
constexpr const char *kWrongValue = "wrong value\n", *kRace = "ThreadSanitizer: data race",
                     *kPoisoned = "AddressSanitizer: use-after-poison";
const Case kCases[] = {
    CASE(missing_barrier, kPlain, kWrongValue),
    CASE(missing_barrier, kThread, kRace),
    CASE(missing_warp_barrier, kThread, kRace),
    CASE(race_between_blocks, kThread, kRace),
    CASE(missing_fence, kThread, kRace),
    CASE(missing_writer_fence, kThread, kRace),
    CASE(missing_reader_fence, kThread, kRace),
    CASE(shuffle_for_barrier, kThread, kRace),
    CASE(vote_for_barrier, kThread, kRace),
    CASE(write_past_pages, kPlain, "byte 4096 of a device allocation of 4096 bytes, in kernel"),
    CASE(write_past_pages, kAddress, "an access to"),
    CASE(write_past_end, kPlain, "a write past the end of"),
    CASE(write_past_end, kAddress, kPoisoned),
    CASE(read_before_start, kPlain, "byte -4 of a device allocation"),
    CASE(shared_out_of_bounds, kPlain, "a write past the end of a shared array of 124 bytes"),
    CASE(shared_out_of_bounds, kAddress, kPoisoned),
    CASE(last_shared_out_of_bounds, kPlain, "a write past the end of a shared array of 124 bytes"),
    CASE(last_shared_out_of_bounds, kAddress, kPoisoned),
    CASE(shared_bytes_out_of_bounds, kPlain, "a write past the end of a shared array of 31 bytes"),
    CASE(shared_bytes_out_of_bounds, kAddress, kPoisoned),
    CASE(shared_read_out_of_bounds, kAddress, kPoisoned),
    CASE(uninitialised_shared<float>, kTrapping, "an invalid floating-point operation"),
    CASE(uninitialised_shared<double>, kTrapping, "an invalid floating-point operation"),
    CASE(uninitialised_shared_value, kPlain | kAddress, kWrongValue),
    CASE(uninitialised_global, kPlain | kAddress, kWrongValue),
    CASE(uninitialised_global_trap, kTrapping, "an invalid floating-point operation"),
    CASE(divergent_barrier, kPlain | kAddress | kThread, "a divergent __syncthreads"),
    CASE(deadlock, kPlain | kAddress | kThread, "a deadlock"),
    CASE(unequal_masks, kPlain | kAddress | kThread, "unequal warp operations: a shuffle with mask 0x"),
    CASE(unequal_operations, kPlain, "unequal warp operations"),
    CASE(exited_lanes, kPlain, "for lanes 0x80000000, which have ended"),
    CASE(absent_lanes, kPlain, "which names lanes 0x80000000 that the block does not have"),
    CASE(caller_not_in_mask, kPlain, "by a thread that is not in it"),
    CASE(host_touches_device, kPlain | kAddress | kThread, "host code touched device memory"),
    CASE(device_touches_host, kPlain, "points to host memory"),
    CASE(null_pointer, kPlain, "an access to (nil), which is not device memory, in kernel"),
    CASE(misaligned_vector, kAddress, "misaligned address"),
    CASE(misaligned_shared_vector, kAddress, "misaligned address"),
    CASE(order_dependent, kPlain | kAddress, kWrongValue),
    CASE(too_many_threads, kPlain, "cudaErrorInvalidConfiguration"),
    CASE(too_much_shared, kPlain, "cudaErrorInvalidValue"),
    CASE(too_much_static_shared, kPlain, "49156 bytes of static and 0 of dynamic shared memory"),
    CASE(use_after_free, kPlain, "in device memory that is not allocated"),
    CASE(use_after_free, kAddress, kPoisoned),
    CASE(missing_event, kPlain, kWrongValue),
    CASE(allocation_of_another_stream, kPlain, "not yet allocated in stream order"),
    CASE(missing_synchronisation, kPlain, kWrongValue),
    CASE(staging_reused_early, kPlain, kWrongValue),
    CASE(failed_allocation, kPlain, "an access to (nil)"),
    CASE(integer_division, kTrapping, "an integer division by zero"),
    CASE(stack_overflow, kPlain, "the lane's stack overflowed"),
    CASE(mistyped_order, kPlain,
         "Expected COTANGENT_EMULATION_ORDER to be forward, reverse or random:SEED, received "
         "backwards"),
    CASE(mistyped_memory, kPlain, "Expected COTANGENT_EMULATION_MEMORY to be a number of 1 or more, received 1MiB"),
    CASE(mistyped_failure, kPlain, "Expected COTANGENT_EMULATION_FAIL_ALLOC to be a number of 0 or more, received -1"),
};

// In the child: what went wrong is written, and decides the status.
int run_case(const Case& c, bool wrong) {
  c.run(wrong);
  const std::string fault = emulation::last_fault();
  if (!fault.empty()) std::fprintf(stderr, "fault: %s\n", fault.c_str());
  if (values_wrong) std::fprintf(stderr, "%s", kWrongValue);
  return fault.empty() && !values_wrong && failures == 0 ? 0 : 3;
}

struct Result {
  bool clean;
  std::string output;
};

Result run_child(const char* program, const char* name, bool wrong) {
  int ends[2];
  if (pipe(ends) != 0) return {false, "no pipe"};
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    setenv("TSAN_OPTIONS", "halt_on_error=1:exitcode=66:report_signal_unsafe=0", 1);
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);  // a lane that failed is given up with what it holds
    execl(program, program, name, wrong ? "wrong" : "right", static_cast<char*>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  std::string output;
  char buffer[4096];
  for (ssize_t size; (size = read(ends[0], buffer, sizeof buffer)) > 0;)
    output.append(buffer, static_cast<size_t>(size));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) && WEXITSTATUS(status) == 0, output};
}

int run_all(const char* program) {
  int count = 0;
  for (const Case& c : kCases) {
    if (!(c.flavours & kFlavour)) continue;
    ++count;
    const Result wrong = run_child(program, c.name, true), right = run_child(program, c.name, false);
    CHECK(!wrong.clean, "%s is not caught", c.name);
    // A wrong value is all there is to say: a fault beside it would be one that nobody asked for.
    const bool as_expected =
        c.says == kWrongValue ? wrong.output == kWrongValue : wrong.output.find(c.says) != std::string::npos;
    CHECK(as_expected, "%s says:\n%s", c.name, wrong.output.c_str());
    CHECK(right.clean && right.output.empty(), "the corrected %s says:\n%s", c.name, right.output.c_str());
  }
  std::printf("%d faults\n", count);
  return finish();
}

}  // namespace
}  // namespace cotangent::testing

int main(int count, char** arguments) {
  using namespace cotangent::testing;
  if (count < 3) return run_all("/proc/self/exe");
  for (const Case& c : kCases) {
    if (std::strcmp(c.name, arguments[1]) == 0) return run_case(c, std::strcmp(arguments[2], "wrong") == 0);
  }
  return 2;
}
