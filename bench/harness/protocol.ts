/** One JSON line per request and per answer, over a worker's standard input and output. Both workers speak it. */
import type { ArrayFiles } from './data.js';
import type { Measurement, Parameters } from './types.js';

export type Request =
  | { readonly op: 'start'; readonly threads: number; readonly device: string }
  | { readonly op: 'prepare'; readonly case: string; readonly parameters: Parameters; readonly data: ArrayFiles }
  /** `peer` names the twin; our worker has one implementation and ignores it. */
  | { readonly op: 'result'; readonly peer: string; readonly folder: string }
  | { readonly op: 'time'; readonly peer: string; readonly repetitions: number }
  | { readonly op: 'measure'; readonly case: string }
  | { readonly op: 'exit' };

/** What a process did between its last answer and this request, in seconds. */
export interface Idle {
  readonly wall: number;
  readonly cpu: number;
}

export interface Answer {
  readonly error?: string;
  /** At `start`: why the device cannot be used. */
  readonly unavailable?: string;
  readonly idle: Idle;
  readonly versions?: Readonly<Record<string, string>>;
  readonly threads?: number;
  readonly arrays?: ArrayFiles;
  readonly seconds?: number;
  readonly measurements?: readonly Measurement[];
}
