/** Softmax cross-entropy of 4096 rows and 1000 classes, value and gradient. Twin: softmax-xent.py. */
import { idle, jit, logSumExp, mean, mul, oneHot, sub, sum, type Tensor, tensor, valueAndGrad } from 'cotangent';
import { Generator } from '../harness/data.js';
import type { DataSet, PairedCase } from '../harness/types.js';

const rows = 4096;
const classes = 1000;

function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  return mean(sub(logSumExp(logits, [1]), sum(mul(logits, oneHot(labels, classes)), [1])));
}

export const softmaxXent: PairedCase = {
  kind: 'paired',
  name: 'softmax-xent',
  size: '4096 x 1000, value and gradient',
  parameters: {},
  callsPerRepetition: 1,
  peers: [{ name: 'torch-eager', limit: 0.5 }],
  // Sums of 1000 exponentials, each a few ulp, in another order.
  tolerance: 1e-5,
  data(seed) {
    const generator = new Generator(seed);
    const labels = Int32Array.from({ length: rows }, () => Math.floor(classes * generator.uniform()));
    return { logits: generator.normals([rows, classes], 2), labels: { values: labels, shape: [rows] } };
  },
  async start(_, data) {
    const logits = tensor((data.logits as DataSet[string]).values, { shape: [rows, classes] });
    const labels = tensor((data.labels as DataSet[string]).values);
    const evaluate = jit((z: Tensor, t: Tensor) => valueAndGrad(crossEntropy)(z, t));
    return {
      async run(repetitions) {
        for (let repetition = 0; repetition < repetitions; repetition++) {
          for (const value of evaluate(logits, labels)) value.dispose();
        }
        await idle();
      },
      async result() {
        const [value, gradient] = evaluate(logits, labels);
        const read = { value: (await value.data()) as Float32Array, gradient: (await gradient.data()) as Float32Array };
        value.dispose();
        gradient.dispose();
        return read;
      },
    };
  },
};
