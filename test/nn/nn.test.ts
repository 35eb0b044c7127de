/** Layers, activations and losses against PyTorch's values and gradients (test/oracles/nn/make.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type DType, grad, jit, mul, nn, sum, type Tensor, tensor } from '../../lib/index.js';

interface Stored {
  readonly dtype: DType;
  readonly shape: number[];
  readonly data: number[];
}
interface Case {
  readonly inputs: Record<string, Stored>;
  readonly results: Stored[];
  readonly weights: Stored;
  readonly gradients: Record<string, Stored>;
}
const oracle = new URL('../oracles/nn/cases.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(oracle, 'utf8')) as { cases: Record<string, Case> };

const load = ({ dtype, shape, data }: Stored): Tensor =>
  tensor(
    dtype === 'int32' ? Int32Array.from(data) : dtype === 'bool' ? Uint8Array.from(data) : Float64Array.from(data),
    {
      dtype,
      shape,
    },
  );

type Inputs = Record<string, Tensor>;
const norm = ({ scale, bias }: Inputs): nn.NormParameters => ({ scale, bias }) as nn.NormParameters;
const batch =
  (mode: 'train' | 'eval') =>
  ({ x, scale, bias, mean, variance }: Inputs): Tensor | Tensor[] => {
    const options = { mode, momentum: 0.3, epsilon: 1e-4 };
    const [y, state] = nn.batchNorm({ scale, bias }, { mean, variance }, x, options);
    return mode === 'train' ? [y, state.mean, state.variance] : y;
  };

/** Ours for every case of the oracle. */
const functions: Record<string, (inputs: Inputs) => Tensor | Tensor[]> = {
  relu: ({ x }) => nn.relu(x),
  leakyRelu: ({ x }) => nn.leakyRelu(x, 0.2),
  elu: ({ x }) => nn.elu(x, 1.5),
  selu: ({ x }) => nn.selu(x),
  silu: ({ x }) => nn.silu(x),
  mish: ({ x }) => nn.mish(x),
  gelu: ({ x }) => nn.gelu(x),
  hardTanh: ({ x }) => nn.hardTanh(x),
  softmax: ({ x }) => nn.softmax(x),
  'softmax-columns': ({ x }) => nn.softmax(x, { axis: 0, temperature: 0.5 }),
  logSoftmax: ({ x }) => nn.logSoftmax(x),
  'logSoftmax-far': ({ x }) => nn.logSoftmax(x),
  dense: ({ x, weight, bias }) => nn.dense({ weight, bias }, x),
  layerNorm: (inputs) => nn.layerNorm(norm(inputs), inputs.x, { epsilon: 1e-3 }),
  'batchNorm-matrix': batch('train'),
  'batchNorm-images': batch('train'),
  'batchNorm-eval': batch('eval'),
  groupNorm: (inputs) => nn.groupNorm(norm(inputs), inputs.x, { groups: 3, epsilon: 1e-4 }),
  embedding: ({ table, indices }) => nn.embedding({ table }, indices),
  attention: ({ query, key, value }) => nn.scaledDotProductAttention(query, key, value),
  'attention-mask': ({ query, key, value, mask }) => nn.scaledDotProductAttention(query, key, value, { mask }),
  'attention-causal': ({ query, key, value }) => nn.scaledDotProductAttention(query, key, value, { causal: true }),
  multiHeadAttention: ({ x, ...p }) => {
    const layer = (name: string) => ({ weight: p[name], bias: p[`${name}Bias`] });
    const parameters = { query: layer('query'), key: layer('key'), value: layer('value'), output: layer('output') };
    return nn.multiHeadAttention(parameters, x, { heads: 2 });
  },
  squaredLoss: ({ prediction, target }) => nn.squaredLoss(prediction, target),
  meanSquaredError: ({ prediction, target }) => nn.meanSquaredError(prediction, target),
  absoluteLoss: ({ prediction, target }) => nn.absoluteLoss(prediction, target),
  huberLoss: ({ prediction, target }) => nn.huberLoss(prediction, target, { delta: 0.7, reduction: 'none' }),
  hingeLoss: ({ prediction, target }) => nn.hingeLoss(prediction, target),
  squaredHingeLoss: ({ prediction, target }) => nn.squaredHingeLoss(prediction, target, { reduction: 'sum' }),
  binaryCrossEntropy: ({ prediction, target }) => nn.binaryCrossEntropy(prediction, target),
  softmaxCrossEntropy: ({ logits, labels }) => nn.softmaxCrossEntropy(logits, labels),
  'softmaxCrossEntropy-smooth': ({ logits, labels }) =>
    nn.softmaxCrossEntropy(logits, labels, { labelSmoothing: 0.2, reduction: 'none' }),
  negativeLogLikelihood: ({ logits, labels }) => nn.negativeLogLikelihood(logits, labels, { reduction: 'sum' }),
  klDivergence: ({ logits, target }) => nn.klDivergence(logits, target),
};

// Both sides round float64 in another order over sums of at most a hundred terms.
const TOLERANCE = 1e-12;

async function expectClose(actual: Tensor, expected: Stored): Promise<void> {
  expect(actual.shape).toEqual(expected.shape);
  const scale = Math.max(1, ...expected.data.map(Math.abs));
  (await actual.data()).forEach((value, k) => {
    expect(Math.abs(value - expected.data[k])).toBeLessThanOrEqual(TOLERANCE * scale);
  });
}

describe('against PyTorch', () => {
  it('covers every case', () => expect(Object.keys(functions).sort()).toEqual(Object.keys(cases).sort()));

  for (const [name, { inputs, results, weights, gradients }] of Object.entries(cases)) {
    it(name, async () => {
      const f = functions[name];
      const loaded = Object.fromEntries(Object.entries(inputs).map(([key, stored]) => [key, load(stored)]));
      const list = [f(loaded)].flat();
      expect(list.length).toBe(results.length);
      for (const [k, result] of list.entries()) await expectClose(result, results[k]);

      const w = load(weights);
      const { ...rest } = loaded;
      const differentiable = Object.keys(gradients);
      const arguments_ = Object.fromEntries(differentiable.map((key) => [key, loaded[key]]));
      const weighted = (active: Inputs): Tensor => sum(mul([f({ ...rest, ...active })].flat()[0], w));
      const g = jit(grad(weighted))(arguments_) as Inputs;
      for (const key of differentiable) await expectClose(g[key], gradients[key]);
    });
  }
});
