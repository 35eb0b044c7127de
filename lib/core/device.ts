/** The device's settings and figures. */
import { DomainError } from './errors.js';
import type {
  NativeInfo as HardwareInfo,
  NativeMemory as MemoryInfo,
  NativeStatistics as Statistics,
} from './native.js';
import { addon, flushReleases } from './runtime.js';

export { idle } from './runtime.js';

export type { HardwareInfo, MemoryInfo, Statistics };

/** Memory in use, kept warm, at its peak, and the limit. */
export function memory(): MemoryInfo {
  flushReleases();
  return addon().memory();
}

/** What the executor has done since the process started. */
export function statistics(): Statistics {
  return addon().statistics();
}

/** SIMD target, BLAS and its numerical self-check, and threads. */
export function hardwareInfo(): HardwareInfo {
  return addon().info();
}

/**
 * Threads that work is cut for, process-wide. Default: the hardware's, or COTANGENT_THREADS.
 * Results are the same bit for bit only for the same number.
 */
export function setThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
    throw new DomainError('setThreads', `Expected a whole number of threads from 1 to 1024, received ${threads}`);
  }
  addon().setThreads(threads);
}

/** Bytes of tensors and working memory that the process may hold. Default: 80 % of the machine's, or of its cgroup's. */
export function setMemoryLimit(bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new DomainError('setMemoryLimit', `Expected a whole number of bytes > 0, received ${bytes}`);
  }
  addon().setMemoryLimit(bytes);
}
