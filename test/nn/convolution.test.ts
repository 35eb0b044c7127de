import { describe, expect, it } from 'vitest';
import { DomainError, grad, nn, random, ShapeError, scope, sum, type Tensor, tensor, zeros } from '../../lib/index.js';

describe('convolution layers', () => {
  it('add the bias to each output channel', () => {
    const weight = zeros([2, 1, 3, 3]);
    const y = nn.conv2d({ weight, bias: tensor([1, -2]) }, zeros([1, 1, 2, 2]), { padding: 'same' });
    expect([...y.dataSync()]).toEqual([1, 1, 1, 1, -2, -2, -2, -2]);
    const up = nn.convTranspose1d({ weight: zeros([2, 1, 2]), bias: tensor([3]) }, zeros([1, 2, 2]), { stride: 2 });
    expect([...up.dataSync()]).toEqual([3, 3, 3, 3]);
  });

  it('exist for one, two and three axes, and refuse others', () => {
    const layers = [nn.conv1d, nn.conv2d, nn.conv3d];
    layers.forEach((layer, k) => {
      const ones = new Array<number>(k + 1).fill(2);
      const parameters = nn.initConv(random.key(k), 2, 4, ones, { groups: 2 });
      expect(parameters.weight.shape).toEqual([4, 1, ...ones]);
      expect(layer(parameters, zeros([1, 2, ...ones]), { groups: 2 }).shape).toEqual([1, 4, ...ones.map(() => 1)]);
      const other = layers[(k + 1) % 3] as typeof nn.conv1d;
      expect(() => other(parameters, zeros([1, 2, ...ones]))).toThrow(ShapeError);
    });
  });

  it('have gradients of the shape of their parameters', () => {
    scope(() => {
      const parameters = nn.initConv(random.key(1), 2, 3, [3, 3]);
      const x = random.normal(random.key(2), [2, 2, 5, 5]);
      const loss = (p: nn.ConvParameters): Tensor => sum(nn.conv2d(p, x).square());
      const gradient = grad(loss)(parameters) as nn.ConvParameters;
      expect(gradient.weight.shape).toEqual([3, 2, 3, 3]);
      expect(gradient.bias.shape).toEqual([3]);
    });
  });
});

describe('initConv', () => {
  const moments = (t: Tensor): { mean: number; variance: number } => {
    const values = [...t.dataSync()] as number[];
    const mean = values.reduce((total, value) => total + value, 0) / values.length;
    return { mean, variance: values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length };
  };

  // 51,200 draws: the variance of a normal is off by sqrt(2 / n) = 0.6 % (one deviation); five of them are allowed.
  for (const [init, gain] of [
    ['he', 2],
    ['lecun', 1],
    ['uniform', 1 / 3],
  ] as const) {
    it(`draws '${init}' with variance ${gain} / fan-in`, () => {
      const { weight, bias } = nn.initConv(random.key(3), 32, 64, [5, 5], { init, dtype: 'float64' });
      const fanIn = 32 * 25;
      const { mean, variance } = moments(weight);
      expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(gain / fanIn / weight.size));
      expect(Math.abs((variance * fanIn) / gain - 1)).toBeLessThan(0.03);
      const biases = [...bias.dataSync()] as number[];
      if (init === 'uniform') expect(Math.max(...biases.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(fanIn));
      else expect(new Set(biases)).toEqual(new Set([0]));
    });
  }

  it('counts the channels of a group as fan-in', () => {
    const { weight } = nn.initConv(random.key(4), 512, 512, [3, 3], { groups: 512, init: 'lecun' });
    expect(weight.shape).toEqual([512, 1, 3, 3]);
    // 4,608 draws: five deviations of sqrt(2 / n) = 2 %.
    expect(Math.abs(moments(weight).variance * 9 - 1)).toBeLessThan(0.11);
  });

  it('refuses what does not fit', () => {
    const key = random.key(0);
    expect(() => nn.initConv(key, 3, 4, [3, 3], { groups: 2 })).toThrow(ShapeError);
    expect(() => nn.initConv(key, 3, 4, [])).toThrow(ShapeError);
    expect(() => nn.initConv(key, 3, 4, [3, 0])).toThrow(ShapeError);
    expect(() => nn.initConv(key, 3, 4, [3], { init: 'glorot' as 'he' })).toThrow(DomainError);
  });
});
