import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../lib/core/errors.js';
import {
  batches,
  type DataArray,
  dataArray,
  HostRandom,
  Standardizer,
  standardize,
  takeRows,
  trainTestSplit,
} from '../../lib/data/index.js';

const matrix = (rows: number, columns: number, value: (k: number) => number): DataArray =>
  dataArray(
    Float64Array.from({ length: rows * columns }, (_, k) => value(k)),
    [rows, columns],
  );

describe('HostRandom', () => {
  it('gives the numbers of the published C code', () => {
    // xoshiro128** 1.1 from the state 1, 2, 3, 4.
    const random = HostRandom.fromState([1, 2, 3, 4]);
    const expected = [
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ];
    expect(expected.map(() => random.bits())).toEqual(expected);
    // The same after SplitMix32 from 42.
    const seeded = HostRandom.fromSeed(42);
    expect([seeded.bits(), seeded.bits(), seeded.bits()]).toEqual([2837322924, 544945897, 479756282]);
  });

  it('is uniform: moments of `uniform`, frequencies of `below`', () => {
    const random = HostRandom.fromSeed(7);
    const n = 100_000;
    let [sum, squares] = [0, 0];
    for (let k = 0; k < n; k++) {
      const u = random.uniform();
      if (!(u >= 0 && u < 1)) throw new Error(String(u));
      sum += u;
      squares += u * u;
    }
    // Five standard errors: sqrt(1/12/n) and sqrt(4/45/n).
    expect(Math.abs(sum / n - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(squares / n - 1 / 3)).toBeLessThan(5 * Math.sqrt(4 / 45 / n));
    const counts = new Array<number>(6).fill(0);
    for (let k = 0; k < n; k++) counts[random.below(6)]++;
    const chiSquare = counts.reduce((total, count) => total + (count - n / 6) ** 2 / (n / 6), 0);
    expect(chiSquare).toBeLessThan(25); // 5 degrees of freedom: probability 1.4e-4
  });

  it('tells seeds apart, also beyond 32 bits, and refuses bad ones', () => {
    const first = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1].map((seed) => HostRandom.fromSeed(seed).bits());
    expect(new Set(first).size).toBe(first.length);
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 53])
      expect(() => HostRandom.fromSeed(seed)).toThrow(/whole number from 0/);
  });

  it('permutes: every order of three is equally likely', () => {
    const random = HostRandom.fromSeed(3);
    const counts = new Map<string, number>();
    const n = 12_000;
    for (let k = 0; k < n; k++) {
      const order = random.permutation(3).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(['012', '021', '102', '120', '201', '210']);
    const chiSquare = [...counts.values()].reduce((total, count) => total + (count - n / 6) ** 2 / (n / 6), 0);
    expect(chiSquare).toBeLessThan(25);
  });
});

describe('dataArray and takeRows', () => {
  it('checks lengths and dtypes', () => {
    expect(() => dataArray(new Float32Array(5), [2, 3])).toThrow(/Expected 6 elements for shape \[2, 3\], received 5/);
    expect(() => dataArray(new Uint8Array(2), [2])).toThrow(/Hint: bytes need dtype: 'bool'/);
    expect(() => dataArray(new Float32Array(2), [2], 'float64')).toThrow(
      /typed array of float64, received Float32Array/,
    );
    expect(dataArray(new Uint8Array(2), [2], 'bool').dtype).toBe('bool');
  });

  it('takes rows of any rank, with repeats', () => {
    const x = dataArray(Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7), [2, 2, 2]);
    expect(takeRows(x, [1, 0, 1])).toEqual(dataArray(Int32Array.of(4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7), [3, 2, 2]));
    for (const bad of [2, -1, 0.5]) expect(() => takeRows(x, [bad])).toThrow(ShapeError);
  });
});

