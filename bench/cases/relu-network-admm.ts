/** 1,000 iterations of approximate ADMM for the convex two-layer ReLU program. Twin: relu-network-admm.py. */
import { idle, type Tensor, tensor } from 'cotangent';
import { Generator } from '../harness/data.js';
import type { Data, DataSet, PairedCase } from '../harness/types.js';
import { admm } from '../library.js';

const n = 1200;
const d = 100;
const patternCount = 50;

/** Features of unit norm on average, a target with curvature, and sampled sign patterns of the rows. */
export function admmData(seed: number): DataSet {
  const generator = new Generator(seed);
  const x = generator.normals([n, d], 1 / Math.sqrt(d));
  const y = new Float32Array(n);
  const row = (k: number) => (x.values as Float32Array).subarray(k * d, (k + 1) * d);
  for (let k = 0; k < n; k++) {
    const [first = 0, second = 0] = row(k);
    y[k] = Math.tanh(3 * first) + 5 * Math.abs(second) + 0.1 * generator.normal();
  }
  const directions = generator.normals([patternCount, d]).values;
  // 1 where x_k g_p >= 0: row p is the diagonal of D_p.
  const masks = new Float32Array(patternCount * n);
  for (let p = 0; p < patternCount; p++) {
    for (let k = 0; k < n; k++) {
      let product = 0;
      for (let j = 0; j < d; j++) product += (row(k)[j] as number) * (directions[p * d + j] as number);
      masks[p * n + k] = product >= 0 ? 1 : 0;
    }
  }
  return { x, y: { values: y, shape: [1, n] }, masks: { values: masks, shape: [patternCount, n] } };
}

export const reluNetworkAdmm: PairedCase = {
  kind: 'paired',
  name: 'relu-network-admm',
  size: 'n = 1200, d = 100, P = 50, 1000 iterations',
  parameters: { beta: 0.01, rho: 1, iterations: 1000 },
  callsPerRepetition: 1,
  peers: [
    { name: 'torch-cholesky-solve', limit: 0.5 },
    { name: 'torch-inverse', limit: 0.7 },
  ],
  // The twins differ by 5e-5 from each other and from float64 after 1,000 iterations of float32.
  tolerance: 5e-4,
  data: admmData,
  async start({ beta = 0.01, rho = 1, iterations = 1000 }, data) {
    const load = (name: string): Tensor => {
      const { values, shape } = data[name] as Data;
      return tensor(values, { shape: [...shape] });
    };
    // Factorisations and the first state are made here; `run` is the iterations, and so it is on the peers' side.
    const { admmIterations } = await admm();
    const { run } = admmIterations(load('x'), load('y'), load('masks'), { beta, rho, iterations });
    return {
      async result() {
        const { v, predictions } = run();
        return { v: (await v.data()) as Float32Array, predictions: (await predictions.data()) as Float32Array };
      },
      async run(repetitions) {
        for (let repetition = 0; repetition < repetitions; repetition++) {
          const { v, predictions } = run();
          await idle();
          v.dispose();
          predictions.dispose();
        }
      },
    };
  },
};
