/** Options and reports that all solvers and systems share. */
import { DeviceError, DomainError } from '../core/errors.js';

/** How far a long call has come. */
export interface Progress {
  readonly iteration: number;
  readonly maxIterations: number;
  /** Objective at the last checkpoint. */
  readonly objective?: number;
}

/** What every long call takes. */
export interface SolverOptions {
  /** Aborts the call: it rejects with AbortError, and the device is free again after its current operation. */
  readonly signal?: AbortSignal;
  /** Hears of progress, at most every 40 ms; dropped when late. */
  readonly onProgress?: (progress: Progress) => void;
  /** Fixes the result bit for bit on one device, SIMD target and thread count. Default: 0. */
  readonly seed?: number;
  /** Default: 'cpu'. */
  readonly device?: string;
  readonly tolerance?: number;
  readonly maxIterations?: number;
}

export const solverOptionKeys = ['signal', 'onProgress', 'seed', 'device', 'tolerance', 'maxIterations'] as const;

/** One checkpoint of a run; `time` in seconds since its start. */
export interface HistoryPoint {
  readonly iteration: number;
  readonly time: number;
  readonly objective: number;
}

/** How a run ended. Reaching `maxIterations` is a result, not an error. */
export interface Report<H extends HistoryPoint = HistoryPoint> {
  readonly converged: boolean;
  readonly reason: 'tolerance' | 'max-iterations';
  readonly iterations: number;
  /** What was minimised, at the result. */
  readonly objective: number;
  readonly history: readonly H[];
  /** Seconds. */
  readonly time: number;
}

/** @throws {DomainError} an option that does not exist: misspelt options must not pass in silence. */
export function checkKeys(op: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new DomainError(op, `Expected options out of ${known.join(', ')}, received '${key}'`);
    }
  }
}

/** @throws {DomainError} not a finite number > 0 (or >= 0 with `zero`). */
export function checkPositive(op: string, name: string, value: number, { zero = false } = {}): number {
  if (Number.isFinite(value) && (zero ? value >= 0 : value > 0)) return value;
  throw new DomainError(op, `Expected ${name} ${zero ? '>=' : '>'} 0, received ${value}`);
}

/** @throws {DomainError} not in [0, 1). */
export function checkFraction(op: string, name: string, value: number): number {
  if (value >= 0 && value < 1) return value;
  throw new DomainError(op, `Expected ${name} in [0, 1), received ${value}`);
}

/** @throws {DomainError} not a whole number >= low. */
export function checkCount(op: string, name: string, value: number, low = 1): number {
  if (Number.isSafeInteger(value) && value >= low) return value;
  throw new DomainError(op, `Expected ${name} to be a whole number >= ${low}, received ${value}`);
}

/** @throws {DeviceError} a device that this build does not have. */
export function checkDevice(op: string, device: string | undefined): void {
  if (device === undefined || device === 'cpu') return;
  throw new DeviceError(op, `Expected device 'cpu', received '${device}'`, { hint: 'this build has no other backend' });
}
