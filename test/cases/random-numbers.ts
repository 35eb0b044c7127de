/** Rows of the random primitives: Philox 4x32-10 in plain integers, and the normal quantile by Newton's method. */
import type { Shape } from '../../lib/index.js';
import { sizeOf, type Values } from './array.js';
import { applyPrimitive } from './movement.js';
import { example, noDerivative, type OperandSpec, type Params, type Row, usual } from './row.js';

/** The block of four words that a key gives for a counter (Salmon et al., 2011). */
export function philox(counter: readonly number[], key: readonly number[]): number[] {
  let words = counter.map((word) => BigInt(word));
  let [k0, k1] = key.map((word) => BigInt(word)) as [bigint, bigint];
  const mask = 0xffffffffn;
  for (let round = 0; round < 10; round++) {
    const [c0, c1, c2, c3] = words as [bigint, bigint, bigint, bigint];
    const p0 = c0 * 0xd2511f53n;
    const p1 = c2 * 0xcd9e8d57n;
    words = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return words.map(Number);
}

/** The words of elements 0 .. count - 1, `perElement` (1 or 2) of them each. */
function wordsOf(key: ArrayLike<number>, count: number, perElement: number): number[][] {
  const elements: number[][] = [];
  for (let block = 0; elements.length < count; block++) {
    const words = philox([block, 0, 0, 0], Array.from(key));
    for (let k = 0; k < 4; k += perElement) elements.push(words.slice(k, k + perElement));
  }
  return elements.slice(0, count);
}

export const HALF_LOG_TWO_PI = 0.9189385332046728;

/** Probability between 0 and z >= 0, by a series of positive terms. */
export function centralProbability(z: number): number {
  let term = z;
  let sum = z;
  for (let k = 1; term > sum * 1e-18; k++) {
    term *= (z * z) / (2 * k + 1);
    sum += term;
  }
  return sum * Math.exp((-z * z) / 2 - HALF_LOG_TWO_PI);
}

/** Probability beyond z > 1 over the density at z (the Mills ratio), by its continued fraction from far inside. */
export function millsRatio(z: number): number {
  let fraction = z;
  for (let k = 400; k >= 1; k--) fraction = z + k / fraction;
  return 1 / fraction;
}

/** |z| for a tail of probability `tail`, where center = 1/2 - tail without cancellation. */
export function normalMagnitude(tail: number, center: number): number {
  let z = center * 2.5066;
  if (center <= 0.4) {
    for (let k = 0; k < 30; k++) z += (center - centralProbability(z)) * Math.exp((z * z) / 2 + HALF_LOG_TWO_PI);
    return z;
  }
  // On the logarithm of the tail, which is nearly a parabola: d log Q / dz = -1 / mills(z).
  const target = Math.log(tail);
  z = 1.5;
  for (let k = 0; k < 60; k++) {
    const mills = millsRatio(z);
    z += (Math.log(mills) - (z * z) / 2 - HALF_LOG_TWO_PI - target) * mills;
  }
  return z;
}

/** The normal of a word (low word first): its integer w of so many bits stands for the probability (w + 1/2) / 2^bits. */
export function normalOf(words: readonly number[]): number {
  const bits = 32n * BigInt(words.length);
  const one = 2n ** (bits + 1n);
  const lower = words.reduceRight((sum, word) => (sum << 32n) + BigInt(word), 0n) * 2n + 1n;
  const upper = one - lower;
  const negative = lower < upper;
  const [tail, rest] = negative ? [lower, upper] : [upper, lower];
  const z = normalMagnitude(Number(tail) / Number(one), Number(rest - tail) / Number(2n * one));
  return negative ? -z : z;
}

const keys: OperandSpec = { shape: [2, 3, 2], dtype: 'uint32', values: Array.from({ length: 12 }, (_, k) => k * k) };
const manyKeys: OperandSpec = { shape: [67, 2], dtype: 'uint32', domain: (random) => random.bits() };
export const key = (...values: number[]): OperandSpec => ({ shape: [2], dtype: 'uint32', values });

function randomRow(
  primitive: string,
  dtypes: readonly Values['dtype'][],
  ulps: number,
  value: (words: readonly number[]) => number,
): Row {
  const shapes = [[], [0], [1], [3], [4], [2, 5], [257]];
  const cases = dtypes.flatMap((dtype) => [
    ...shapes.map((shape) => example(`${dtype} [${shape}]`, [key(7, 0)], { params: { shape, dtype } })),
    example(`${dtype} full key`, [key(0xdeadbeef, 0xffffffff)], { params: { shape: [65], dtype } }),
    example(`${dtype} keys`, [keys], { params: { shape: [2, 3, 5], dtype } }),
    example(`${dtype} many keys`, [manyKeys], { params: { shape: [67, 33], dtype } }),
    example(`${dtype} large`, [key(1, 2)], { params: { shape: [20_011], dtype } }),
  ]);
  return {
    primitive,
    dtypes: ['uint32'],
    domain: usual,
    cases,
    apply: applyPrimitive(primitive),
    reference: ([seed], params: Params) => {
      const { shape, dtype } = params as { shape: Shape; dtype: Values['dtype'] };
      const { values: all } = seed as Values;
      const streams = all.length / 2;
      const values = Array.from({ length: streams }, (_, k) => {
        const own = wordsOf(all.slice(2 * k, 2 * k + 2), sizeOf(shape) / streams, dtype === 'float64' ? 2 : 1);
        return own.map(value);
      });
      return [{ dtype, shape, values: Float64Array.from(values.flat()) }];
    },
    budget: () => ulps,
    derivative: noDerivative,
    flops: (_, { shape }) => 30 * sizeOf(shape as Shape),
  };
}

/** [0, 1): the top 24 bits of one word, or the top 53 of two. */
function uniformOf(words: readonly number[]): number {
  const [low, high] = words as [number, number?];
  return high === undefined ? (low >>> 8) / 2 ** 24 : (high * 2 ** 21 + (low >>> 11)) / 2 ** 53;
}

export const randomRows: readonly Row[] = [
  randomRow('randomBits', ['uint32'], 0, ([word]) => word as number),
  randomRow('randomUniform', ['float32', 'float64'], 0, uniformOf),
  // The rational approximations are good to about a unit; evaluating them rounds a dozen times.
  randomRow('randomNormal', ['float32', 'float64'], 12, normalOf),
];
