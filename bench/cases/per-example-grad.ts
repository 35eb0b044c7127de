/** Gradients of the loss of an MLP 784-512-10 for each of 128 examples. Twin: per-example-grad.py. */
import { grad, idle, jit, vmap } from 'cotangent';
import { Generator } from '../harness/data.js';
import type { PairedCase } from '../harness/types.js';
import { load, loadWeights, loss, mlpData, readWeights, size, type Weights } from './internal/mlp.js';

export const perExampleGrad: PairedCase = {
  kind: 'paired',
  name: 'per-example-grad',
  size,
  parameters: {},
  callsPerRepetition: 1,
  peers: [{ name: 'torch-func', limit: 0.8 }],
  // Products of up to 784 terms, summed in another order.
  tolerance: 2e-5,
  data(seed) {
    return mlpData(new Generator(seed));
  },
  async start(_, data) {
    const [x, labels, weights] = [load(data, 'x'), load(data, 'labels'), loadWeights(data)];
    const gradients = jit(
      vmap(
        grad((w: Weights, one: typeof x, label: typeof x) => loss(w, one.reshape([1, -1]), label.reshape([1]))),
        { inAxes: [null, 0, 0] },
      ),
    );
    const dispose = (tree: Weights) => {
      for (const value of Object.values(tree)) value.dispose();
    };
    return {
      async run(repetitions) {
        for (let repetition = 0; repetition < repetitions; repetition++) dispose(gradients(weights, x, labels));
        await idle();
      },
      async result() {
        const values = gradients(weights, x, labels);
        const read = await readWeights(values);
        dispose(values);
        return read;
      },
    };
  },
};
