/** The convex ReLU network against closed forms, conic solvers and an independent ADMM: test/oracles/relu-network. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  admmIterations,
  loadDataset,
  matmul,
  memory,
  patternBound,
  ReluNetwork,
  random,
  relu,
  samplePatterns,
  type Tensor,
  tensor,
} from '../../lib/index.js';

async function oracle<T>(name: string): Promise<T> {
  const url = new URL(`../oracles/relu-network/${name}.json`, import.meta.url);
  return JSON.parse(await readFile(url, 'utf8')) as T;
}

const f64 = (data: number[] | number[][]) => tensor(data, { dtype: 'float64' });
const masksOf = (patterns: string[]): Tensor =>
  tensor(
    patterns.map((pattern) => [...pattern].map((bit) => bit === '1')),
    { dtype: 'bool' },
  );
/** Without the empty pattern, which contributes nothing. */
const active = (patterns: string[]) => patterns.filter((pattern) => pattern.includes('1'));

interface Instance {
  x: number[][];
  y: number[];
  patterns: string[];
}

const exact = { bias: false, tolerance: 1e-8, maxIterations: 60_000 } as const;

/** ½‖f(X) − y‖² + (β/2) Σ(‖u‖² + a²) from the recovered weights, by plain loops. */
async function networkCost(model: ReluNetwork, x: number[][], y: number[], beta: number): Promise<number> {
  const hidden = (await model.parameters.hidden.array()) as number[][];
  const output = (await model.parameters.output.array()) as number[][];
  let cost = 0;
  x.forEach((row, k) => {
    let f = 0;
    output.forEach(([a], j) => {
      f +=
        Math.max(
          0,
          row.reduce((total, value, i) => total + value * hidden[i][j], 0),
        ) * a;
    });
    cost += 0.5 * (f - y[k]) ** 2;
  });
  for (const row of [...hidden, ...output]) for (const weight of row) cost += 0.5 * beta * weight ** 2;
  return cost;
}

describe('exact patterns', () => {
  it('reproduces the plane instance R2 and its exact optimum', async () => {
    const plane = await oracle<Instance & { cases: { beta: number; optimum: number }[] }>('plane');
    for (const { beta, optimum } of plane.cases) {
      const model = await ReluNetwork.fit(f64(plane.x), f64(plane.y), {
        ...exact,
        beta,
        patterns: masksOf(active(plane.patterns)),
      });
      const { certificate } = model.report;
      expect(Math.abs(certificate.primal / optimum - 1)).toBeLessThan(1e-6);
      expect(certificate.gap).toBeLessThan(1e-6);
      expect(certificate.lowerBound).toBeLessThanOrEqual(optimum * (1 + 1e-9));
      expect(certificate.primal).toBeGreaterThanOrEqual(optimum * (1 - 1e-9));
      expect(Math.abs((await networkCost(model, plane.x, plane.y, beta)) / model.report.objective - 1)).toBeLessThan(
        1e-9,
      );
      model.dispose();
    }
  });

  it('finds all 16 patterns of R2 by sampling, knows it, and certifies the non-convex problem itself', async () => {
    const plane = await oracle<Instance & { cases: { beta: number; optimum: number }[] }>('plane');
    expect(patternBound(8, 2)).toBe(16);
    const model = await ReluNetwork.fit(f64(plane.x), f64(plane.y), {
      ...exact,
      beta: plane.cases[0].beta,
      patterns: 100,
    });
    expect(model.report.certificate.scope).toBe('exact');
    expect(model.report.certificate.patterns).toBe(active(plane.patterns).length);
    expect(Math.abs(model.report.certificate.primal / plane.cases[0].optimum - 1)).toBeLessThan(1e-6);
  });

  it('reproduces the closed form for orthonormal rows', async () => {
    const { orthonormal } = await oracle<{ orthonormal: Instance & { beta: number; optimum: number } }>('closed-forms');
    const { x, y, beta, optimum, patterns } = orthonormal;
    for (const solver of ['direct', 'woodbury'] as const) {
      const model = await ReluNetwork.fit(f64(x), f64(y), {
        ...exact,
        beta,
        solver,
        patterns: masksOf(active(patterns)),
      });
      expect(Math.abs(model.report.certificate.primal / optimum - 1)).toBeLessThan(1e-6);
      expect(model.report.certificate.gap).toBeLessThan(1e-6);
    }
  });

  it('reproduces the closed form of one point', async () => {
    const { point } = await oracle<{ point: { x: number; y: number; beta: number; optimum: number }[] }>(
      'closed-forms',
    );
    for (const { x, y, beta, optimum } of point) {
      const model = await ReluNetwork.fit(f64([[x]]), f64([y]), { ...exact, beta, patterns: 4 });
      expect(Math.abs(model.report.certificate.primal - optimum)).toBeLessThan(1e-6 * Math.max(1, optimum));
    }
  });

  it('adding patterns never raises the optimum', async () => {
    const plane = await oracle<
      Instance & { nested: { patterns: number; optimum: number }[]; cases: { beta: number }[] }
    >('plane');
    let last = Number.POSITIVE_INFINITY;
    for (const { patterns, optimum } of plane.nested) {
      const chosen = active(plane.patterns.slice(0, patterns));
      const model = await ReluNetwork.fit(f64(plane.x), f64(plane.y), {
        ...exact,
        beta: plane.cases[0].beta,
        patterns: masksOf(chosen),
      });
      expect(Math.abs(model.report.certificate.primal / optimum - 1)).toBeLessThan(1e-5);
      expect(model.report.certificate.lowerBound).toBeLessThanOrEqual(last);
      last = model.report.certificate.primal * (1 + 1e-7);
    }
  });
});

