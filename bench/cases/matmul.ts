/** Products of square matrices. Twin: matmul.py. */
import { idle, matmul, type Tensor, tensor } from 'cotangent';
import { Generator } from '../harness/data.js';
import type { DataSet, PairedCase } from '../harness/types.js';

function product(order: number): PairedCase {
  return {
    kind: 'paired',
    name: 'matmul',
    variant: String(order),
    size: `${order} x ${order}`,
    parameters: { order },
    callsPerRepetition: 1,
    peers: [{ name: 'torch', limit: 1.05 }],
    // Sums of `order` terms of order one in another order, beside results of order sqrt(order).
    tolerance: 1e-5,
    data(seed) {
      const generator = new Generator(seed);
      return { a: generator.normals([order, order]), b: generator.normals([order, order]) };
    },
    async start(_, data) {
      const load = (name: string): Tensor => tensor((data[name] as DataSet[string]).values, { shape: [order, order] });
      const [a, b] = [load('a'), load('b')];
      return {
        async run(repetitions) {
          for (let repetition = 0; repetition < repetitions; repetition++) matmul(a, b).dispose();
          await idle();
        },
        async result() {
          using c = matmul(a, b);
          return { c: (await c.data()) as Float32Array };
        },
      };
    },
  };
}

export const matmulCases = [256, 1024, 2048].map(product);
