/** Operations that are composed of primitives, and the samplers: values, derivatives and refusals. */
import { describe, expect, it } from 'vitest';
import * as ct from '../../lib/index.js';

const f64 = (data: Parameters<typeof ct.tensor>[0]) => ct.tensor(data, { dtype: 'float64' });
const list = (x: ct.Tensor): number[] => Array.from(x.dataSync() as Float64Array);

describe('rearranging', () => {
  const x = ct.arange(6).reshape([2, 3]);

  it('flips, rolls, tiles, repeats and splits', () => {
    expect(ct.flip(x).arraySync()).toEqual([
      [5, 4, 3],
      [2, 1, 0],
    ]);
    expect(ct.flip(x, 1).arraySync()).toEqual([
      [2, 1, 0],
      [5, 4, 3],
    ]);
    expect(list(ct.roll(ct.arange(5), 2))).toEqual([3, 4, 0, 1, 2]);
    expect(list(ct.roll(ct.arange(5), -6))).toEqual([1, 2, 3, 4, 0]);
    expect(ct.tile(x, [2, 1]).shape).toEqual([4, 3]);
    expect(ct.tile(ct.arange(2), [2, 3]).arraySync()).toEqual([
      [0, 1, 0, 1, 0, 1],
      [0, 1, 0, 1, 0, 1],
    ]);
    expect(ct.tile(ct.zeros([1, 2, 1, 2, 1]), [2, 1, 2, 1, 2]).shape).toEqual([2, 2, 2, 2, 2]);
    expect(ct.repeat(x, 2, 1).arraySync()).toEqual([
      [0, 0, 1, 1, 2, 2],
      [3, 3, 4, 4, 5, 5],
    ]);
    expect(ct.split(ct.arange(6), 3).map(list)).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
    expect(ct.split(x, [1, 2], 1).map((part) => part.shape)).toEqual([
      [2, 1],
      [2, 2],
    ]);
    expect(() => ct.split(x, 2, 1)).toThrow(ct.ShapeError);
    expect(() => ct.split(x, [1, 1], 1)).toThrow(/add up to 3/);
  });

  it('leaves zeros beside infinities on a diagonal', () => {
    const x = ct.tensor([Number.POSITIVE_INFINITY, Number.NaN, 3]);
    expect(list(ct.diag(x))).toEqual([Number.POSITIVE_INFINITY, 0, 0, 0, Number.NaN, 0, 0, 0, 3]);
    expect(list(ct.diag(ct.tensor(Int32Array.of(1, 2))))).toEqual([1, 0, 0, 2]);
    expect(ct.diag(ct.tensor([true, false])).dtype).toBe('bool');
    expect(
      list(
        ct.grad((v: ct.Tensor) =>
          ct
            .diag(v)
            .mul(ct.ones([3, 3]))
            .sum(),
        )(ct.tensor([1, 2, 3])),
      ),
    ).toEqual([1, 1, 1]);
  });

  it('keeps triangles and counts in steps', () => {
    const ones = ct.ones([2, 3]);
    expect(ct.tril(ones).arraySync()).toEqual([
      [1, 0, 0],
      [1, 1, 0],
    ]);
    expect(ct.triu(ones, 1).arraySync()).toEqual([
      [0, 1, 1],
      [0, 0, 1],
    ]);
    expect(list(ct.linspace(-1, 1, 5))).toEqual([-1, -0.5, 0, 0.5, 1]);
    expect(list(ct.linspace(3, 9, 1))).toEqual([3]);
    expect(list(ct.arange(3, { start: 1, step: 2, dtype: 'int32' }))).toEqual([1, 3, 5]);
    expect(() => ct.tril(ct.zeros([3]))).toThrow(ct.ShapeError);
  });

  it('gives the cotangent of an overwritten element to the update that stayed', () => {
    const indices = ct.tensor([1, 1, 7], { dtype: 'int32' });
    const f = (base: ct.Tensor, updates: ct.Tensor) =>
      ct
        .scatterSet(base, indices, updates)
        .mul(f64([1, 2, 3]))
        .sum();
    const [base, updates] = ct.grad(f, { argnums: [0, 1] })(f64([1, 2, 3]), f64([4, 5, 6])) as unknown as ct.Tensor[];
    expect(list(base as ct.Tensor)).toEqual([1, 0, 3]);
    expect(list(updates as ct.Tensor)).toEqual([0, 2, 0]);
  });
});

describe('statistics', () => {
  it('has variances, deviations and products', () => {
    const x = f64([
      [1, 2, 4],
      [3, 3, 3],
    ]);
    expect(ct.variance(x, 1, { correction: 1 }).dataSync()[0]).toBeCloseTo(7 / 3, 14);
    expect(ct.variance(x, 1, { keepDims: true }).shape).toEqual([2, 1]);
    expect(list(ct.std(x, 1))[1]).toBe(0);
    expect(list(x.prod(0))).toEqual([3, 6, 12]);
    expect(list(ct.variance(f64([1]), 0, { correction: 1 }))).toEqual([Number.NaN]);
  });

  it('has finite derivatives where a root is zero', () => {
    expect(list(ct.grad((x: ct.Tensor) => ct.norm(x))(f64([0, 0])))).toEqual([0, 0]);
    expect(list(ct.grad((x: ct.Tensor) => ct.norm(x))(f64([8, 6])))[0]).toBeCloseTo(0.8, 14);
    expect(list(ct.grad((x: ct.Tensor) => ct.std(x))(f64([2, 2])))).toEqual([0, 0]);
  });

  it('has the derivative 0 in rows of logSumExp that are all -infinity', () => {
    const low = Number.NEGATIVE_INFINITY;
    const x = f64([
      [low, low],
      [low, 1],
      [2, 2],
    ]);
    expect(list(ct.logSumExp(x, 1))).toEqual([low, 1, 2 + Math.log(2)]);
    const gradient = ct.grad((y: ct.Tensor) => ct.where(ct.isFinite(ct.logSumExp(y, 1)), ct.logSumExp(y, 1), 0).sum());
    expect(list(gradient(x))).toEqual([0, 0, 0, 1, 0.5, 0.5]);
    expect(list(ct.grad((y: ct.Tensor) => ct.logSumExp(y))(f64([low, low])))).toEqual([0, 0]);
  });
});

