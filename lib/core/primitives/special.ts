/** Elementwise special functions: error functions, the logarithm of gamma with its derivatives, and the angle of a point. */
import type { Tensor } from '../tensor.js';
import { binary, unary } from './elementwise.js';
import { add, digamma, div, exp, greater, mul, neg, reciprocal, select, square, sumTangents, trigamma } from './lax.js';

const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);

export const erfPrimitive = unary('erf', 'float', (t, x) => mul(t, mul(exp(neg(square(x))), TWO_OVER_SQRT_PI)));
export const erfinvPrimitive = unary('erfinv', 'float', (t, _x, y) => mul(t, div(exp(square(y)), TWO_OVER_SQRT_PI)));
export const lgammaPrimitive = unary('lgamma', 'float', (t, x) => mul(t, digamma(x)));
export const digammaPrimitive = unary('digamma', 'float', (t, x) => mul(t, trigamma(x)));
export const trigammaPrimitive = unary('trigamma', 'float', (t, x) => mul(t, polygammaSeries(2, x)));

/** The angle of (x, y): its operands are y, x. */
export const atan2Primitive = binary('atan2', 'float', 'same', ({ tx: ty, ty: tx, x: y, y: x }) => {
  const radius = add(square(x), square(y));
  return sumTangents(ty && mul(ty, div(x, radius)), tx && mul(tx, neg(div(y, radius))));
});

/** The Bernoulli numbers B_2, B_4, ... */
const BERNOULLI = [
  1 / 6,
  -1 / 30,
  1 / 42,
  -1 / 30,
  5 / 66,
  -691 / 2730,
  7 / 6,
  -3617 / 510,
  43867 / 798,
  -174611 / 330,
];

function power(x: Tensor, exponent: number): Tensor {
  if (exponent === 1) return x;
  const half = power(x, Math.floor(exponent / 2));
  return exponent % 2 ? mul(square(half), x) : square(half);
}

/**
 * The n-th derivative of digamma for n >= 2 and x > 0 (NaN elsewhere): (-1)^(n+1) n! times the sum over k >= 0 of
 * (x + k)^-(n+1), whose first terms are added one by one and the rest by the Euler-Maclaurin formula (Abramowitz and
 * Stegun, 6.4.10 and 23.1.30). Made of arithmetic, so that derivatives of any order follow.
 */
export function polygammaSeries(n: number, x: Tensor): Tensor {
  const s = n + 1;
  const steps = 12 + n;
  let total: Tensor | undefined;
  for (let k = 0; k < steps; k++) {
    const term = power(reciprocal(add(x, k)), s);
    total = total ? add(total, term) : term;
  }
  const inverse = reciprocal(add(x, steps));
  const z = square(inverse);
  // inverse^(s-1) (1 / (s-1) + inverse / 2 + sum over j of B_2j / (2j)! s (s+1) .. (s+2j-2) inverse^2j)
  let rising = s / 2; // s (s+1) .. (s+2j-2) / (2j)!
  const coefficients = BERNOULLI.map((bernoulli, k) => {
    const coefficient = bernoulli * rising;
    const j = k + 1;
    rising *= ((s + 2 * j - 1) * (s + 2 * j)) / ((2 * j + 1) * (2 * j + 2));
    return coefficient;
  });
  const series = coefficients.reduceRight<Tensor | number>((sum, c) => add(mul(z, sum), c), 0) as Tensor;
  const rest = mul(power(inverse, s - 1), add(add(mul(inverse, 0.5), 1 / (s - 1)), mul(z, series)));
  let factorial = n % 2 ? 1 : -1;
  for (let k = 2; k <= n; k++) factorial *= k;
  const value = mul(add(total as Tensor, rest), factorial);
  return select(greater(x, 0), value, Number.NaN, x.dtype);
}
