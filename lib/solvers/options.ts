/** Options and reports that all solvers and systems share. */
import { commonDevice } from '../core/concrete.js';
import { type Device, type DeviceLike, defaultDevice, toDevice } from '../core/device.js';
import { DomainError } from '../core/errors.js';

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
  /** Where it computes; data that live elsewhere are copied there. Default: where the data live, else the default device. */
  readonly device?: DeviceLike;
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

/**
 * Where a call computes: on the device that its options name, else where the tensors of its data live, else on the default device.
 * @throws {DeviceError} the device cannot be used; or none is named, and the tensors live on different ones.
 */
export function resolveDevice(op: string, named: DeviceLike | undefined, data: readonly unknown[]): Device {
  return named === undefined ? (commonDevice(op, data) ?? defaultDevice()) : toDevice(named);
}