describe('special functions', () => {
  it('has polygamma of any order, against known values', () => {
    // (-1)^(n+1) n! zeta(n+1) at 1.
    const zeta3 = 1.2020569031595942;
    const relative = (got: number, want: number) => Math.abs(got / want - 1);
    expect(relative(ct.polygamma(2, f64([1])).itemSync(), -2 * zeta3)).toBeLessThan(1e-14);
    expect(relative(ct.polygamma(3, f64([1])).itemSync(), Math.PI ** 4 / 15)).toBeLessThan(1e-14);
    expect(relative(ct.polygamma(3, f64([0.5])).itemSync(), Math.PI ** 4)).toBeLessThan(1e-14);
    expect(relative(ct.polygamma(5, f64([1])).itemSync(), (8 * Math.PI ** 6) / 63)).toBeLessThan(1e-13);
    expect(ct.polygamma(2, f64([-0.5])).itemSync()).toBeNaN();
    expect(() => ct.polygamma(1.5, f64([1]))).toThrow(ct.DomainError);
  });

  it('finds NaN and differing bools', () => {
    expect(list(ct.isNaN(ct.tensor([Number.NaN, 1, Number.POSITIVE_INFINITY])))).toEqual([1, 0, 0]);
    expect(list(ct.logicalXor(ct.tensor([true, true, false]), ct.tensor([true, false, false])))).toEqual([0, 1, 0]);
    expect(() => ct.logicalXor(ct.tensor([1]), true)).toThrow(ct.DTypeError);
  });
});

describe('ordering', () => {
  it('refuses what it cannot do', () => {
    expect(() => ct.topK(ct.arange(3), 4)).toThrow(/Expected k from 0 to 3/);
    expect(() => ct.sort(ct.arange(3), 1)).toThrow(ct.ShapeError);
    expect(() => ct.takeAlongAxis(ct.arange(3), ct.arange(2))).toThrow(ct.DTypeError);
    expect(() => ct.searchSorted(ct.arange(3), ct.tensor([1], { dtype: 'int32' }))).toThrow(ct.DTypeError);
  });

  it('searches values of any shape in one line', () => {
    const values = ct.tensor([
      [0, 1],
      [1.5, 9],
    ]);
    expect(ct.searchSorted(ct.tensor([1, 1, 2]), values, { side: 'right' }).arraySync()).toEqual([
      [0, 2],
      [2, 3],
    ]);
  });
});

describe('samplers', () => {
  const key = ct.random.key(5);
  const count = 40_000;
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  /** Six standard errors: with a fixed seed the test fails always or never. */
  const near = (values: number[], expected: number, deviation: number) =>
    expect(Math.abs(mean(values) - expected)).toBeLessThan((6 * deviation) / Math.sqrt(values.length));

  it('permutes and chooses', () => {
    for (const n of [0, 1, 2, 5000]) {
      const order = list(ct.random.permutation(key, n));
      expect(order.sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, k) => k));
    }
    const chosen = list(ct.random.choice(key, 100, 30));
    expect(new Set(chosen).size).toBe(30);
    expect(() => ct.random.choice(key, 3, 4)).toThrow(ct.DomainError);
    expect(ct.random.permutation(key, ct.zeros([4, 2])).shape).toEqual([4, 2]);
    const first = Array.from(
      { length: 600 },
      (_, k) => ct.random.permutation(ct.random.key(k), 3).dataSync()[0] as number,
    );
    near(first, 1, Math.sqrt(2 / 3));
  });

  it('has the moments of its distributions', () => {
    const exponential = list(ct.random.exponential(key, [count]));
    near(exponential, 1, 1);
    expect(Math.min(...exponential)).toBeGreaterThan(0);
    near(list(ct.random.gumbel(key, [count])), 0.5772156649, Math.PI / Math.sqrt(6));
    near(list(ct.random.bernoulli(key, 0.3, [count])), 0.3, Math.sqrt(0.21));
    const whole = list(ct.random.randint(key, [count], -2, 3));
    expect([Math.min(...whole), Math.max(...whole)]).toEqual([-2, 2]);
    near(whole, 0, Math.SQRT2);
    for (const alpha of [0.3, 1, 7.5]) {
      const gamma = list(ct.random.gamma(key, alpha, { shape: [count] }));
      near(gamma, alpha, Math.sqrt(alpha));
      const square = gamma.map((value) => (value - alpha) ** 2);
      near(square, alpha, Math.sqrt(2 * alpha ** 2 + 6 * alpha));
    }
    const classes = list(
      ct.random.categorical(key, ct.broadcastTo(ct.tensor([0, Math.log(2), Math.log(5)]), [count, 3])),
    );
    near(
      classes.map((k) => Number(k === 2)),
      5 / 8,
      Math.sqrt(15 / 64),
    );
    near(
      classes.map((k) => Number(k === 0)),
      1 / 8,
      Math.sqrt(7 / 64),
    );
    expect(() => ct.random.randint(key, [2], 3, 3)).toThrow(ct.DomainError);
  });
});
