/** What the oracle of test/nn/nn.test.ts does not reach: randomness, masks that leave nothing, float32, refusals. */
import { describe, expect, it } from 'vitest';
import { add, grad, nn, random, sum, type Tensor, tensor } from '../../lib/index.js';

const f64 = (data: Parameters<typeof tensor>[0]) => tensor(data, { dtype: 'float64' });
const finite = async (x: Tensor) => (await x.data()).every(Number.isFinite);
const moments = async (x: Tensor): Promise<{ mean: number; variance: number; largest: number }> => {
  const data = [...(await x.data())];
  const mean = data.reduce((total, value) => total + value, 0) / data.length;
  const variance = data.reduce((total, value) => total + (value - mean) ** 2, 0) / data.length;
  return { mean, variance, largest: Math.max(...data.map(Math.abs)) };
};

describe('attention', () => {
  const make = (seed: number, shape: number[]) => random.normal(random.key(seed), shape, { dtype: 'float64' });

  it('gives 0, with finite derivatives, to a query that may attend to nothing', async () => {
    const [q, k, v] = [make(1, [2, 3]), make(2, [4, 3]), make(3, [4, 5])];
    const mask = tensor([
      [false, false, false, false],
      [true, false, true, false],
    ]);
    const attend = (query: Tensor, key: Tensor, value: Tensor) =>
      nn.scaledDotProductAttention(query, key, value, { mask });
    const y = await attend(q, k, v).data();
    expect([...y.slice(0, 5)]).toEqual([0, 0, 0, 0, 0]);
    expect(y[5]).not.toBe(0);
    const gradients = grad((...args: [Tensor, Tensor, Tensor]) => sum(attend(...args)), { argnums: [0, 1, 2] })(
      q,
      k,
      v,
    );
    for (const g of gradients as unknown as Tensor[]) expect(await finite(g)).toBe(true);
  });

  it('does not see masked values, and no later ones when causal', async () => {
    const [q, k, v] = [make(4, [3, 2]), make(5, [3, 2]), make(6, [3, 2])];
    const far = tensor(Float64Array.of(0, 0, 0, 0, 1e6, -1e6), { shape: [3, 2] });
    const seen = await nn.scaledDotProductAttention(q, k, v, { causal: true }).data();
    const changed = await nn.scaledDotProductAttention(q, k.add(far), v.add(far), { causal: true }).data();
    expect([...changed.slice(0, 4)]).toEqual([...seen.slice(0, 4)]);
    expect(changed[4]).not.toBe(seen[4]);
  });

  it('aligns a shorter query with the end of the keys', async () => {
    const [q, k, v] = [make(7, [3, 2]), make(8, [3, 2]), make(9, [3, 2])];
    const all = await nn.scaledDotProductAttention(q, k, v, { causal: true }).data();
    const last = tensor(Float64Array.from((await q.data()).slice(4)), { shape: [1, 2] });
    const one = await nn.scaledDotProductAttention(last, k, v, { causal: true }).data();
    one.forEach((value, i) => {
      expect(value).toBeCloseTo(all[4 + i], 12);
    });
  });

  it('refuses heads that do not divide the width, and a mask of numbers', () => {
    const p = nn.initAttention(random.key(0), 6);
    const x = random.normal(random.key(1), [2, 6]);
    expect(() => nn.multiHeadAttention(p, x, { heads: 4 })).toThrow(/heads that divide the width 6, received 4/);
    expect(() => nn.multiHeadAttention(p, x, { heads: 2, mask: x })).toThrow(/Expected a bool mask, received float32/);
    expect(() => nn.scaledDotProductAttention(x, tensor([[1, 2]]), x)).toThrow(/q \[\.\., t, d\]/);
  });
});

describe('dropout', () => {
  it('keeps the mean, drops the part asked for, and repeats with the key', async () => {
    const x = tensor(new Float32Array(40_000).fill(1));
    const y = nn.dropout(random.key(3), x, 0.25);
    const data = await y.data();
    const kept = data.filter((value) => value !== 0);
    expect(kept.every((value) => Math.abs(value - 4 / 3) < 1e-6)).toBe(true);
    // Five standard deviations of a binomial fraction.
    expect(Math.abs(kept.length / data.length - 0.75)).toBeLessThan(5 * Math.sqrt((0.25 * 0.75) / data.length));
    expect(await nn.dropout(random.key(3), x, 0.25).data()).toEqual(data);
    expect(await nn.dropout(random.key(4), x, 0.25).data()).not.toEqual(data);
    expect(nn.dropout(random.key(3), x, 0)).toBe(x);
    expect(() => nn.dropout(random.key(3), x, 1)).toThrow(/Expected rate in \[0, 1\), received 1/);
  });
});

