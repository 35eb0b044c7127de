/** Sign patterns D_i = diag(1[X g_i >= 0]): the cells into which the data cut the space of neurons. */
import { tensor } from '../../core/concrete.js';
import { NumericalError } from '../../core/errors.js';
import { arange, concatenate, take } from '../../core/ops/arrays.js';
import { add, cast, floor, greaterEqual, mul, sub } from '../../core/ops/elementwise.js';
import { matmul } from '../../core/ops/linalg.js';
import { key, normal, split, uniform } from '../../core/ops/random.js';
import { sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { disposeTree } from '../../core/tree.js';
import { jit } from '../../transforms/jit.js';

export interface SampledPatterns {
  /** 0/1 masks in the dtype of x, [count, n]: distinct, none of them all zero. */
  readonly masks: Tensor;
  /** A direction of each, [count, d]. */
  readonly directions: Tensor;
  readonly count: number;
  /** Directions drawn. */
  readonly draws: number;
  /** Whether these are all the patterns that the data have, so that the sampled program is the exact one. */
  readonly complete: boolean;
}

/**
 * How many patterns n points of rank r can have at most: 2 sum_{k<r} C(n - 1, k) (Cover, 1965), capped where it stops mattering.
 */
export function patternBound(n: number, rank: number): number {
  let [term, total] = [1, 0];
  for (let k = 0; k < Math.min(rank, n); k++) {
    total += term;
    term = (term * (n - 1 - k)) / (k + 1);
    if (total > Number.MAX_SAFE_INTEGER) return Number.POSITIVE_INFINITY;
  }
  return 2 * total;
}

/** Perturbed copies X + εR of the data, R of random signs, whose patterns are tried, too; the last column stays when it is a bias. */
export interface Perturbations {
  readonly epsilon: number;
  readonly count: number;
  readonly bias: boolean;
}

function perturbed(x: Tensor, from: Tensor, { epsilon, bias }: Perturbations): Tensor {
  const [n, d] = x.shape as [number, number];
  const signs = sub(mul(cast(greaterEqual(uniform(from, [n, d], { dtype: x.dtype }), 0.5), x.dtype), 2), 1);
  const movable = cast(arange(d, { device: x.device }).less(bias ? d - 1 : d), x.dtype);
  return add(x, mul(mul(signs, movable), epsilon));
}

/** Draws a batch of directions: their masks [draws, n], and for each mask a fingerprint and its number of ones. */
const draw = jit((x: Tensor, directions: Tensor, weights: Tensor) => {
  const masks = cast(greaterEqual(matmul(directions, x, { transposeB: true }), 0), x.dtype);
  // Whole weights small enough that their sum is exact in any order: equal masks have equal fingerprints, different ones
  // differ but for an accident of about n / 2^52 a pair (which would cost one pattern).
  const fingerprints = matmul(cast(masks, 'float64'), weights);
  return { masks, fingerprints, ones: sum(masks, 1) };
});

/**
 * Samples distinct patterns with g ~ N(0, I) (algorithm A of the paper). Ties X g = 0 count as active.
 *
 * @param x  data [n, d], float.
 * @param wanted  patterns to find; fewer are found when the data have fewer, or when `maxDraws` is reached.
 * @param options.maxDraws  Default: 20 draws for each pattern wanted, at least 1,000.
 * @param options.perturbations  every direction is also tried on perturbed copies of the data; `complete` is false then.
 * @throws {NumericalError} no pattern but the empty one was found.
 */
export async function samplePatterns(
  x: Tensor,
  wanted: number,
  options: { readonly seed: number; readonly maxDraws?: number; readonly perturbations?: Perturbations },
): Promise<SampledPatterns> {
  const { seed, maxDraws = Math.max(1000, 20 * wanted), perturbations } = options;
  const { device } = x;
  const [n, d] = x.shape as [number, number];
  const bound = patternBound(n, d);
  const seen = new Set<number>();
  const found: Tensor[] = [];
  const directions: Tensor[] = [];
  let count = 0;
  let draws = 0;
  let [next, weightKey] = split(key(seed, { device })) as [Tensor, Tensor];
  const scale = 2 ** (52 - Math.ceil(Math.log2(n + 1)));
  const weights = floor(mul(uniform(weightKey, [n], { dtype: 'float64' }), scale));
  const copies = [x];
  for (let k = 0; perturbations && k < perturbations.count; k++) {
    const [own, rest] = split(next) as [Tensor, Tensor];
    next = rest;
    copies.push(perturbed(x, own, perturbations));
  }
  while (count < wanted && draws < maxDraws && (perturbations || seen.size < bound)) {
    const size = Math.min(maxDraws - draws, Math.max(64, 2 * (wanted - count)));
    const [own, rest] = split(next) as [Tensor, Tensor];
    next = rest;
    const drawn = normal(own, [size, d], { dtype: x.dtype });
    const batches = copies.map((copy) => draw(copy, drawn, weights));
    const read = await Promise.all(
      batches.map(async ({ fingerprints, ones }) => [await fingerprints.data(), await ones.data()] as const),
    );
    // Row c size + k of all masks: direction k on copy c.
    const fresh: number[] = [];
    for (let k = 0; k < size && count + fresh.length < wanted; k++) {
      for (const [c, [fingerprints, ones]] of read.entries()) {
        const fingerprint = fingerprints[k] as number;
        if (count + fresh.length === wanted || seen.has(fingerprint)) continue;
        seen.add(fingerprint);
        // The empty pattern contributes nothing to any prediction.
        if (ones[k] !== 0) fresh.push(c * size + k);
      }
    }
    if (fresh.length > 0) {
      const all = concatenateRows(batches.map(({ masks }) => masks));
      found.push(take(all, tensor(Int32Array.from(fresh), { device })));
      const rows = Int32Array.from(fresh, (row) => row % size);
      directions.push(take(drawn, tensor(rows, { device })));
      all.dispose();
    }
    disposeTree([batches, drawn]);
    count += fresh.length;
    draws += size;
  }
  if (count === 0) {
    throw new NumericalError('ReluNetwork.fit', `Expected sign patterns in the data, received none in ${draws} draws`, {
      hint: 'are all features zero? add a bias with { bias: true }',
    });
  }
  const masks = concatenateRows(found);
  return {
    masks,
    directions: concatenateRows(directions),
    count,
    draws,
    complete: !perturbations && seen.size >= bound,
  };
}

function concatenateRows(parts: readonly Tensor[]): Tensor {
  const whole = concatenate(parts, 0);
  if (parts.length > 1) for (const part of parts) part.dispose();
  return whole;
}
