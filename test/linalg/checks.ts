/** What the tests of linear algebra share: matrices to test on, and derivatives against differences. */
import { expect } from 'vitest';
import { grad, jvp, matmul, mul, random, sum, type Tensor, tensor } from '../../lib/index.js';

export const float64 = { dtype: 'float64' } as const;

export const normal = (seed: number, shape: readonly number[]): Tensor =>
  random.normal(random.key(seed), [...shape], float64);

/** B Bᵀ / n + 1: eigenvalues from 1 to about 5. */
export function positive(seed: number, n: number): Tensor {
  const b = normal(seed, [n, n]);
  return matmul(b, b, { transposeB: true })
    .div(n)
    .add(
      tensor(
        Float64Array.from({ length: n * n }, (_, k) => Number(k % (n + 1) === 0)),
        { shape: [n, n] },
      ),
    );
}

const read = (x: Tensor): Float64Array => Float64Array.from(x.dataSync());
const largest = (x: Float64Array): number => x.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

export function expectClose(received: Tensor, expected: Tensor | ArrayLike<number>, tolerance: number): void {
  const got = read(received);
  const want = 'dataSync' in expected ? read(expected as Tensor) : Float64Array.from(expected);
  expect(got.length).toBe(want.length);
  expect(got.every((value) => !Number.isNaN(value))).toBe(true);
  expect(largest(got.map((value, k) => value - (want[k] as number)))).toBeLessThanOrEqual(tolerance);
}

/** Balances truncation h² against rounding eps / h: both near 1e-11 for functions of size 1. */
const STEP = 2 ** -17;

const along = (x: Tensor, t: Tensor, step: number): Tensor => x.add(t.mul(step));

function difference(f: (x: Tensor) => Tensor, x: Tensor, t: Tensor): Tensor {
  return f(along(x, t, STEP))
    .sub(f(along(x, t, -STEP)))
    .div(2 * STEP);
}

/**
 * First and second derivatives of f at x, forward and reverse, against central differences of the values and of the first
 * derivatives.
 * @param options.direction  makes the direction; any by default.
 * @param options.tolerance  relative to the largest derivative; 1e-8 allows for third derivatives up to some hundred.
 */
export function expectDerivatives(
  f: (x: Tensor) => Tensor,
  x: Tensor,
  { seed = 1, tolerance = 1e-8, direction = (t: Tensor): Tensor => t } = {},
): void {
  const [t, s] = [direction(normal(seed + 100, x.shape)), direction(normal(seed + 200, x.shape))];
  const push = (y: Tensor): Tensor => jvp(f, [y], [t])[1] as Tensor;
  const compare = (received: Tensor, expected: Tensor): void =>
    expectClose(received, expected, tolerance * (1 + largest(read(expected))));
  compare(push(x), difference(f, x, t));
  const twice = jvp(push, [x], [s])[1] as Tensor;
  compare(twice, difference(push, x, s));

  const weights = normal(seed + 300, f(x).shape);
  const gradient = grad((y: Tensor) => sum(mul(f(y), weights)));
  compare(sum(mul(gradient(x), t)), sum(mul(push(x), weights)));
  const product = jvp(gradient, [x], [s])[1] as Tensor;
  compare(product, difference(gradient, x, s));
}

/**
 * Second derivatives against second differences of the values alone, at a point where first derivatives are under suspicion, too:
 * f(x + h t) - 2 f(x) + f(x - h t) over h² with h = eps^(1/4), where rounding and truncation are both near 1e-8.
 */
export function expectSecondDifference(f: (x: Tensor) => Tensor, x: Tensor, t: Tensor, tolerance = 2e-6): void {
  const h = 2 ** -13;
  const plain = f(along(x, t, h))
    .add(f(along(x, t, -h)))
    .sub(f(x).mul(2))
    .div(h * h);
  const derived = jvp((y: Tensor) => jvp(f, [y], [t])[1] as Tensor, [x], [t])[1] as Tensor;
  expectClose(derived, plain, tolerance * (1 + largest(read(plain))));
}
