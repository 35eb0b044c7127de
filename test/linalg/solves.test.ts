import { describe, expect, it } from 'vitest';
import {
  det,
  eye,
  inverse,
  logdet,
  lu,
  matmul,
  NumericalError,
  ones,
  ShapeError,
  slogdet,
  solve,
  type Tensor,
  take,
  tensor,
  zeros,
} from '../../lib/index.js';
import { expectClose, expectDerivatives, float64, normal, positive } from './checks.js';

const matrix = (...rows: number[][]): Tensor =>
  tensor(Float64Array.from(rows.flat()), { shape: [rows.length, rows[0]?.length ?? 0] });

describe('lu', () => {
  it('gives triangles whose product is the permuted matrix', () => {
    const a = normal(1, [6, 6]);
    const { l, u, permutation } = lu(a);
    expectClose(matmul(l, u), take(a, permutation), 1e-14);
    expect(Math.max(...l.dataSync().map(Math.abs))).toBe(1);
  });
});

describe('solve', () => {
  it('takes vectors, matrices and batches that broadcast', () => {
    const a = normal(2, [3, 4, 4]);
    for (const b of [normal(3, [4]), normal(3, [4, 2]), normal(3, [3, 4, 2]), normal(3, [5, 1, 4, 2])]) {
      const x = solve(a, b);
      expect(x.shape).toEqual(b.rank === 1 ? [3, 4] : b.rank === 4 ? [5, 3, 4, 2] : [3, 4, 2]);
      const product = b.rank === 1 ? matmul(a, x.reshape([3, 4, 1])).reshape([3, 4]) : matmul(a, x);
      expectClose(product, zeros(product.shape, float64).add(b), 1e-12);
    }
  });

  it('differentiates in both operands', () => {
    const [a, b] = [positive(4, 4), normal(5, [4, 2])];
    expectDerivatives((x) => solve(x, b), a);
    expectDerivatives((x) => solve(a, x), b);
    expectDerivatives((x) => solve(x, x), a.add(normal(6, [4, 4]).mul(0.1)), { tolerance: 1e-7 });
  });

  it('fails its readers when a matrix is singular', async () => {
    const x = solve(matrix([1, 2], [2, 4]), ones([2], float64));
    await expect(x.data()).rejects.toThrow(NumericalError);
    await expect(x.data()).rejects.toThrow('[solve]');
    await expect(inverse(zeros([2, 2])).data()).rejects.toThrow('[inverse]');
  });

  it('refuses what does not fit', () => {
    expect(() => solve(zeros([2, 3]), zeros([2]))).toThrow(ShapeError);
    expect(() => solve(zeros([2, 2]), zeros([3]))).toThrow(ShapeError);
    expect(() => inverse(zeros([2]))).toThrow(ShapeError);
  });
});

describe('inverse', () => {
  it('multiplies to the identity', () => {
    const a = normal(7, [2, 9, 9]);
    expectClose(matmul(a, inverse(a)), zeros([2, 9, 9], float64).add(eye(9, float64)), 1e-12);
  });

  it('differentiates', () => expectDerivatives(inverse, positive(8, 5)));
});

describe('determinants', () => {
  it('are those of the textbook', () => {
    const a = matrix([0, 2, 1], [1, 1, 0], [3, 0, 1]);
    expectClose(det(a), [-5], 1e-14);
    expectClose(slogdet(a).sign, [-1], 0);
    expectClose(slogdet(a).logAbs, [Math.log(5)], 1e-15);
    expect(logdet(a).itemSync()).toBeNaN();
    expectClose(det(matrix([1, 2], [2, 4])), [0], 0);
    expect(slogdet(matrix([1, 2], [2, 4])).logAbs.itemSync()).toBe(Number.NEGATIVE_INFINITY);
    expectClose(det(zeros([2, 0, 0], float64)), [1, 1], 0);
  });

  it('do not overflow in logarithms', () => {
    const a = eye(400, float64).mul(1e3);
    expect(det(a).itemSync()).toBe(Number.POSITIVE_INFINITY);
    expectClose(logdet(a), [400 * Math.log(1e3)], 1e-9);
  });

  it.each([1, 2, 5, 6])('differentiate at order %i', (n) => {
    expectDerivatives(det, positive(n, n).add(normal(9, [n, n]).mul(0.2)));
    expectDerivatives(logdet, positive(n, n).add(normal(9, [n, n]).mul(0.1)));
  });
});