describe('trainTestSplit', () => {
  const x = matrix(10, 2, (k) => k);
  const y = dataArray(
    Int32Array.from({ length: 10 }, (_, k) => k),
    [10],
  );

  it('puts every row in one part, with its target', () => {
    const { train, test } = trainTestSplit(x, y, { testFraction: 0.3, seed: 5 });
    expect([train.x.shape, test.x.shape, train.y.shape, test.y.shape]).toEqual([[7, 2], [3, 2], [7], [3]]);
    expect([...train.y.data, ...test.y.data].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const part of [train, test]) {
      part.y.data.forEach((row, k) =>
        expect(Array.from(part.x.data.subarray(2 * k, 2 * k + 2))).toEqual([2 * row, 2 * row + 1]),
      );
    }
  });

  it('depends on the seed alone', () => {
    const rows = (seed: number) => Array.from(trainTestSplit(x, y, { seed }).train.y.data).join();
    expect(rows(1)).toBe(rows(1));
    expect(rows(1)).not.toBe(rows(2));
  });

  it('leaves no part empty, and refuses what cannot be split', () => {
    expect(trainTestSplit(x, y, { testFraction: 0.01 }).test.y.shape).toEqual([1]);
    expect(trainTestSplit(x, y, { testFraction: 0.99 }).train.y.shape).toEqual([1]);
    expect(() => trainTestSplit(x, y, { testFraction: 1 })).toThrow(/testFraction in \(0, 1\), received 1/);
    expect(() => trainTestSplit(x, takeRows(y, [0]))).toThrow(/same number .*\[10, 2\] and \[1\]/);
    expect(() => trainTestSplit(takeRows(x, [0]), takeRows(y, [0]))).toThrow(ShapeError);
  });
});

describe('standardize', () => {
  it('brings columns to mean 0 and variance 1, and others by the same figures', () => {
    const random = HostRandom.fromSeed(11);
    const x = matrix(500, 3, (k) => 1000 * (k % 3) + (1 + (k % 3)) * random.uniform());
    const [scaled, row] = standardize(
      x,
      matrix(1, 3, (k) => 1000 * k),
    );
    for (let column = 0; column < 3; column++) {
      const values = Array.from(scaled.data).filter((_, k) => k % 3 === column);
      const mean = values.reduce((sum, value) => sum + value, 0) / 500;
      const variance = values.reduce((sum, value) => sum + value ** 2, 0) / 500;
      expect(Math.abs(mean)).toBeLessThan(1e-10);
      expect(Math.abs(variance - 1)).toBeLessThan(1e-10);
      const { mean: means, deviation } = Standardizer.fit(x);
      expect(row.data[column]).toBe((1000 * column - means[column]) / deviation[column]);
    }
  });

  it('turns constant columns into zeros', () => {
    const [scaled] = standardize(matrix(7, 2, (k) => (k % 2 ? 0.1 : 0)));
    expect(Math.max(...Array.from(scaled.data, Math.abs))).toBeLessThan(1e-12);
  });

  it('refuses NaN, integers, other widths and no rows', () => {
    expect(() => standardize(matrix(2, 2, (k) => (k === 3 ? Number.NaN : 1)))).toThrow(/finite numbers in column 1/);
    expect(() => standardize(dataArray(new Int32Array(4), [2, 2]))).toThrow(/float matrix .*int32\[2, 2\]/);
    expect(() =>
      standardize(
        matrix(2, 2, (k) => k),
        matrix(2, 3, (k) => k),
      ),
    ).toThrow(/Expected 2 columns, received \[2, 3\]/);
    expect(() => standardize(matrix(0, 2, () => 0))).toThrow(/at least one row/);
  });
});

describe('batches', () => {
  it('visits each row once, in an order that the seed decides', () => {
    const epoch = batches(10, 4, { seed: 1 });
    expect(epoch.map((batch) => batch.length)).toEqual([4, 4, 2]);
    expect(epoch.flatMap((batch) => [...batch]).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(batches(10, 4, { seed: 1 })).toEqual(epoch);
    expect(batches(10, 4, { seed: 2 })).not.toEqual(epoch);
    expect(batches(10, 4, { seed: 1, dropLast: true })).toEqual(epoch.slice(0, 2));
  });

  it('handles the edges', () => {
    expect(batches(0, 4)).toEqual([]);
    expect(batches(3, 100).map((batch) => batch.length)).toEqual([3]);
    expect(batches(3, 100, { dropLast: true })).toEqual([]);
    expect(() => batches(3, 0)).toThrow(/batchSize >= 1, received 0/);
    expect(() => batches(-1, 1)).toThrow(/n >= 0, received -1/);
  });
});
