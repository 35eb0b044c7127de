/**
 * Gradient step (loss, gradients, update) of LeNet-5 on 28 x 28 images with softmax cross-entropy, batch 128: convolutions 6 and 16
 * of 5 x 5, each with ReLU and 2 x 2 max pooling, then 400-120-84-10. Twin: lenet-step.py.
 */
import { idle, jit, maxPool, nn, relu, sub, type Tensor, tensor, valueAndGrad } from 'cotangent';
import { Generator } from '../harness/data.js';
import type { DataSet, PairedCase } from '../harness/types.js';

const batch = 128;
const shapes = {
  w1: [6, 1, 5, 5],
  b1: [6],
  w2: [16, 6, 5, 5],
  b2: [16],
  w3: [400, 120],
  b3: [120],
  w4: [120, 84],
  b4: [84],
  w5: [84, 10],
  b5: [10],
} as const;
type Name = keyof typeof shapes;
const names = Object.keys(shapes) as Name[];

type Weights = Record<Name, Tensor>;

function loss(w: Weights, images: Tensor, labels: Tensor): Tensor {
  const first = maxPool(relu(nn.conv2d({ weight: w.w1, bias: w.b1 }, images, { padding: 2 })), 2);
  const second = maxPool(relu(nn.conv2d({ weight: w.w2, bias: w.b2 }, first)), 2);
  const third = relu(nn.dense({ weight: w.w3, bias: w.b3 }, second.reshape([batch, 400])));
  const fourth = relu(nn.dense({ weight: w.w4, bias: w.b4 }, third));
  return nn.softmaxCrossEntropy(nn.dense({ weight: w.w5, bias: w.b5 }, fourth), labels);
}

export const lenetStep: PairedCase = {
  kind: 'paired',
  name: 'lenet-step',
  size: 'LeNet-5, 28 x 28, batch 128',
  parameters: { learningRate: 0.05, checkedSteps: 5 },
  callsPerRepetition: 1,
  peers: [{ name: 'torch-idiomatic', limit: 1.0 }],
  // Five steps; a gradient of the first kernel sums 128 x 784 terms in another order: sqrt(1e5) rounding errors of 6e-8.
  tolerance: 2e-5,
  data(seed) {
    const generator = new Generator(seed);
    const labels = Int32Array.from({ length: batch }, () => Math.floor(10 * generator.uniform()));
    const weights = names.map((name) => {
      const shape = shapes[name];
      const fanIn = shape.length === 4 ? shape[1] * shape[2] * shape[3] : shape[0];
      return [name, generator.normals([...shape], name.startsWith('w') ? 1 / Math.sqrt(fanIn) : 0.1)] as const;
    });
    return {
      x: generator.uniforms([batch, 1, 28, 28]),
      labels: { values: labels, shape: [batch] },
      ...Object.fromEntries(weights),
    };
  },
  async start({ learningRate = 0.05, checkedSteps = 5 }, data) {
    const load = (name: string): Tensor => {
      const { values, shape } = data[name] as DataSet[string];
      return tensor(values, { shape: [...shape] });
    };
    const x = load('x');
    const labels = load('labels');
    const each = (f: (name: Name) => Tensor): Weights =>
      Object.fromEntries(names.map((name) => [name, f(name)])) as Weights;
    const step = jit(
      (weights: Weights, images: Tensor, targets: Tensor) => {
        const [value, gradients] = valueAndGrad(loss)(weights, images, targets);
        return { value, weights: each((name) => sub(weights[name], gradients[name].mul(learningRate))) };
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
        for (const name of names) weights?.[name].dispose();
        weights = each(load);
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
          ...names.map((name): [string, Tensor] => [name, (weights as Weights)[name]]),
        ];
        const read = named.map(async ([name, array]) => [name, (await array.data()) as Float32Array] as const);
        return Object.fromEntries(await Promise.all(read));
      },
    };
  },
};
