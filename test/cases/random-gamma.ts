/** Rows of gamma variables: the rejection spelled out, and their derivative in the shape parameter by quadrature. */
import { sizeOf, type Values } from './array.js';
import { applyPrimitive } from './movement.js';
import { key, normalOf, philox } from './random-numbers.js';
import { distribution, example, floats, noDerivative, type Row } from './row.js';
import { digamma } from './special.js';

/** The gamma variable that element `k` of a key stands for, by the rejection of Marsaglia and Tsang. */
function gammaOf(key: Values, alpha: number, k: number): number {
  if (!(alpha > 0)) return Number.NaN;
  const uniform = (low: number, high: number): number => (high * 2 ** 32 + low + 0.5) / 2 ** 64;
  const d = (alpha < 1 ? alpha + 1 : alpha) - 1 / 3;
  for (let attempt = 0; ; attempt++) {
    const [w0, w1, w2, w3] = philox([k, 0, attempt, 1], [...key.values]) as [number, number, number, number];
    const z = normalOf([w0, w1]);
    const v = (1 + z / Math.sqrt(9 * d)) ** 3;
    if (v <= 0 || Math.log(uniform(w2, w3)) >= z ** 2 / 2 + d * (1 - v + Math.log(v))) continue;
    if (alpha >= 1) return d * v;
    const [p0, p1] = philox([k, 0, 0, 2], [...key.values]) as [number, number];
    return d * v * uniform(p0, p1) ** (1 / alpha);
  }
}

const gammaRow: Row = {
  primitive: 'randomGamma',
  dtypes: ['float32', 'float64'],
  domain: (random) => 10 ** random.uniform(-0.5, 2),
  cases: [
    ...[[], [0], [1], [3], [2, 5], [1009]].map((shape) => example(`[${shape}]`, [key(7, 0), shape])),
    example('full key', [key(0xdeadbeef, 0xffffffff), [65]]),
    example('edges', [key(1, 2), { shape: [5], values: [0, -1, Number.NaN, 1, 0.999] }], { differentiate: false }),
  ],
  apply: applyPrimitive('randomGamma'),
  reference: ([seed, alpha]) => [
    { ...(alpha as Values), values: (alpha as Values).values.map((value, k) => gammaOf(seed as Values, value, k)) },
  ],
  // Normals are good to a dozen units, which the cube triples; the power of a uniform, to |log u| / alpha of them.
  budget: () => 200,
  derivative: distribution([1]),
  flops: ([, alpha]) => 200 * sizeOf(alpha?.shape ?? []),
};

/** The integral over (0, infinity) of a function that decays exponentially, by the exp-sinh rule of Takahasi and Mori (1974). */
function halfLine(f: (s: number) => number): number {
  const step = 1 / 64;
  let sum = 0;
  for (let k = -5 * 64; k <= 5 * 64; k++) {
    const t = k * step;
    const s = Math.exp((Math.PI / 2) * Math.sinh(t));
    const value = f(s);
    if (value !== 0) sum += value * s * (Math.PI / 2) * Math.cosh(t);
  }
  return sum * step;
}

/** -(dF/dα) / p at z, with dF/dα the integral of p(t) (log t - ψ(α)) up to z, or minus the one from z on. */
function gammaGradient(alpha: number, z: number): number {
  if (!(alpha > 0) || !(z >= 0) || !Number.isFinite(z)) return Number.NaN;
  if (z === 0) return 0;
  const psi = digamma(alpha);
  if (z <= alpha + 1) {
    // t = z exp(-s / α)
    const integrand = (s: number): number => {
      const weight = Math.exp(-s - z * Math.expm1(-s / alpha));
      return weight === 0 ? 0 : weight * (Math.log(z) - s / alpha - psi);
    };
    return (-z / alpha) * halfLine(integrand);
  }
  // t = z + s
  return halfLine((s) => {
    const weight = Math.exp((alpha - 1) * Math.log1p(s / z) - s);
    return weight === 0 ? 0 : weight * (Math.log(z + s) - psi);
  });
}

const nan = Number.NaN;
const gammaGradientRow: Row = {
  primitive: 'randomGammaGradient',
  dtypes: floats,
  domain: (random) => 10 ** random.uniform(-1.5, 2.5),
  cases: [
    ...[[], [0], [1], [3, 4], [151]].map((shape) => example(`[${shape}]`, [shape, shape], { differentiate: false })),
    example(
      'edges',
      [
        { shape: [8], values: [1, 1, 0, -1, nan, 2, 2, 2] },
        { shape: [8], values: [0, 1, 1, 1, 1, -1, nan, Number.POSITIVE_INFINITY] },
      ],
      { differentiate: false },
    ),
  ],
  apply: applyPrimitive('randomGammaGradient'),
  reference: ([alpha, z]) => [
    {
      ...(z as Values),
      values: (z as Values).values.map((value, k) => gammaGradient((alpha as Values).values[k] as number, value)),
    },
  ],
  // float32 is computed in double and rounded. In float64 both sides are good to about 1e-12: the sums that make up either cancel to a
  // hundredth at most.
  budget: (_operands, _params, dtype) => (dtype === 'float32' ? 1 : 1e-12 * 2 ** 52),
  derivative: noDerivative,
  flops: ([alpha]) => 200 * sizeOf(alpha?.shape ?? []),
};

export const randomGammaRows: readonly Row[] = [gammaRow, gammaGradientRow];
