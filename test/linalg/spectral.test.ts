import { describe, expect, it } from 'vitest';
import {
  DomainError,
  eigh,
  eigvalsh,
  eye,
  grad,
  jvp,
  matmul,
  NumericalError,
  ShapeError,
  type SymmetricFunction,
  sum,
  symmetricFunction,
  type Tensor,
  tensor,
  zeros,
} from '../../lib/index.js';
import { expectClose, expectDerivatives, expectSecondDifference, float64, normal, positive } from './checks.js';

const diagonal = (...values: number[]): Tensor => {
  const n = values.length;
  return tensor(
    Float64Array.from({ length: n * n }, (_, k) => (k % (n + 1) === 0 ? (values[k / (n + 1)] as number) : 0)),
    { shape: [n, n] },
  );
};

/** Q diag(values) Qᵀ. */
function rotated(seed: number, ...values: number[]): Tensor {
  const { v } = eigh(normal(seed, [values.length, values.length]));
  return matmul(matmul(v, diagonal(...values)), v, { transposeB: true });
}

const transposed = (a: Tensor): Tensor => a.transpose();

describe('eigh', () => {
  it.each([3, 50, 200])('diagonalises at order %i', (n) => {
    const a = positive(1, n);
    const { w, v } = eigh(a);
    expectClose(matmul(v, v, { transposeA: true }), eye(n, float64), 1e-13);
    expectClose(matmul(v.mul(w), v, { transposeB: true }), a, 1e-13);
    expectClose(eigvalsh(a), w, 1e-13);
  });

  it('takes the symmetric part, and gives symmetric gradients', () => {
    const a = normal(2, [4, 4]);
    expectClose(eigh(a).w, eigh(a.add(transposed(a)).mul(0.5)).w, 1e-14);
    const gradient = grad((x: Tensor) => sum(eigvalsh(x).mul(tensor(Float64Array.of(1, 2, 3, 4)))))(a);
    expectClose(gradient, transposed(gradient), 1e-14);
  });

  it('differentiates at distinct eigenvalues', () => {
    const a = rotated(3, 1, 2, 4, 7);
    expectDerivatives((x) => eigh(x).w, a);
    expectDerivatives((x) => eigh(x).v, a);
    expectDerivatives((x) => eigvalsh(x), a);
  });

  it('differentiates sums of equal eigenvalues', () => {
    const gradient = grad((x: Tensor) => sum(eigvalsh(x)))(eye(3, float64));
    expectClose(gradient, eye(3, float64), 1e-14);
  });

  it('gives derivatives through eigenvectors that are not finite at equal eigenvalues', () => {
    const moved = jvp((x: Tensor) => eigh(x).v, [eye(2, float64)], [normal(4, [2, 2])])[1] as Tensor;
    expect([...moved.dataSync()].some((x) => !Number.isFinite(x))).toBe(true);
  });

  it('fails its readers on NaN, matrix by matrix as data', async () => {
    const a = diagonal(1, Number.NaN);
    await expect(eigh(a).w.data()).rejects.toThrow(NumericalError);
    await expect(eigvalsh(a).data()).rejects.toThrow('[eigvalsh]');
    await expect(symmetricFunction(a, 'exp').data()).rejects.toThrow('[symmetricFunction]');
  });

  it('refuses what is not square', () => {
    expect(() => eigh(zeros([2, 3]))).toThrow(ShapeError);
    expect(() => eigvalsh(zeros([2]))).toThrow(ShapeError);
  });
});

describe('symmetricFunction', () => {
  it('agrees with products, inverses and itself', () => {
    const a = positive(5, 6);
    const root = symmetricFunction(a, 'sqrt');
    expectClose(matmul(root, root), a, 1e-13);
    expectClose(matmul(root, symmetricFunction(a, 'inverseSqrt')), eye(6, float64), 1e-13);
    expectClose(symmetricFunction(symmetricFunction(a, 'log'), 'exp'), a, 1e-13);
    const b = rotated(6, -2, -1, 0.5, 3);
    expectClose(eigh(symmetricFunction(b, 'relu')).w, [0, 0, 0.5, 3], 1e-14);
    expectClose(symmetricFunction(b, 'relu').sub(symmetricFunction(b.neg(), 'relu')), b, 1e-14);
  });

  it('has the root of a matrix that is only semidefinite', () => {
    const u = normal(7, [5, 2]);
    const a = matmul(u, u, { transposeB: true });
    const root = symmetricFunction(a, 'sqrt');
    expectClose(matmul(root, root), a, 1e-13);
  });

  const names: SymmetricFunction[] = ['sqrt', 'inverseSqrt', 'log', 'exp'];
  it.each(names)('%s: derivatives at the identity, where all eigenvalues are equal', (name) => {
    const f = (x: Tensor): Tensor => symmetricFunction(x, name);
    expectDerivatives(f, eye(3, float64));
    expectSecondDifference(f, eye(3, float64), normal(8, [3, 3]));
  });

  it.each(names)('%s: derivatives at double and nearly double eigenvalues', (name) => {
    const f = (x: Tensor): Tensor => symmetricFunction(x, name);
    for (const gap of [0, 1e-12, 1e-7, 1e-3]) {
      const a = rotated(9, 1, 2, 2 + gap, 3);
      expectDerivatives(f, a);
      expectSecondDifference(f, a, normal(10, [4, 4]));
    }
  });

  it('relu: derivatives at double eigenvalues of both signs', () => {
    const f = (x: Tensor): Tensor => symmetricFunction(x, 'relu');
    expectDerivatives(f, rotated(11, -1, -1, 2, 2));
    expectSecondDifference(f, rotated(11, -1, -1, 2, 2), normal(12, [4, 4]));
  });

  it('known derivatives at the identity: d exp = e dA, d²√ = -(dA²)/4', () => {
    const t = positive(13, 3);
    const [, moved] = jvp((x: Tensor) => symmetricFunction(x, 'exp'), [eye(3, float64)], [t]);
    expectClose(moved as Tensor, t.mul(Math.E), 1e-14);
    const root = (x: Tensor): Tensor => jvp((y: Tensor) => symmetricFunction(y, 'sqrt'), [x], [t])[1] as Tensor;
    const [, twice] = jvp(root, [eye(3, float64)], [t]);
    expectClose(twice as Tensor, matmul(t, t).mul(-0.25), 1e-13);
  });

  it('third derivatives: d³ exp(A)[T, T, T] = e T³ at the identity, and none beyond', () => {
    const t = positive(14, 3);
    const lift = (f: (x: Tensor) => Tensor) => (x: Tensor) => jvp(f, [x], [t])[1] as Tensor;
    const second = lift(lift((x) => symmetricFunction(x, 'exp')));
    expectClose(lift(second)(eye(3, float64)), matmul(t, matmul(t, t)).mul(Math.E), 1e-12);
    expect(() => lift(lift(second))(eye(3, float64))).toThrow(DomainError);
  });

  it('gradient of tr √A is half the inverse root', () => {
    const a = positive(15, 5);
    const trace = (x: Tensor): Tensor => sum(symmetricFunction(x, 'sqrt').mul(eye(5, float64)));
    expectClose(grad(trace)(a), symmetricFunction(a, 'inverseSqrt').mul(0.5), 1e-13);
  });

  it('refuses unknown functions', () => {
    expect(() => symmetricFunction(eye(2), 'cosh' as SymmetricFunction)).toThrow(DomainError);
  });
});