describe('initialisers', () => {
  const shape = [300, 200];
  // n = 60,000 numbers: the sample variance is within 5 √(2/n) of the true one, for both distributions.
  const close = 5 * Math.sqrt(2 / 60_000);

  it.each([
    ['glorotUniform', nn.initializers.glorotUniform(), 2 / 500],
    ['glorotNormal', nn.initializers.glorotNormal(), 2 / 500],
    ['heUniform', nn.initializers.heUniform(), 2 / 300],
    ['heNormal', nn.initializers.heNormal(), 2 / 300],
    ['lecunNormal', nn.initializers.lecunNormal(), 1 / 300],
    ['uniform', nn.initializers.uniform(0.3), 0.09 / 3],
    ['normal', nn.initializers.normal(0.2), 0.04],
  ] as const)('%s has mean 0 and its variance', async (_, initializer, variance) => {
    const found = await moments(initializer(random.key(7), shape));
    expect(Math.abs(found.variance / variance - 1)).toBeLessThan(close);
    expect(Math.abs(found.mean)).toBeLessThan(5 * Math.sqrt(variance / 60_000));
  });

  it('counts the receptive field of kernels [outputs, inputs, height, width]', async () => {
    const he = nn.initializers.heUniform({ inputAxis: 1, outputAxis: 0 });
    const { variance, largest } = await moments(he(random.key(8), [40, 16, 3, 5]));
    const limit = Math.sqrt(6 / (16 * 15));
    expect(largest).toBeLessThanOrEqual(limit);
    expect(Math.abs(variance / (limit ** 2 / 3) - 1)).toBeLessThan(5 * Math.sqrt(2 / 9600));
    expect(() => he(random.key(8), [3])).toThrow(/at least two dimensions, received \[3\]/);
    expect(() => he(random.key(8), [3, 2], { dtype: 'int32' })).toThrow(/float32 or float64, received int32/);
  });
});

describe('normalisation', () => {
  it('is unchanged by scale and offset of the input, in float32', async () => {
    const x = random.normal(random.key(5), [8, 16]);
    const p = nn.initNorm([16]);
    const y = nn.layerNorm(p, x, { epsilon: 1e-12 });
    const moved = nn.layerNorm(p, add(x.mul(50), 10), { epsilon: 1e-12 });
    // Values of size 50 + 10 carry an error of 60 · 6e-8, which is divided by 50 again; a few roundings more.
    (await y.sub(moved).data()).forEach((value) => {
      expect(Math.abs(value)).toBeLessThan(2e-6);
    });
  });

  it('refuses what does not fit', () => {
    const x = random.normal(random.key(1), [4, 6]);
    expect(() => nn.layerNorm(nn.initNorm([5]), x)).toThrow(/ends in the shape of scale and bias/);
    expect(() => nn.groupNorm(nn.initNorm([6]), x, { groups: 4 })).toThrow(/groups that divide the 6 channels/);
    const state = nn.initBatchNormState(6);
    const one = random.normal(random.key(1), [1, 6]);
    expect(() => nn.batchNorm(nn.initNorm([6]), state, one, { mode: 'train' })).toThrow(
      /more than one value a channel/,
    );
    expect(() => nn.batchNorm(nn.initNorm([4]), state, x, { mode: 'eval' })).toThrow(/scale and bias of shape \[6\]/);
    expect(() => nn.batchNorm(nn.initNorm([6]), state, x, { mode: 'test' as never })).toThrow(/mode 'train' or 'eval'/);
  });
});

describe('losses', () => {
  it('refuse pairs that would broadcast, unknown reductions and labels that are not int32', () => {
    expect(() => nn.squaredLoss(f64([1, 2]), f64([[1], [2]]))).toThrow(/predictions and targets of one shape/);
    expect(() => nn.huberLoss(f64([1]), f64([1]), { reduction: 'avg' as never })).toThrow(/'mean', 'sum' or 'none'/);
    expect(() => nn.softmaxCrossEntropy(f64([[1, 2]]), f64([1]))).toThrow(/Expected int32 labels, received float64/);
    expect(() => nn.softmaxCrossEntropy(f64([[1, 2]]), tensor(Int32Array.of(0, 1)))).toThrow(/labels \[\.\.\]/);
  });

  it('stay finite, with their gradients, far out in float32', async () => {
    const logits = tensor([
      [1e4, -1e4, 0],
      [-3e38, 3e38, 0],
    ]);
    const labels = tensor(Int32Array.of(1, 0));
    const loss = (z: Tensor) => nn.softmaxCrossEntropy(z, labels, { reduction: 'none' });
    expect((await loss(logits).data())[0]).toBe(2e4);
    expect(await finite(grad((z: Tensor) => sum(loss(z)))(logits))).toBe(true);
    const targets = tensor([
      [0, 1, 0.5],
      [1, 0, 0],
    ]);
    expect(await finite(grad((z: Tensor) => nn.binaryCrossEntropy(z, targets))(logits))).toBe(true);
  });
});
