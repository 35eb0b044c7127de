/** A fit that runs on every thread until it is told to stop. */
import { AbortError, ReluNetwork, tensor } from 'cotangent';
import type { Data } from '../../harness/types.js';
import { admmData } from '../relu-network-admm.js';

export interface EndlessFit {
  /** Resolves at the first progress report; rejects when the fit fails. */
  readonly running: Promise<void>;
  /** Aborts the fit and waits for its end. @throws what the fit failed with, or an Error when it ended by itself. */
  stop(): Promise<void>;
}

export function endlessFit(seed: number): EndlessFit {
  const data = admmData(seed);
  const { values, shape } = data.x as Data;
  const controller = new AbortController();
  let started = () => {};
  let failed: (error: unknown) => void = () => {};
  const running = new Promise<void>((resolve, reject) => {
    started = resolve;
    failed = reject;
  });
  const ended = ReluNetwork.fit(tensor(values, { shape: [...shape] }), tensor((data.y as Data).values), {
    task: 'regression',
    seed,
    beta: 0.01,
    patterns: 50,
    tolerance: 0,
    maxIterations: 1e9,
    signal: controller.signal,
    onProgress: () => started(),
  }).then(
    () => {
      throw new Error('Expected the fit to run until it is aborted, received its result.');
    },
    (error: unknown) => {
      failed(error);
      if (!(error instanceof AbortError)) throw error;
    },
  );
  // Both are awaited by the caller, later; until then a rejection is not unhandled.
  running.catch(() => {});
  ended.catch(() => {});
  return {
    running,
    async stop() {
      controller.abort();
      await ended;
    },
  };
}
