/** The statistics of the bench: medians, percentiles, paired blocks, differences of results. */

/** The middle value, or the mean of the two middle ones. @throws {RangeError} `values` is empty. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('[median] Expected at least one value, received none.');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** The nearest-rank percentile: the smallest value that at least `percent` % of the values do not exceed. */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) throw new RangeError('[percentile] Expected at least one value, received none.');
  if (!(percent > 0 && percent <= 100)) {
    throw new RangeError(`[percentile] Expected 0 < percent <= 100, received ${percent}.`);
  }
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil((percent / 100) * sorted.length) - 1] as number;
}

/** One A B block: the time of a call on either side, in ms. */
export interface Block {
  readonly ours: number;
  readonly peer: number;
}

export interface Comparison {
  readonly ours: number;
  readonly peer: number;
  readonly ratio: number;
  readonly ratioMin: number;
  readonly ratioMax: number;
}

/** Median times, and the median of the per-block ratios, which a drift of the machine between blocks does not bias. */
export function compareBlocks(blocks: readonly Block[]): Comparison {
  const ratios = blocks.map((block) => block.ours / block.peer);
  return {
    ours: median(blocks.map((block) => block.ours)),
    peer: median(blocks.map((block) => block.peer)),
    ratio: median(ratios),
    ratioMin: Math.min(...ratios),
    ratioMax: Math.max(...ratios),
  };
}

/**
 * The largest |actual - expected|, divided by the largest |expected| (by 1 where all are zero). Infinity when the lengths differ or any
 * value is not finite: such results never agree.
 */
export function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let scale = 0;
  for (let i = 0; i < actual.length; i++) {
    const a = actual[i] as number;
    const e = expected[i] as number;
    if (!Number.isFinite(a) || !Number.isFinite(e)) return Number.POSITIVE_INFINITY;
    largest = Math.max(largest, Math.abs(a - e));
    scale = Math.max(scale, Math.abs(e));
  }
  return scale === 0 ? largest : largest / scale;
}

/** The largest difference over results that must carry the same names; Infinity when they do not. */
export function largestDifference(
  actual: Readonly<Record<string, ArrayLike<number>>>,
  expected: Readonly<Record<string, ArrayLike<number>>>,
): number {
  const names = Object.keys(expected);
  if (names.length === 0 || Object.keys(actual).length !== names.length) return Number.POSITIVE_INFINITY;
  return Math.max(...names.map((name) => difference(actual[name] ?? [], expected[name] as ArrayLike<number>)));
}

/** Six significant digits: more than any timing holds. */
export function significant(value: number): number {
  return Number(value.toPrecision(6));
}
