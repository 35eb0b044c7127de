import { describe, expect, it } from 'vitest';
import {
  DomainError,
  eye,
  grad,
  matmul,
  NumericalError,
  nuclearNorm,
  pinv,
  ShapeError,
  scalar,
  singularValues,
  square,
  sum,
  svd,
  svdThreshold,
  type Tensor,
  tensor,
  zeros,
} from '../../lib/index.js';
import { expectClose, expectDerivatives, expectSecondDifference, float64, normal } from './checks.js';

/** U diag(s) Vᵀ with random orthonormal U [m, k] and V [n, k]. */
function withSingularValues(seed: number, m: number, n: number, s: number[]): Tensor {
  const { u, vt } = svd(normal(seed, [m, n]));
  return matmul(u.mul(tensor(Float64Array.from(s))), vt);
}

describe('svd', () => {
  it.each([[[4, 4]], [[6, 3]], [[3, 6]], [[2, 5, 3]], [[200, 200]], [[180, 230]]])(
    'multiplies back to [%s]',
    (shape) => {
      const a = normal(1, shape);
      const { u, s, vt } = svd(a);
      expectClose(matmul(u.mul(s.reshape([...shape.slice(0, -2), 1, s.shape[s.rank - 1] as number])), vt), a, 1e-12);
      const k = s.shape[s.rank - 1] as number;
      const one = zeros([...shape.slice(0, -2), k, k], float64).add(eye(k, float64));
      expectClose(matmul(u, u, { transposeA: true }), one, 1e-12);
      expectClose(matmul(vt, vt, { transposeB: true }), one, 1e-12);
      expectClose(singularValues(a), s, 1e-12);
    },
  );

  it.each([1e-200, 1e200])('keeps its digits at a scale of %d', (size) => {
    const a = normal(2, [170, 170]);
    expectClose(svd(a.mul(size)).s.div(size), svd(a).s, 1e-12);
  });

  it('differentiates at distinct singular values', () => {
    for (const [m, n] of [
      [3, 3],
      [5, 3],
      [3, 5],
    ] as const) {
      const a = withSingularValues(3, m, n, [4, 2.5, 1]);
      expectDerivatives((x) => svd(x).u, a);
      expectDerivatives((x) => svd(x).s, a);
      expectDerivatives((x) => svd(x).vt, a);
      expectDerivatives(singularValues, a);
    }
  });

  it('fails its readers on NaN', async () => {
    const broken = tensor(Float64Array.of(1, 2, Number.NaN, 4), { shape: [2, 2] });
    await expect(svd(broken).s.data()).rejects.toThrow(NumericalError);
    await expect(pinv(broken).data()).rejects.toThrow('[pinv]');
    await expect(nuclearNorm(broken).data()).rejects.toThrow('[nuclearNorm]');
    await expect(svdThreshold(broken, 1).data()).rejects.toThrow('[svdThreshold]');
  });

  it('refuses vectors', () => {
    expect(() => svd(zeros([3]))).toThrow(ShapeError);
    expect(() => singularValues(zeros([3]))).toThrow(ShapeError);
  });
});

describe('pinv', () => {
  it.each([
    [5, 3, [3, 2, 1]],
    [3, 5, [3, 2, 1]],
    [4, 4, [2, 2, 0, 0]],
  ] as const)('satisfies the four equations of Penrose: [%i, %i] with %j', (m, n, s) => {
    const a = withSingularValues(4, m, n, [...s]);
    const x = pinv(a);
    const [ax, xa] = [matmul(a, x), matmul(x, a)];
    expectClose(matmul(ax, a), a, 1e-13);
    expectClose(matmul(xa, x), x, 1e-13);
    expectClose(ax, ax.transpose(), 1e-13);
    expectClose(xa, xa.transpose(), 1e-13);
  });

  it('differentiates, at equal singular values, too', () => {
    expectDerivatives(pinv, withSingularValues(5, 4, 3, [2, 2, 1]), { tolerance: 1e-7 });
    expectDerivatives(pinv, withSingularValues(6, 3, 4, [2, 1, 1]), { tolerance: 1e-7 });
  });

  it('cuts at the tolerance it is given', () => {
    const a = withSingularValues(7, 3, 3, [1, 0.5, 0.01]);
    expectClose(singularValues(pinv(a, { tolerance: 0.1 })), [2, 1, 0], 1e-14);
    expect(() => pinv(a, { tolerance: -1 })).toThrow(DomainError);
  });
});

describe('nuclearNorm and svdThreshold', () => {
  const shapes = [
    [4, 4],
    [6, 4],
    [4, 6],
  ] as const;

  it('the norm is the sum of the singular values', () => {
    expectClose(nuclearNorm(withSingularValues(8, 5, 3, [3, 2, 0.5])), [5.5], 1e-14);
    expectClose(nuclearNorm(normal(9, [3, 4, 4])), sum(svd(normal(9, [3, 4, 4])).s, -1), 1e-14);
  });

  it('thresholding minimises the proximal objective', () => {
    const [a, tau] = [withSingularValues(10, 4, 3, [3, 1, 0.2]), 0.6];
    const x = svdThreshold(a, tau);
    expectClose(singularValues(x), [2.4, 0.4, 0], 1e-14);
    const objective = (y: Tensor): number =>
      nuclearNorm(y)
        .mul(tau)
        .add(sum(square(y.sub(a))).mul(0.5))
        .itemSync();
    for (let seed = 20; seed < 30; seed++) {
      expect(objective(x.add(normal(seed, [4, 3]).mul(1e-2)))).toBeGreaterThan(objective(x));
    }
  });

  it.each(shapes)('the norm differentiates at equal singular values, [%i, %i]', (m, n) => {
    const a = withSingularValues(11, m, n, [2, 2, 1, 1]);
    expectDerivatives(nuclearNorm, a);
    expectSecondDifference(nuclearNorm, a, normal(12, [m, n]));
  });

  it.each(shapes)('thresholding differentiates at equal and at zero singular values, [%i, %i]', (m, n) => {
    for (const s of [
      [2, 2, 0.5, 0.5],
      [2, 2, 0, 0],
      [3, 0, 0, 0],
    ]) {
      const a = withSingularValues(13, m, n, s);
      const f = (x: Tensor): Tensor => svdThreshold(x, 1.2);
      expectDerivatives(f, a);
      expectSecondDifference(f, a, normal(14, [m, n]));
    }
  });

  it('thresholding differentiates in the threshold', () => {
    const a = withSingularValues(15, 4, 3, [3, 3, 0.5]);
    expectDerivatives((tau) => svdThreshold(a, tau), scalar(1.1, 'float64'));
    expectClose(svdThreshold(a, scalar(0, 'float64')), a, 0);
    const gradient = grad((x: Tensor) => sum(svdThreshold(x, scalar(0, 'float64'))))(a);
    expectClose(gradient, zeros([4, 3], float64).add(1), 1e-14);
  });

  it('the norm has the least subgradient where singular values are zero', () => {
    const a = withSingularValues(16, 4, 4, [2, 1, 0, 0]);
    expectClose(singularValues(grad((x: Tensor) => nuclearNorm(x))(a)), [1, 1, 0, 0], 1e-14);
  });

  it('refuses negative thresholds', () => {
    expect(() => svdThreshold(zeros([2, 2]), -1)).toThrow(DomainError);
    expect(() => svdThreshold(zeros([2, 2]), Number.NaN)).toThrow(DomainError);
  });
});
