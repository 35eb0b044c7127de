/**
 * Divided differences, for the references of spectral functions: of smooth functions by the formula of Hermite and Genocchi, the mean of
 * the r-th derivative over a simplex, integrated numerically, so that nothing is subtracted; of functions that are linear in pieces, and
 * of the exponential at points far apart, by the recursion.
 */
import type { SpectralFunction } from '../../lib/core/primitives/lax-linalg.js';

/** Gauss-Legendre nodes and weights on [0, 1], by Newton's method on the Legendre polynomial. */
function gauss(count: number): { node: number; weight: number }[] {
  return Array.from({ length: count }, (_, k) => {
    let x = Math.cos((Math.PI * (k + 0.75)) / (count + 0.5));
    let slope = 1;
    for (let step = 0; step < 20; step++) {
      let [before, now] = [1, x];
      for (let n = 2; n <= count; n++) [before, now] = [now, ((2 * n - 1) * x * now - (n - 1) * before) / n];
      slope = (count * (x * now - before)) / (x * x - 1);
      x -= now / slope;
    }
    return { node: (1 + x) / 2, weight: 1 / ((1 - x * x) * slope * slope) };
  });
}

/** Enough for functions whose nearest singularity is as far from the points as they are from each other over ten. */
const rule = gauss(24);

/** Mean of g(sum of t_i x_i) over the simplex t_i >= 0, sum 1, times its volume. */
function overSimplex(g: (x: number) => number, points: readonly number[]): number {
  const [first, second, ...rest] = points as [number, ...number[]];
  if (second === undefined) return g(first);
  // The segment from the first point to u in the simplex of the others: u (1 - s) + first s, of weight (1 - s)^(r-1).
  const others = [second, ...rest];
  const power = others.length - 1;
  return rule.reduce((sum, { node, weight }) => {
    const inner = overSimplex((u) => g(first * node + u * (1 - node)), others);
    return sum + weight * (1 - node) ** power * inner;
  }, 0);
}

/** The derivative of order r at x. */
function derivativeAt(name: SpectralFunction, x: number, order: number): number {
  const falling = (power: number): number => {
    let product = x ** (power - order);
    for (let k = 0; k < order; k++) product *= power - k;
    return product;
  };
  switch (name) {
    case 'exp':
      return Math.exp(x);
    case 'log': {
      if (order === 0) return Math.log(x);
      let product = x ** -order;
      for (let k = 1; k < order; k++) product *= -k;
      return product;
    }
    case 'sqrt':
      return falling(0.5);
    case 'inverseSqrt':
      return falling(-0.5);
    default:
      throw new Error(`${name} is not smooth`);
  }
}

const kinked = {
  relu: { value: (x: number) => Math.max(x, 0), slope: (x: number) => Number(x > 0) },
  softThreshold: {
    value: (x: number) => Math.sign(x) * Math.max(Math.abs(x) - 1, 0),
    slope: (x: number) => Number(Math.abs(x) > 1),
  },
  sign: { value: Math.sign, slope: () => 0 },
};

/** Equal or nearly equal points are on one side of every kink in these tests: their differences are those of a line. */
function piecewise(name: keyof typeof kinked, points: readonly number[]): number {
  const { value, slope } = kinked[name];
  const sorted = [...points].sort((a, b) => a - b);
  const [low, high] = [sorted[0] as number, sorted[sorted.length - 1] as number];
  if (sorted.length === 1) return value(low);
  if (high - low < 1e-4) return sorted.length === 2 ? slope(low) : 0;
  return (piecewise(name, sorted.slice(1)) - piecewise(name, sorted.slice(0, -1))) / (high - low);
}

/** Points that are so far apart that no digit is lost in the recursion's difference, and that the rule's nodes would miss the slope. */
const farApart = 8;

export function dividedDifference(name: SpectralFunction, points: readonly number[]): number {
  const sorted = [...points].sort((a, b) => a - b);
  const spread = (sorted[sorted.length - 1] as number) - (sorted[0] as number);
  if (name === 'exp' && spread > farApart) {
    return (dividedDifference(name, sorted.slice(1)) - dividedDifference(name, sorted.slice(0, -1))) / spread;
  }
  if (name === 'relu' || name === 'softThreshold' || name === 'sign') return piecewise(name, points);
  return overSimplex((x) => derivativeAt(name, x, points.length - 1), points);
}
