#include "native/emulation/fiber.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

#include "native/emulation/sanitizers.h"

// Saves what a call must preserve on the stack, stores the stack pointer, and takes up the other side. Floating-point
// modes are those of the thread and stay.
#if COTANGENT_EMULATION_ASSEMBLY
extern "C" void cotangent_emulation_switch(void** save, void* stack_pointer) __attribute__((visibility("hidden")));
#if defined(__x86_64__)
asm(R"(
  .pushsection .text
  .globl cotangent_emulation_switch
  .hidden cotangent_emulation_switch
  .type cotangent_emulation_switch, @function
  .balign 16
cotangent_emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size cotangent_emulation_switch, . - cotangent_emulation_switch
  .popsection
)");
#else
asm(R"(
  .pushsection .text
  .globl cotangent_emulation_switch
  .hidden cotangent_emulation_switch
  .type cotangent_emulation_switch, %function
  .balign 16
cotangent_emulation_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
  .size cotangent_emulation_switch, . - cotangent_emulation_switch
  .popsection
)");
#endif
#endif

namespace cotangent::emulation {
namespace {

// `leaving` is told to AddressSanitizer as suspended, `entering` as the stack that runs next.
void switch_context(Context& leaving, Context& entering) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&leaving.fake_stack, entering.stack_bottom, entering.stack_size);
#endif
#if COTANGENT_EMULATION_ASSEMBLY
  cotangent_emulation_switch(&leaving.stack_pointer, entering.stack_pointer);
#else
  swapcontext(&leaving.state, &entering.state);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(leaving.fake_stack, nullptr, nullptr);
#endif
}

}  // namespace

Fiber::Fiber(void* stack) : stack_(static_cast<char*>(stack)), owned_(stack == nullptr) {
  if (owned_) {
    void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    mprotect(memory, kGuardBytes, PROT_NONE);
    stack_ = static_cast<char*>(memory) + kGuardBytes;
  }
  context_.stack_bottom = stack_;
  context_.stack_size = kStackBytes;
}

Fiber::~Fiber() {
  if (!owned_) return;
  unpoison(stack_, kStackBytes);
  munmap(stack_ - kGuardBytes, kGuardBytes + kStackBytes);
}

void Fiber::reset(void (*entry)()) {
  unpoison(stack_, kStackBytes);  // what ran here may have been abandoned in mid-call
  context_.fake_stack = nullptr;
#if !COTANGENT_EMULATION_ASSEMBLY
  getcontext(&context_.state);
  context_.state.uc_stack.ss_sp = stack_;
  context_.state.uc_stack.ss_size = kStackBytes;
  context_.state.uc_link = nullptr;
  makecontext(&context_.state, entry, 0);
#elif defined(__x86_64__)
  // Six registers, the address to return to, and a null return address where the entry's caller would be.
  auto* frame = reinterpret_cast<void**>(stack_ + kStackBytes) - 8;
  for (int i = 0; i < 6; ++i) frame[i] = nullptr;
  frame[6] = reinterpret_cast<void*>(entry);
  frame[7] = nullptr;
  context_.stack_pointer = frame;
#else
  auto* frame = reinterpret_cast<void**>(stack_ + kStackBytes) - 20;
  for (int i = 0; i < 20; ++i) frame[i] = nullptr;
  frame[11] = reinterpret_cast<void*>(entry);  // x30
  context_.stack_pointer = frame;
#endif
}

void Fiber::resume(Context& scheduler) { switch_context(scheduler, context_); }

void Fiber::suspend(Context& scheduler) { switch_context(context_, scheduler); }

void Fiber::started(Context& scheduler) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &scheduler.stack_bottom, &scheduler.stack_size);
#else
  static_cast<void>(scheduler);
#endif
}

}  // namespace cotangent::emulation
