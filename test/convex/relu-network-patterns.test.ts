/** Enumeration of all sign patterns, and the exact convex program over them. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { cut, insideOf, sweep } from '../../lib/convex/relu-network/enumerate.js';
import {
  enumeratePatterns,
  matmul,
  patternBound,
  ReluNetwork,
  random,
  samplePatterns,
  tensor,
} from '../../lib/index.js';

async function oracle<T>(name: string): Promise<T> {
  const url = new URL(`../oracles/relu-network/${name}.json`, import.meta.url);
  return JSON.parse(await readFile(url, 'utf8')) as T;
}

const f64 = (data: number[] | number[][]) => tensor(data, { dtype: 'float64' });
const textOf = (rows: number[][]) => rows.map((row) => row.join('')).sort();
const patternsOf = async (x: Parameters<typeof enumeratePatterns>[0]) =>
  textOf((await (await enumeratePatterns(x)).cast('int32').array()) as number[][]);
const dotOf = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (value, k) => value * b[k]).reduce((total, value) => total + value, 0);
const unitRows = async (seed: number, n: number, d: number) =>
  ((await random.normal(random.key(seed), [n, d], { dtype: 'float64' }).array()) as number[][]).map((row) =>
    Float64Array.from(row, (value) => value / Math.hypot(...row)),
  );

describe('enumeratePatterns', () => {
  it('finds the 16 patterns of R2', async () => {
    const { x, patterns } = await oracle<{ x: number[][]; patterns: string[] }>('plane');
    expect(await patternsOf(f64(x))).toEqual([...patterns].sort());
  });

  it('the sweep of the plane and the cutting of cells agree', async () => {
    for (const [seed, n] of [
      [1, 1],
      [2, 5],
      [3, 20],
    ]) {
      const rows = await unitRows(seed, n, 2);
      const bits = (directions: Float64Array[]) =>
        textOf(directions.map((g) => rows.map((row) => (dotOf(row, g) >= 0 ? 1 : 0))));
      const swept = bits(sweep(rows));
      expect(swept).toEqual(bits(await cut(rows, 2, () => {})));
      expect(swept.length).toBe(2 * n);
    }
  });

  it.each([
    [9, 3],
    [8, 4],
    [6, 6],
    [4, 7],
    [7, 1],
  ])('%d points in general position in dimension %d have as many as the bound says', async (n, d) => {
    const x = random.normal(random.key(5), [n, d]);
    const found = await patternsOf(x);
    expect(found.length).toBe(patternBound(n, d));
    expect(new Set(found).size).toBe(found.length);
    const sampled = await samplePatterns(x, 40, { seed: 1 });
    const known = new Set(found);
    for (const row of (await sampled.masks.array()) as number[][]) expect(known.has(row.join(''))).toBe(true);
  });

  it('takes ties, repeated, opposite and zero rows, and data of low rank', async () => {
    // x and −x are never both active inside a cell; a zero row always is.
    expect(
      await patternsOf([
        [1, 0],
        [-2, 0],
        [0, 0],
        [3, 0],
      ]),
    ).toEqual(['0110', '1011']);
    // Whole numbers on a plane within three dimensions: six rows, four distinct hyperplanes through the axis.
    const flat = [
      [1, 0, 1],
      [0, 1, 1],
      [1, 1, 2],
      [2, 0, 2],
      [-1, 0, -1],
      [1, -1, 0],
    ];
    const found = await patternsOf(flat);
    expect(found.length).toBe(patternBound(4, 2));
    expect(
      await patternsOf([
        [0, 0],
        [0, 0],
      ]),
    ).toEqual(['11']);
  });

  it('finds a point inside a cone, or knows that there is none', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const rows = await unitRows(100 + seed, 6, 4);
      // Turned towards a vector, all rows have it inside; with the opposite of their sum added, none.
      const [target] = await unitRows(200 + seed, 1, 4);
      const turned = rows.map((row) => (dotOf(row, target) > 0 ? row : row.map((value) => -value)));
      const inside = insideOf(turned) as Float64Array;
      for (const row of turned) expect(dotOf(row, inside)).toBeGreaterThan(0);
      const sum = turned.reduce((total, row) => total.map((value, k) => value + row[k]), new Float64Array(4));
      expect(insideOf([...turned, sum.map((value) => -value / Math.hypot(...sum))])).toBeUndefined();
    }
  });

  it('does not take a failure of rounding for an empty cell', async () => {
    // Between the last two hyperplanes lie cells 1e-8 thin, whose squares no float64 product can tell from 0.
    const thin = [
      [1, 0, 0],
      [0, 1, 0],
      [1, 1, 0],
      [1, 1, 1e-8],
    ];
    await expect(enumeratePatterns(f64(thin))).rejects.toMatchObject({
      code: 'ERR_NUMERICAL',
      message: expect.stringMatching(/received one so thin that rounding hides which\. Hint: sample them/),
    });
  });

  it('refuses too many, and what is not data', async () => {
    const x = random.normal(random.key(1), [20, 4]);
    await expect(enumeratePatterns(x, { maxPatterns: 100 })).rejects.toMatchObject({ code: 'ERR_DOMAIN' });
    await expect(enumeratePatterns([[Number.NaN]])).rejects.toMatchObject({ code: 'ERR_DOMAIN' });
    await expect(enumeratePatterns(x, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('the exact program', () => {
  const exact = { bias: false, tolerance: 1e-9, maxIterations: 60_000, patterns: 'all' } as const;

  it('reproduces R2 and the orthonormal closed form, upper and lower bound within 1e-6', async () => {
    const plane = await oracle<{ x: number[][]; y: number[]; cases: { beta: number; optimum: number }[] }>('plane');
    const [{ beta, optimum }] = plane.cases;
    // The figures of the reference instance.
    expect(beta).toBe(0.05);
    expect(Math.abs(optimum - 0.104079389835)).toBeLessThan(1e-11);
    const { orthonormal } = await oracle<{
      orthonormal: { x: number[][]; y: number[]; beta: number; optimum: number };
    }>('closed-forms');
    for (const problem of [{ ...plane, beta, optimum }, orthonormal]) {
      const { report } = await ReluNetwork.fit(f64(problem.x), f64(problem.y), { ...exact, beta: problem.beta });
      const { primal, lowerBound, gap, scope } = report.certificate;
      expect(scope).toBe('exact');
      expect(gap).toBeLessThan(1e-6);
      expect(Math.abs(primal / problem.optimum - 1)).toBeLessThan(1e-6);
      expect(lowerBound).toBeLessThanOrEqual(problem.optimum * (1 + 1e-9));
    }
  });

  it('bounds every network trained by back-propagation, in three dimensions', async () => {
    const x = random.normal(random.key(8), [10, 2], { dtype: 'float64' });
    const y = matmul(x, f64([[1], [-0.5]]))
      .abs()
      .reshape([10]);
    const options = { ...exact, beta: 0.1, bias: true, tolerance: 1e-5 };
    const { report } = await ReluNetwork.fit(x, y, options);
    expect(report.certificate.scope).toBe('exact');
    const best = await Promise.all(
      [1, 2, 3].map((seed) =>
        ReluNetwork.fitSgd(x, y, { beta: 0.1, seed, epochs: 1000, batchSize: 10, learningRate: 0.02 }),
      ),
    );
    for (const adam of best) {
      expect(adam.report.objective).toBeGreaterThanOrEqual(report.certificate.lowerBound);
      expect(adam.report.objective).toBeLessThan(report.certificate.primal * 1.1);
    }
  });
});
