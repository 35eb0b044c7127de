import { describe, expect, it } from 'vitest';
import { concatenate, eye, lstsq, matmul, NumericalError, qr, ShapeError, tensor, zeros } from '../../lib/index.js';
import { expectClose, expectDerivatives, float64, normal } from './checks.js';

describe('qr', () => {
  it.each([[[5, 3]], [[3, 5]], [[4, 4]], [[3, 6, 2]]])('multiplies back to [%s] with orthonormal columns', (shape) => {
    const a = normal(1, shape);
    const { q, r } = qr(a);
    expectClose(matmul(q, r), a, 1e-14);
    const gram = matmul(q, q, { transposeA: true });
    expectClose(gram, zeros(gram.shape, float64).add(eye(gram.shape[gram.rank - 1] as number, float64)), 1e-14);
  });

  it('keeps columns orthonormal where the matrix is not of full rank', () => {
    const { q, r } = qr(tensor(Float64Array.of(1, 2, 0, 2, 4, 0, 3, 6, 0), { shape: [3, 3] }));
    expectClose(matmul(q, q, { transposeA: true }), eye(3, float64), 1e-14);
    expectClose(matmul(q, r), [1, 2, 0, 2, 4, 0, 3, 6, 0], 1e-14);
  });
});

describe('lstsq', () => {
  it('leaves a residual orthogonal to the columns', () => {
    const [a, b] = [normal(2, [2, 9, 4]), normal(3, [9, 2])];
    const residual = matmul(a, lstsq(a, b)).sub(b);
    expectClose(matmul(a, residual, { transposeA: true }), zeros([2, 4, 2], float64), 1e-13);
  });

  it('finds the least norm when there are many solutions', () => {
    const [a, b] = [normal(4, [3, 7]), normal(5, [3])];
    const x = lstsq(a, b);
    expectClose(matmul(a, x), b, 1e-13);
    // Least norm: x lies in the range of A^T, so appending it to A^T leaves the rank at 3: the new diagonal entry of R is zero.
    const { r } = qr(concatenate([a.transpose(), x.reshape([7, 1])], 1));
    expect(Math.abs(r.dataSync()[15] as number)).toBeLessThan(1e-13);
  });

  it('differentiates', () => {
    const [a, wide] = [normal(6, [5, 3]).add(zeros([5, 3], float64)), normal(7, [3, 5])];
    expectDerivatives((x) => lstsq(x, normal(8, [5, 2])), a, { tolerance: 1e-6 });
    expectDerivatives((x) => lstsq(x, normal(8, [3])), wide, { tolerance: 1e-6 });
  });

  it('fails its readers when the rank is not full', async () => {
    const a = tensor(Float64Array.of(1, 2, 2, 4, 3, 6), { shape: [3, 2] });
    await expect(lstsq(a, normal(9, [3])).data()).rejects.toThrow(NumericalError);
    const broken = tensor(Float64Array.of(1, 2, 2, Number.NaN, 3, 6), { shape: [3, 2] });
    await expect(lstsq(broken, normal(9, [3])).data()).rejects.toThrow('[lstsq]');
  });

  it('refuses what does not fit', () => {
    expect(() => lstsq(zeros([3, 2]), zeros([2]))).toThrow(ShapeError);
    expect(() => lstsq(zeros([3]), zeros([3]))).toThrow(ShapeError);
  });
});
