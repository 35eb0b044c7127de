/** A history written inside a native loop: a fixed number of rows, the newest of every so many iterations. */
import { dynamicUpdate, full, reshape, stack } from '../../core/ops/arrays.js';
import { cast, div } from '../../core/ops/elementwise.js';
import type { Tensor } from '../../core/tensor.js';
import { clock } from '../../transforms/loops.js';
import type { HistoryPoint } from '../options.js';

const ROWS = 4096;

export interface Recorder {
  /** Rows of iteration, time and objective, float64; iteration −1 where nothing was written. */
  start(): Tensor;
  /** @param iteration  int32 scalar.  @param objective  float64 scalar. */
  record(history: Tensor, iteration: Tensor, objective: Tensor): Tensor;
  read(history: Tensor): Promise<HistoryPoint[]>;
}

export function recorder(maxIterations: number): Recorder {
  const every = Math.ceil((maxIterations + 1) / ROWS);
  const rows = Math.ceil((maxIterations + 1) / every);
  return {
    start: () => full([rows, 3], -1, { dtype: 'float64' }),
    record: (history, iteration, objective) => {
      const row = stack([cast(iteration, 'float64'), clock(objective), objective]);
      const corner = stack([div(iteration, every), full([], 0, { dtype: 'int32' })]);
      return dynamicUpdate(history, reshape(row, [1, 3]), corner);
    },
    read: async (history) => {
      const data = await history.data();
      const points: HistoryPoint[] = [];
      for (let at = 0; at < data.length; at += 3) {
        const [iteration, time, objective] = data.subarray(at, at + 3);
        if (iteration >= 0) points.push({ iteration, time, objective });
      }
      return points;
    },
  };
}
