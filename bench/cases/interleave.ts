/** The latency of small Programs while two fits run. No twin: the limit is absolute. */
import { jit, matmul, statistics, type Tensor, tensor } from 'cotangent';
import { Generator } from '../harness/data.js';
import { percentile } from '../harness/statistics.js';
import type { LimitCase } from '../harness/types.js';
import { endlessFit } from './internal/fit.js';

const programs = 1000;
/** A product of this order is beyond the inline limit, so each Program waits for its turn on the executor. */
const order = 128;

export const interleave: LimitCase = {
  kind: 'limit',
  name: 'interleave',
  async measure() {
    using a = tensor(new Generator(1).normals([order, order], 1 / order).values, { shape: [order, order] });
    const product = jit((x: Tensor) => matmul(x, x));
    const fits = [endlessFit(2)(), endlessFit(3)()];
    await Promise.all(fits.map((fit) => fit.running));
    const inlineBefore = statistics().programsInline;
    const latencies: number[] = [];
    for (let k = 0; k < programs; k++) {
      const issued = performance.now();
      const result = product(a);
      await result.data();
      latencies.push(performance.now() - issued);
      result.dispose();
    }
    const inline = statistics().programsInline - inlineBefore;
    await Promise.all(fits.map((fit) => fit.stop()));
    // The fits have a few tiny Programs of their own.
    if (inline >= programs / 10) {
      throw new Error(`Expected the small Programs to pass through the executor, received ${inline} that ran inline.`);
    }
    return [
      { size: `p99 of ${programs} small Programs beside two fits`, measured: percentile(latencies, 99), limit: 10 },
    ];
  },
};
