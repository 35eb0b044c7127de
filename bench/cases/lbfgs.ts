/** Logistic regression with a ridge, 20,000 x 1,000, by L-BFGS with ten pairs to one tolerance on the gradient. Twin: lbfgs.py. */
import { add, matmul, mean, minimise, mul, neg, softplus, square, sum, type Tensor, tensor, zeros } from 'cotangent';
import { Generator } from '../harness/data.js';
import type { Data, PairedCase } from '../harness/types.js';

const rows = 20_000;
const columns = 1_000;

export const lbfgs: PairedCase = {
  kind: 'paired',
  name: 'lbfgs',
  size: `${rows} x ${columns}`,
  parameters: { ridge: 1e-3, gradientTolerance: 1e-5, pairs: 10 },
  callsPerRepetition: 1,
  peers: [
    { name: 'scipy', limit: 0.6, host: true },
    { name: 'torch', limit: 0.6 },
  ],
  // The objective at the end: both stop where the gradient is below the tolerance, at most ‖∇f‖² / (2 ridge) ~ 1e-5 above the optimum,
  // in practice a hundredth of it; float32 sums of 20,000 terms add a few 1e-7.
  tolerance: 1e-6,
  data(seed) {
    const generator = new Generator(seed);
    const x = generator.normals([rows, columns]);
    // Columns of sizes from 1 to 0.1, so that the Hessian's curvatures span two decades and more.
    for (let at = 0; at < x.values.length; at++) (x.values as Float32Array)[at] *= 10 ** (-(at % columns) / columns);
    const weights = generator.normals([columns], 4 / Math.sqrt(columns)).values;
    const y = new Float32Array(rows);
    for (let row = 0; row < rows; row++) {
      let margin = generator.normal();
      for (let k = 0; k < columns; k++) margin += (x.values[row * columns + k] as number) * (weights[k] as number);
      y[row] = margin > 0 ? 1 : -1;
    }
    return { x, y: { values: y, shape: [rows] } };
  },
  async start({ ridge = 1e-3, gradientTolerance = 1e-5, pairs = 10 }, data) {
    const load = (name: string): Tensor => {
      const { values, shape } = data[name] as Data;
      return tensor(values, { shape: [...shape] });
    };
    const [x, y] = [load('x'), load('y')];
    const initial = zeros([columns]);
    const objective = (w: Tensor): Tensor =>
      add(mean(softplus(neg(mul(matmul(x, w), y)))), mul(sum(square(w)), ridge / 2));
    // The gradient at the start is below 1, so that the tolerance is absolute, as the peers' is.
    const fit = () =>
      minimise({ initial, objective }, { tolerance: gradientTolerance, objectiveTolerance: 0, memory: pairs });
    return {
      async run(repetitions) {
        for (let repetition = 0; repetition < repetitions; repetition++) (await fit()).x.dispose();
      },
      async result() {
        const { x: found, objective: value, converged, reason } = await fit();
        found.dispose();
        if (!converged) throw new Error(`Expected the fit to converge, received '${reason}'.`);
        return { objective: Float32Array.of(value) };
      },
    };
  },
};
