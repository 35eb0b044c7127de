/** The multilayer perceptron of several cases: 784-512-10 with softmax cross-entropy, batch 128. */
import { add, logSumExp, matmul, mean, mul, oneHot, relu, sub, sum, type Tensor, tensor } from 'cotangent';
import type { Generator } from '../../harness/data.js';
import type { DataSet } from '../../harness/types.js';

export const size = '784-512-10, batch 128';
const batch = 128;
const inputs = 784;
const hidden = 512;
const outputs = 10;
export const weightNames = ['w1', 'b1', 'w2', 'b2'] as const;

export type Weights = Record<(typeof weightNames)[number], Tensor>;

export function loss({ w1, b1, w2, b2 }: Weights, x: Tensor, labels: Tensor): Tensor {
  const logits = add(matmul(relu(add(matmul(x, w1), b1)), w2), b2);
  const picked = sum(mul(logits, oneHot(labels, outputs)), [1]);
  return mean(sub(logSumExp(logits, [1]), picked));
}

export function mlpData(generator: Generator): DataSet {
  const labels = Int32Array.from({ length: batch }, () => Math.floor(outputs * generator.uniform()));
  return {
    x: generator.uniforms([batch, inputs]),
    labels: { values: labels, shape: [batch] },
    w1: generator.normals([inputs, hidden], 1 / Math.sqrt(inputs)),
    b1: generator.normals([hidden], 0.1),
    w2: generator.normals([hidden, outputs], 1 / Math.sqrt(hidden)),
    b2: generator.normals([outputs], 0.1),
  };
}

export function load(data: DataSet, name: string): Tensor {
  const { values, shape } = data[name] as DataSet[string];
  return tensor(values, { shape: [...shape] });
}

export function loadWeights(data: DataSet, prefix = ''): Weights {
  const [w1, b1, w2, b2] = weightNames.map((name) => load(data, `${prefix}${name}`)) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  return { w1, b1, w2, b2 };
}

/** The arrays of a tree of weights, read. */
export async function readWeights(weights: Weights): Promise<Record<string, Float32Array>> {
  const read = weightNames.map(async (name) => [name, (await weights[name].data()) as Float32Array] as const);
  return Object.fromEntries(await Promise.all(read));
}

/** A direction for each weight, named d<weight>. */
export function directionData(generator: Generator, data: DataSet): DataSet {
  return Object.fromEntries(
    weightNames.map((name) => [`d${name}`, generator.normals([...(data[name] as DataSet[string]).shape], 1)]),
  );
}
