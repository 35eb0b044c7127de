/** Fits that run on every thread, one after the other, until they are told to stop. */
import { AbortError, ReluNetwork, tensor } from 'cotangent';
import type { Data, DataSet } from '../../harness/types.js';
import { admmData } from '../relu-network-admm.js';

export interface EndlessFit {
  /** Resolves at the first progress report; rejects when the fit fails before. */
  readonly running: Promise<void>;
  /** Aborts the fit and waits for its end. @throws what the fit failed with. */
  stop(): Promise<void>;
}

/** Generates the data, which takes a while, and returns what starts the fits. */
export function endlessFit(seed: number): () => EndlessFit {
  const data = admmData(seed);
  return () => start(data, seed);
}

function start(data: DataSet, seed: number): EndlessFit {
  const load = (name: string) => {
    const { values, shape } = data[name] as Data;
    return tensor(values, { shape: [...shape] });
  };
  const controller = new AbortController();
  const { signal } = controller;
  const x = load('x');
  const y = tensor((data.y as Data).values);
  let progressed = () => {};
  const first = new Promise<void>((resolve) => {
    progressed = resolve;
  });
  const fitOnce = () =>
    ReluNetwork.fit(x, y, {
      task: 'regression',
      seed,
      beta: 0.01,
      patterns: 50,
      // Not reachable soon; a fit that gets there is followed by another one.
      tolerance: 1e-12,
      maxIterations: 1e6,
      signal,
      onProgress: () => progressed(),
    });
  const fits = async (): Promise<void> => {
    try {
      while (!signal.aborted) (await fitOnce()).dispose();
    } catch (error) {
      if (!(signal.aborted && error instanceof AbortError)) throw error;
    } finally {
      x.dispose();
      y.dispose();
    }
  };
  const ended = fits();
  const running = Promise.race([first, ended]);
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