describe('sampled programs', () => {
  it('agrees with a conic solver on n = 20, d = 4, P = 12', async () => {
    const small = await oracle<Instance & { cases: { beta: number; optimum: number }[] }>('small');
    for (const { beta, optimum } of small.cases) {
      const model = await ReluNetwork.fit(f64(small.x), f64(small.y), {
        ...exact,
        beta,
        patterns: masksOf(small.patterns),
      });
      expect(Math.abs(model.report.certificate.primal / optimum - 1)).toBeLessThan(1e-6);
      expect(model.report.certificate.lowerBound).toBeLessThanOrEqual(optimum * (1 + 1e-8));
    }
  });

  it('direct and Woodbury solves agree with each other and with a conic solver on n = 200, d = 10, P = 20', async () => {
    const medium = await oracle<Instance & { beta: number; optimum: number }>('medium');
    const objectives = [];
    for (const solver of ['direct', 'woodbury'] as const) {
      const model = await ReluNetwork.fit(f64(medium.x), f64(medium.y), {
        bias: false,
        beta: medium.beta,
        solver,
        patterns: masksOf(medium.patterns),
        tolerance: 1e-5,
        maxIterations: 20_000,
      });
      expect(model.report.converged).toBe(true);
      objectives.push(model.report.certificate.primal);
      expect(Math.abs(model.report.certificate.primal / medium.optimum - 1)).toBeLessThan(1e-4);
      expect(model.report.certificate.lowerBound).toBeLessThanOrEqual(medium.optimum * (1 + 1e-8));
    }
    expect(Math.abs(objectives[0] / objectives[1] - 1)).toBeLessThan(1e-4);
  });

  it('follows an independent implementation iteration by iteration', async () => {
    interface Reference {
      rho: number;
      tau: number;
      relaxation: number;
      history: { iteration: number; objective: number }[];
    }
    const medium = await oracle<Instance & { beta: number; admm: Reference[] }>('medium');
    const [x, y] = [f64(medium.x), tensor([medium.y], { dtype: 'float64' })];
    const masks = masksOf(medium.patterns).cast('float64');
    for (const { rho, tau, relaxation, history } of medium.admm) {
      for (const { iteration, objective } of history.filter((point) => point.iteration <= 500)) {
        for (const solver of ['woodbury', 'direct'] as const) {
          const settings = { beta: medium.beta, rho, tau, relaxation, iterations: iteration, solver };
          const { v } = admmIterations(x, y, masks, settings).run();
          const [plus, minus] = (await v.array()) as number[][][][];
          let value = 0;
          medium.x.forEach((row, k) => {
            let f = 0;
            medium.patterns.forEach((pattern, i) => {
              if (pattern[k] === '1')
                row.forEach((xk, j) => {
                  f += xk * (plus[0][i][j] - minus[0][i][j]);
                });
            });
            value += 0.5 * (f - medium.y[k]) ** 2;
          });
          for (const block of [...plus[0], ...minus[0]]) value += medium.beta * Math.hypot(...block);
          expect(Math.abs(value / objective - 1), `iteration ${iteration}, ${solver}`).toBeLessThan(1e-6);
        }
      }
    }
  });

  it('several classes: one-vs-rest is the sum of the classes, certificate included', async () => {
    const classes = await oracle<{
      x: number[][];
      labels: number[];
      patterns: string[];
      beta: number;
      optimum: number;
    }>('classes');
    const model = await ReluNetwork.fit(f64(classes.x), tensor(Int32Array.from(classes.labels)), {
      ...exact,
      tolerance: 1e-7,
      task: 'classification',
      beta: classes.beta,
      patterns: masksOf(classes.patterns),
    });
    expect(Math.abs(model.report.certificate.primal / classes.optimum - 1)).toBeLessThan(1e-6);
    expect(model.classes).toEqual([0, 1, 2]);
    expect((await model.predict(f64(classes.x))).dtype).toBe('int32');
  });

  it('samples distinct patterns, none empty, all of the data, the same for a seed', async () => {
    const x = random.normal(random.key(3), [30, 5]);
    const first = await samplePatterns(x, 40, { seed: 4 });
    const again = await samplePatterns(x, 40, { seed: 4 });
    const rows = (await first.masks.array()) as number[][];
    expect(rows.length).toBe(40);
    expect(new Set(rows.map((row) => row.join(''))).size).toBe(40);
    expect(rows.every((row) => row.includes(1))).toBe(true);
    expect(await again.masks.array()).toEqual(rows);
    const other = await samplePatterns(x, 40, { seed: 5 });
    expect(await other.masks.array()).not.toEqual(rows);
    // Each is the pattern of some direction: fewer points than dimensions have all 2^n patterns.
    const few = await samplePatterns(random.normal(random.key(3), [3, 5]), 100, { seed: 0 });
    expect(few.count).toBe(7);
    expect(few.complete).toBe(true);
  });
});

