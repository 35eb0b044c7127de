/** Cholesky factors of many small matrices, float64. Twin: cholesky-batched.py. */
import { cholesky, idle, type Tensor, tensor } from 'cotangent';
import { Generator } from '../harness/data.js';
import type { Data, DataSet, PairedCase } from '../harness/types.js';

const parameters = { count: 1000, order: 32 };

/** Matrices G Gᵀ / n + 1 with G of standard normals: symmetric to the bit, eigenvalues from 1 to about 5. */
function positiveDefinite(generator: Generator, count: number, n: number): Data {
  const values = new Float64Array(count * n * n);
  for (let start = 0; start < values.length; start += n * n) {
    const { values: g } = generator.normals([n, n]);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += (g[i * n + k] as number) * (g[j * n + k] as number);
        values[start + i * n + j] = values[start + j * n + i] = sum / n + (i === j ? 1 : 0);
      }
    }
  }
  return { values, shape: [count, n, n] };
}

export const choleskyBatched: PairedCase = {
  kind: 'paired',
  name: 'cholesky-batched',
  size: `${parameters.count} x ${parameters.order} x ${parameters.order}, float64`,
  parameters,
  callsPerRepetition: 1,
  peers: [
    { name: 'torch', limit: 0.5 },
    { name: 'torch-out', limit: 0.5 },
  ],
  // Sums of 32 terms in another order, on matrices of condition 5.
  tolerance: 1e-14,
  data: (seed) => ({ a: positiveDefinite(new Generator(seed), parameters.count, parameters.order) }),
  async start(_, data) {
    const { values, shape } = data.a as DataSet[string];
    const a: Tensor = tensor(values, { shape });
    return {
      async run(repetitions) {
        for (let repetition = 0; repetition < repetitions; repetition++) cholesky(a).dispose();
        await idle();
      },
      async result() {
        using l = cholesky(a);
        return { l: (await l.data()) as Float64Array };
      },
    };
  },
};
