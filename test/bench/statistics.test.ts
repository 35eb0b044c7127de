import { describe, expect, test } from 'vitest';
import {
  compareBlocks,
  difference,
  largestDifference,
  median,
  percentile,
  significant,
} from '../../bench/harness/statistics.js';

describe('median', () => {
  test('takes the middle, whatever the order, and leaves its argument alone', () => {
    const values = [10, 1, 9];
    expect(median(values)).toBe(9);
    expect(values).toEqual([10, 1, 9]);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([7])).toBe(7);
    expect(() => median([])).toThrow(/at least one value/);
  });
});

describe('percentile', () => {
  test('is the nearest rank', () => {
    const values = Array.from({ length: 1000 }, (_, k) => 1000 - k);
    expect(percentile(values, 99)).toBe(990);
    expect(percentile(values, 100)).toBe(1000);
    expect(percentile([5], 1)).toBe(5);
  });
  test('refuses what has no meaning', () => {
    expect(() => percentile([], 50)).toThrow(/at least one value/);
    expect(() => percentile([1], 0)).toThrow(/percent/);
    expect(() => percentile([1], Number.NaN)).toThrow(/percent/);
  });
});

describe('compareBlocks', () => {
  test('the ratio is the median of the ratios, not the ratio of the medians', () => {
    // The machine slows down by 10 between the blocks: each block still says 0.5, 0.25, 0.5.
    const blocks = [
      { ours: 1, peer: 2 },
      { ours: 10, peer: 40 },
      { ours: 100, peer: 200 },
    ];
    expect(compareBlocks(blocks)).toEqual({ ours: 10, peer: 40, ratio: 0.5, ratioMin: 0.25, ratioMax: 0.5 });
  });
});

describe('difference', () => {
  test('is relative to the largest expected value', () => {
    expect(difference([1, -4.5], [1, -4])).toBe(0.125);
    expect(difference([0.25], [0])).toBe(0.25);
    expect(difference(new Float32Array([1, 2]), [1, 2])).toBe(0);
  });
  test('never lets a wrong length or a non-finite value pass', () => {
    expect(difference([1], [1, 2])).toBe(Number.POSITIVE_INFINITY);
    expect(difference([Number.NaN], [1])).toBe(Number.POSITIVE_INFINITY);
    expect(difference([Number.NaN], [Number.NaN])).toBe(Number.POSITIVE_INFINITY);
    expect(difference([1], [Number.POSITIVE_INFINITY])).toBe(Number.POSITIVE_INFINITY);
  });
  test('over named results asks for the same names', () => {
    expect(largestDifference({ a: [1], b: [3] }, { a: [1], b: [2] })).toBe(0.5);
    expect(largestDifference({ a: [1] }, { a: [1], b: [2] })).toBe(Number.POSITIVE_INFINITY);
    expect(largestDifference({ a: [1], b: [2] }, { a: [1] })).toBe(Number.POSITIVE_INFINITY);
    expect(largestDifference({ a: [1] }, { b: [1] })).toBe(Number.POSITIVE_INFINITY);
    expect(largestDifference({}, {})).toBe(Number.POSITIVE_INFINITY);
  });
});

test('significant keeps six digits', () => {
  expect(significant(0.123456789)).toBe(0.123457);
  expect(significant(1234567.8)).toBe(1234570);
});