describe('ReluNetwork', () => {
  const x = random.normal(random.key(11), [120, 6]);
  const planted = random.normal(random.key(12), [6, 2]);
  const y = relu(matmul(x, planted)).sum(1);

  it('is reproducible bit for bit, for a seed', async () => {
    const train = () => ReluNetwork.fit(x, y, { seed: 7, patterns: 12, maxIterations: 300 });
    const [a, b] = [await train(), await train()];
    expect(await a.parameters.hidden.data()).toEqual(await b.parameters.hidden.data());
    expect(a.report.objective).toBe(b.report.objective);
  });

  it('saves and loads, and refuses what is cut short', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cotangent-'));
    try {
      const model = await ReluNetwork.fit(x, y, { patterns: 12, maxIterations: 300 });
      await model.save(folder);
      const loaded = await ReluNetwork.load(folder);
      expect(await (await loaded.predict(x)).data()).toEqual(await (await model.predict(x)).data());
      expect(loaded.report).toEqual(model.report);
      const weights = join(folder, 'weights.safetensors');
      await writeFile(weights, (await readFile(weights)).subarray(0, 40));
      await expect(ReluNetwork.load(folder)).rejects.toMatchObject({ code: 'ERR_DOMAIN' });
      await expect(ReluNetwork.load(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_DOMAIN' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('beats back-propagation on the objective, and scores', async () => {
    const convex = await ReluNetwork.fit(x, y, { beta: 0.1, patterns: 60 });
    const adam = await ReluNetwork.fitSgd(x, y, { beta: 0.1, epochs: 60 });
    expect(convex.report.objective).toBeLessThan(adam.report.objective * 1.02);
    expect(adam.report.history[0].objective).toBeGreaterThan(adam.report.objective);
    expect(await convex.score(x, y)).toBeGreaterThan(0.95);
  });

  it.each([
    ['regression', 'regression', y, [0.5, 1, 2]],
    ['two classes', 'classification', y.greater(1).cast('int32'), [0, 1, 1]],
    ['three classes', 'classification', y.greater(1).cast('int32').add(y.greater(2).cast('int32')), [0, 1, 2]],
  ] as const)('leaves its results alone behind, not what they are made of: %s', async (_, task, targets, few) => {
    const model = await ReluNetwork.fit(x, targets, { task, patterns: 12, maxIterations: 20 });
    const rows = [
      [1, 0, 0, 2, 0, 1],
      [0, 1, -1, 0, 3, 0],
      [2, 2, 0, 0, 1, -1],
    ];
    // In another dtype the network makes a copy of its own of x, and of arrays a tensor in any case.
    for (const [data, labels] of [
      [x.cast('float64'), targets],
      [rows, few],
    ] as unknown as [number[][], number[]][]) {
      const calls: Record<string, () => Promise<{ dispose(): void } | number>> = {
        decision: () => model.decision(data),
        patterns: () => model.patterns(data),
        predict: () => model.predict(data),
        score: () => model.score(data, labels),
        loss: () => model.loss(data, labels),
      };
      for (const [name, call] of Object.entries(calls)) {
        const before = memory().handles;
        const made = await call();
        expect(memory().handles, name).toBe(before + (typeof made === 'number' ? 0 : 1));
        if (typeof made !== 'number') made.dispose();
      }
    }
    const before = memory().handles;
    await expect(model.predict([[1, 2]])).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    await expect(model.predict([[1, 2, 3, 4, 5, Number.NaN]])).rejects.toMatchObject({ code: 'ERR_DOMAIN' });
    expect(memory().handles).toBe(before);
    model.dispose();
  });

  it('handles zero features and constant targets', async () => {
    const zero = await ReluNetwork.fit(
      tensor([
        [0, 1],
        [0, 2],
        [0, -1],
      ]),
      tensor([1, 1, 1]),
      { beta: 0.01 },
    );
    expect(Number.isFinite(zero.report.objective)).toBe(true);
    const none = await ReluNetwork.fit(
      tensor([
        [1, 1],
        [2, 0],
        [3, -1],
      ]),
      tensor([0, 0, 0]),
    );
    expect(none.report.objective).toBe(0);
    expect(none.report.converged).toBe(true);
    expect(await (await none.predict(tensor([[1, 2]]))).item()).toBe(0);
  });

  const bad: [string, () => Promise<unknown>, string, RegExp][] = [
    ['beta = 0', () => ReluNetwork.fit(x, y, { beta: 0 }), 'ERR_DOMAIN', /beta > 0/],
    ['patterns = 0', () => ReluNetwork.fit(x, y, { patterns: 0 }), 'ERR_DOMAIN', /patterns/],
    [
      'NaN',
      () =>
        ReluNetwork.fit(
          [
            [1, 2],
            [Number.NaN, 3],
          ],
          [1, 2],
        ),
      'ERR_DOMAIN',
      /row 1, column 0/,
    ],
    [
      'infinite targets',
      () =>
        ReluNetwork.fit(
          [
            [1, 2],
            [2, 3],
          ],
          [1, Number.POSITIVE_INFINITY],
        ),
      'ERR_DOMAIN',
      /row 1/,
    ],
    ['ragged rows', () => ReluNetwork.fit([[1, 2], [3]], [1, 2]), 'ERR_SHAPE', /ragged/],
    ['no rows', () => ReluNetwork.fit(tensor([], { shape: [0, 3] }), tensor([])), 'ERR_SHAPE', /n, d > 0/],
    ['lengths', () => ReluNetwork.fit(x, [1, 2, 3]), 'ERR_SHAPE', /120 rows/],
    ['labels', () => ReluNetwork.fit(x, y, { task: 'classification' }), 'ERR_DOMAIN', /whole numbers/],
    ['one class', () => ReluNetwork.fit([[1], [2]], [1, 1], { task: 'classification' }), 'ERR_DOMAIN', /two classes/],
    ['a misspelt option', () => ReluNetwork.fit(x, y, { patern: 3 } as never), 'ERR_DOMAIN', /'patern'/],
    ['integers', () => ReluNetwork.fit(tensor(Int32Array.of(1, 2), { shape: [2, 1] }), [1, 2]), 'ERR_DTYPE', /float/],
    ['another device', () => ReluNetwork.fit(x, y, { device: 'cuda' }), 'ERR_DEVICE', /cuda/],
  ];
  it.each(bad)('refuses %s', async (_, call, code, message) => {
    const error = await call().then(
      () => undefined,
      (thrown: Error) => thrown,
    );
    expect(error).toMatchObject({ code });
    expect(error?.message).toMatch(message);
  });

  it('aborts in the middle, and the device goes on', async () => {
    const controller = new AbortController();
    const big = random.normal(random.key(1), [800, 40]);
    const target = big.sum(1);
    const fit = ReluNetwork.fit(big, target, { signal: controller.signal, tolerance: 1e-15, maxIterations: 1_000_000 });
    setTimeout(() => controller.abort(), 150);
    await expect(fit).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(await tensor([1, 2]).sum().item()).toBe(3);
    await expect(ReluNetwork.fit(big, target, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
  });

  it('reports progress that only grows', async () => {
    const seen: number[] = [];
    await ReluNetwork.fit(x, y, { maxIterations: 400, onProgress: ({ iteration }) => seen.push(iteration) });
    expect(seen.length).toBeGreaterThan(5);
    expect(seen.at(-1)).toBeLessThanOrEqual(400);
  });
});

describe('MNIST, twos against eights', () => {
  it('reaches the reference accuracies within 10 and 50 iterations, and its residual decays linearly', async () => {
    const { train, test } = await loadDataset('mnist-2v8', { stride: 3, perClass: 600 });
    const as = ({ data, shape, dtype }: typeof train.x) => tensor(data, { shape, dtype });
    const [x, y, xt, yt] = [as(train.x), as(train.y), as(test.x), as(test.y)];
    const common = { task: 'classification', tolerance: 1e-9 } as const;
    for (const [maxIterations, accuracy] of [
      [10, 0.93],
      [50, 0.94],
    ]) {
      const model = await ReluNetwork.fit(x, y, { ...common, maxIterations });
      expect(await model.score(xt, yt)).toBeGreaterThanOrEqual(accuracy);
      expect(model.report.iterations).toBe(maxIterations);
    }
    const long = await ReluNetwork.fit(x, y, { ...common, patterns: 8, maxIterations: 2000 });
    expect(long.report.certificate.relativeGap).toBeLessThan(2e-3);
    const history = long.report.history;
    const [early, late] = [history.find((point) => point.iteration >= 160), history.at(-1)];
    expect((late?.primalResidual ?? 1) / (early?.primalResidual ?? 0)).toBeLessThan(0.3);
  });
});
