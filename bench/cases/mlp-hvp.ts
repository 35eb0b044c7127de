/** Hessian-vector product of the loss of an MLP 784-512-10, batch 128. Twin: mlp-hvp.py. */
import { hvp, idle, jit } from 'cotangent';
import { Generator } from '../harness/data.js';
import type { PairedCase } from '../harness/types.js';
import { directionData, load, loadWeights, loss, mlpData, readWeights, size, type Weights } from './internal/mlp.js';

export const mlpHvp: PairedCase = {
  kind: 'paired',
  name: 'mlp-hvp',
  size,
  parameters: {},
  callsPerRepetition: 1,
  peers: [
    { name: 'torch-func', limit: 0.45 },
    { name: 'torch-double-backward', limit: 0.45 },
  ],
  // Four products of up to 784 terms one after the other, summed in another order.
  tolerance: 2e-5,
  data(seed) {
    const generator = new Generator(seed);
    const data = mlpData(generator);
    return { ...data, ...directionData(generator, data) };
  },
  async start(_, data) {
    const [x, labels, weights, direction] = [
      load(data, 'x'),
      load(data, 'labels'),
      loadWeights(data),
      loadWeights(data, 'd'),
    ];
    const product = jit((w: Weights, v: Weights) => hvp((at: Weights) => loss(at, x, labels))(w, v));
    const dispose = (tree: Weights) => {
      for (const value of Object.values(tree)) value.dispose();
    };
    return {
      async run(repetitions) {
        for (let repetition = 0; repetition < repetitions; repetition++)
          dispose(product(weights, direction) as Weights);
        await idle();
      },
      async result() {
        const values = product(weights, direction) as Weights;
        const read = await readWeights(values);
        dispose(values);
        return read;
      },
    };
  },
};
