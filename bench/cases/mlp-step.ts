/** Gradient step (loss, gradients, update) of an MLP 784-512-10 with softmax cross-entropy, batch 128. Twin: mlp-step.py. */
import {
  add,
  idle,
  jit,
  logSumExp,
  matmul,
  mean,
  mul,
  oneHot,
  relu,
  sub,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
} from 'cotangent';
import { Generator } from '../harness/data.js';
import type { DataSet, PairedCase } from '../harness/types.js';

const batch = 128;
const inputs = 784;
const hidden = 512;
const outputs = 10;
const weightNames = ['w1', 'b1', 'w2', 'b2'] as const;

type Weights = Record<(typeof weightNames)[number], Tensor>;

function loss({ w1, b1, w2, b2 }: Weights, x: Tensor, labels: Tensor): Tensor {
  const logits = add(matmul(relu(add(matmul(x, w1), b1)), w2), b2);
  const picked = sum(mul(logits, oneHot(labels, outputs)), [1]);
  return mean(sub(logSumExp(logits, [1]), picked));
}

export const mlpStep: PairedCase = {
  kind: 'paired',
  name: 'mlp-step',
  size: '784-512-10, batch 128',
  parameters: { learningRate: 0.05, checkedSteps: 5 },
  callsPerRepetition: 1,
  peers: [
    { name: 'torch-idiomatic', limit: 0.65 },
    { name: 'torch-in-place', limit: 0.9 },
  ],
  // Five steps; each product sums up to 784 terms in another order: sqrt(784) rounding errors of 6e-8, a few times over.
  tolerance: 2e-5,
  data(seed) {
    const generator = new Generator(seed);
    const labels = Int32Array.from({ length: batch }, () => Math.floor(outputs * generator.uniform()));
    return {
      x: generator.uniforms([batch, inputs]),
      labels: { values: labels, shape: [batch] },
      w1: generator.normals([inputs, hidden], 1 / Math.sqrt(inputs)),
      b1: generator.normals([hidden], 0.1),
      w2: generator.normals([hidden, outputs], 1 / Math.sqrt(hidden)),
      b2: generator.normals([outputs], 0.1),
    };
  },
  async start({ learningRate = 0.05, checkedSteps = 5 }, data) {
    const load = (name: string): Tensor => {
      const { values, shape } = data[name] as DataSet[string];
      return tensor(values, { shape: [...shape] });
    };
    const x = load('x');
    const labels = load('labels');
    const step = jit(
      (weights: Weights, features: Tensor, targets: Tensor) => {
        const [value, gradients] = valueAndGrad(loss)(weights, features, targets);
        const next = (name: keyof Weights) => sub(weights[name], mul(gradients[name], learningRate));
        return { value, weights: { w1: next('w1'), b1: next('b1'), w2: next('w2'), b2: next('b2') } };
      },
      { donate: [0] },
    );
    let weights: Weights | undefined;
    const advance = (): Tensor => {
      const result = step(weights as Weights, x, labels);
      weights = result.weights;
      return result.value;
    };
    return {
      async begin() {
        for (const name of weightNames) weights?.[name].dispose();
        weights = { w1: load('w1'), b1: load('b1'), w2: load('w2'), b2: load('b2') };
      },
      async run(repetitions) {
        for (let repetition = 0; repetition < repetitions; repetition++) advance().dispose();
        await idle();
      },
      async result() {
        for (let k = 1; k < checkedSteps; k++) advance().dispose();
        using value = advance();
        const named: [string, Tensor][] = [
          ['loss', value],
          ...weightNames.map((name): [string, Tensor] => [name, (weights as Weights)[name]]),
        ];
        const read = named.map(async ([name, array]) => [name, (await array.data()) as Float32Array] as const);
        return Object.fromEntries(await Promise.all(read));
      },
    };
  },
};
