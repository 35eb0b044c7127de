/** Rows of the special functions: series and continued fractions in float64 as references. */

import type { Tensor } from '../../lib/index.js';
import * as ct from '../../lib/index.js';
import type { Expected, Values } from './array.js';
import { binary, unary } from './elementwise.js';
import { centralProbability, HALF_LOG_TWO_PI, millsRatio, normalMagnitude } from './random-numbers.js';
import { floats, type Row, range, smooth, twoSided } from './row.js';

/** erf(x) is the probability of a normal variable within x sqrt(2). */
export function erf(x: number): number {
  if (Number.isNaN(x) || x === 0) return x;
  const z = Math.abs(x) * Math.SQRT2;
  const tail = (): number => millsRatio(z) * Math.exp((-z * z) / 2 - HALF_LOG_TWO_PI);
  const size = z > 40 ? 1 : z < 2 ? 2 * centralProbability(z) : 1 - 2 * tail();
  return Math.sign(x) * size;
}

export function erfinv(x: number): number {
  const size = Math.abs(x);
  if (x === 0 || !(size < 1)) return size === 1 ? x * Number.POSITIVE_INFINITY : size > 1 ? Number.NaN : x;
  return (Math.sign(x) * normalMagnitude((1 - size) / 2, size / 2)) / Math.SQRT2;
}

/** zeta(k) - 1 by its series, the rest of it by the Euler-Maclaurin formula. */
function zetaLessOne(k: number): number {
  const n = 200;
  let sum = 0;
  for (let j = n - 1; j >= 2; j--) sum += j ** -k;
  return (
    sum +
    n ** (1 - k) / (k - 1) +
    n ** -k / 2 +
    (k * n ** (-k - 1)) / 12 -
    (k * (k + 1) * (k + 2) * n ** (-k - 3)) / 720
  );
}

const zetas = Array.from({ length: 60 }, (_, k) => (k < 2 ? 0 : zetaLessOne(k)));
const EULER_GAMMA = 0.5772156649015329;

/** sin(pi x), exactly periodic. */
const sinPi = (x: number): number => Math.sin(Math.PI * (x - Math.round(x))) * (Math.round(x) % 2 === 0 ? 1 : -1);
const isPole = (x: number): boolean => x <= 0 && Number.isInteger(x);

/** log |Gamma|: the series at 2 (Abramowitz and Stegun, 6.1.33), and from 8 on Stirling's. */
export function lgamma(x: number): number {
  if (Number.isNaN(x)) return x;
  if (isPole(x) || Math.abs(x) === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (x < -0.5) return Math.log(Math.PI / Math.abs(sinPi(x))) - lgamma(1 - x);
  if (x >= 8) {
    const terms = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400];
    const z = x ** -2;
    return (
      x * (Math.log(x) - 1) - Math.log(x) / 2 + HALF_LOG_TWO_PI + terms.reduceRight((sum, c) => sum * z + c, 0) / x
    );
  }
  const center = Math.round(x);
  let product = 1;
  for (let k = center; k < 2; k++) product /= x + (k - center);
  for (let k = center; k > 2; k--) product *= x - (center - k + 1);
  const w = x - center;
  let sum = 0;
  for (let k = zetas.length - 1; k >= 2; k--) sum = sum * w + ((k % 2 ? -1 : 1) * (zetas[k] as number)) / k;
  return (1 - EULER_GAMMA + sum * w) * w + Math.log(Math.abs(product));
}

export function digamma(x: number): number {
  if (x === 0) return -1 / x;
  if (x === Number.NEGATIVE_INFINITY || isPole(x)) return Number.NaN;
  if (x < 0)
    return (
      digamma(1 - x) - (Math.PI * Math.cos(Math.PI * (x - Math.round(x)))) / Math.sin(Math.PI * (x - Math.round(x)))
    );
  let sum = 0;
  let y = x;
  for (; y < 16; y++) sum -= 1 / y;
  const terms = [1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12];
  const z = y ** -2;
  return sum + Math.log(y) - 1 / (2 * y) - z * terms.reduceRight((total, c) => total * z + c, 0);
}

export function trigamma(x: number): number {
  if (x === Number.NEGATIVE_INFINITY) return Number.NaN;
  if (isPole(x)) return Number.POSITIVE_INFINITY;
  if (x < 0) return (Math.PI / sinPi(x)) ** 2 - trigamma(1 - x);
  let sum = 0;
  let y = x;
  for (; y < 16; y++) sum += y ** -2;
  const terms = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6];
  const z = y ** -2;
  return sum + 1 / y + z / 2 + (z / y) * terms.reduceRight((total, c) => total * z + c, 0);
}

const infinity = Number.POSITIVE_INFINITY;
const ends = [0, -0, infinity, -infinity, Number.NaN];

/** For functions with irrational zeros: beside them, errors are measured in units of 1. */
function besideZeros(row: Row): Row {
  return {
    ...row,
    reference: (operands: readonly Values[], params): Expected[] =>
      row.reference(operands, params).map((result) => ({
        ...result,
        scale: result.values.map((value) => Math.max(1, Math.abs(value))),
      })),
  };
}

const trigammaOf = (x: Tensor): Tensor => ct.polygamma(1, x);
const gammaEdges = [
  ...ends,
  1,
  2,
  0.5,
  -0.5,
  -0.25,
  -1,
  -2,
  -1.5,
  -2.75,
  7.5,
  8,
  8.5,
  1e-3,
  -1e-3,
  100.25,
  -100.25,
  1e6,
];

// Stated with the formulas: erf 2 units (the reference has some 4), erfinv 6, lgamma 8 (12 below 0), digamma and trigamma 6; the references add a few.
export const specialRows: readonly Row[] = [
  unary('erf', ct.erf, erf, {
    ulps: 8,
    domain: range(-3, 3),
    derivative: smooth([0]),
    flops: 40,
    edges: [...ends, 1, -1, 0.999, 4, -4, 5.9, 6, 1e30, 1e-30, -1e-40],
  }),
  unary('erfinv', ct.erfinv, erfinv, {
    ulps: 12,
    domain: range(-0.9, 0.9),
    derivative: smooth([0]),
    flops: 60,
    edges: [...ends, 1, -1, 2, -1.5, 0.85, -0.85, 0.99999, 1e-30, -1e-8],
  }),
  besideZeros(
    unary('lgamma', ct.lgamma, lgamma, {
      ulps: 16,
      domain: range(0.5, 12),
      derivative: smooth([0]),
      flops: 100,
      edges: gammaEdges,
    }),
  ),
  besideZeros(
    unary('digamma', ct.digamma, digamma, {
      ulps: 12,
      domain: range(0.5, 12),
      derivative: smooth([0]),
      flops: 100,
      edges: gammaEdges,
    }),
  ),
  unary('trigamma', trigammaOf, trigamma, {
    ulps: 12,
    domain: range(0.5, 12),
    derivative: smooth([0]),
    flops: 100,
    edges: gammaEdges,
  }),
  // Operands y, x.
  binary('atan2', ct.atan2, Math.atan2, {
    dtypes: floats,
    domains: [twoSided(0.3, 3), twoSided(0.3, 3)],
    ulps: 3,
    derivative: smooth([0, 1]),
    flops: 40,
  }),
];
