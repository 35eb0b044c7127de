// The process's thread pool: static partition, part 0 on the caller, and so is what no worker has begun by the time it
// is done. Created at first use, never destroyed.
#ifndef COTANGENT_CORE_POOL_H
#define COTANGENT_CORE_POOL_H

#include "native/core/parallel.h"

namespace cotangent {

// Runs parts at the same time. Several threads may call `run`: their launches take turns. A `run` inside a part runs
// serially.
Parallel& pool();

// Runs parts one after the other on the caller; threads() is the pool's, so that the partition is the same.
Parallel& serial();

// The thread setting: COTANGENT_THREADS or the number of hardware threads, until set_pool_threads changes it.
int pool_threads();
void set_pool_threads(int threads);  // clamped to [1, 1024]
int hardware_threads();

// While it lives, threads() of both pools answers `threads` on this thread, whatever set_pool_threads does meanwhile:
// workspaces were sized for that number.
class FixedThreads {
 public:
  explicit FixedThreads(int threads);
  ~FixedThreads();
  FixedThreads(const FixedThreads&) = delete;
  FixedThreads& operator=(const FixedThreads&) = delete;

 private:
  int previous_;
};

// Called first on every pool thread (the CPU backend forces BLAS to one thread there). Install before the first launch.
void set_thread_start_hook(void (*hook)());

// Runs the hook on a thread that is not the pool's but launches kernels: the executor, or JavaScript's for inline
// Programs.
void run_thread_start_hook();

// Puts the calling thread, one of ours that computes, behind those that answer: a busy machine runs JavaScript first.
// By COTANGENT_NICE levels of niceness; default 5, 0 leaves it alone. Does nothing where threads have none of their
// own.
void yield_to_interactive_threads();

}  // namespace cotangent

#endif
