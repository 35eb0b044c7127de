/** Hinge and cross-entropy, and the u-step by coordinate descent, against conic solvers: test/oracles/relu-network. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { type Loss, losses } from '../../lib/convex/relu-network/losses.js';
import { grad, ReluNetwork, type ReluNetworkOptions, random, type Tensor, tensor } from '../../lib/index.js';

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
const exact = { bias: false, tolerance: 1e-8, maxIterations: 60_000 } as const;

interface Labelled {
  x: number[][];
  y: number[];
  patterns: string[];
  cases: { loss: 'hinge' | 'cross-entropy'; beta: number; optimum: number }[];
}

describe('losses', () => {
  const predictions = Float64Array.from({ length: 41 }, (_, k) => (k - 20) / 4);
  const t = tensor(predictions);
  const labels = (sign: number) => tensor(predictions.map(() => sign));
  const plain: Record<string, (value: number, y: number) => number> = {
    squared: (value, y) => 0.5 * (value - y) ** 2,
    hinge: (value, y) => Math.max(0, 1 - y * value),
    'cross-entropy': (value, y) => Math.log1p(Math.exp(-2 * y * value)),
  };
  const cases = Object.entries(losses).flatMap(([name, loss]) => [1, -1].map((y) => [name, y, loss] as const));

  it.each(cases)('%s at y = %d: value, slope, curvature', async (name, sign, loss: Loss) => {
    const y = labels(sign);
    const values = await loss.value(t, y).data();
    values.forEach((value, k) => expect(value).toBeCloseTo(plain[name](predictions[k], sign), 12));
    const slope = await loss.slope(t, y).data();
    const derived = await grad((at: Tensor) => loss.value(at, y).sum())(t).data();
    // At its kink, hinge has any slope in between.
    slope.forEach((value, k) => {
      if (name !== 'hinge' || predictions[k] * sign !== 1) expect(value).toBeCloseTo(derived[k], 12);
    });
    if (!loss.curvature) return;
    const curvature = await loss.curvature(t, y).data();
    const second = await grad((at: Tensor) => loss.slope(at, y).sum())(t).data();
    curvature.forEach((value, k) => expect(value).toBeCloseTo(second[k], 12));
  });

  it.each(cases)('%s at y = %d: prox and dual meet the loss', async (name, sign, loss: Loss) => {
    const y = labels(sign);
    const prox = await loss.prox(t, y).data();
    prox.forEach((at, k) => {
      const cost = (value: number): number => plain[name](value, sign) + 0.5 * (value - predictions[k]) ** 2;
      for (const step of [-0.3, -1e-3, 1e-3, 0.3]) expect(cost(at)).toBeLessThanOrEqual(cost(at + step));
    });
    // Fenchel: min_f l(f) + z f is attained where z = −l'(f), and prox says where that is.
    const z = tensor(prox.map((at, k) => at - predictions[k]) as Float64Array);
    const dual = await loss.dual(z, y).data();
    dual.forEach((value, k) => {
      expect(value).toBeCloseTo(plain[name](prox[k], sign) + (prox[k] - predictions[k]) * prox[k], 10);
    });
  });

  it('cross-entropy does not overflow, in float32 either', async () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const far = tensor([-1e4, -200, 200, 1e4], { dtype });
      const y = tensor([1, 1, 1, 1], { dtype });
      expect(Array.from(await losses['cross-entropy'].value(far, y).data())).toEqual([
        2e4,
        400,
        dtype === 'float32' ? 0 : Math.exp(-400),
        0,
      ]);
      const prox = Array.from(await losses['cross-entropy'].prox(far, y).data());
      expect(prox).toEqual([-9998, -198, 200, 1e4]);
    }
  });
});

describe('fits with other losses', () => {
  it('agree with a conic solver on n = 20, d = 4, P = 12, by either inner system', async () => {
    const { x, y, patterns, cases } = await oracle<Labelled>('losses');
    for (const { loss, beta, optimum } of cases) {
      for (const solver of ['woodbury', 'direct'] as const) {
        const options = { ...exact, tolerance: 1e-6, loss, beta, solver, patterns: masksOf(patterns) };
        const { report } = await ReluNetwork.fit(f64(x), y, { ...options, task: 'classification' });
        const { primal, lowerBound } = report.certificate;
        expect(Math.abs(primal / optimum - 1), `${loss}, ${beta}, ${solver}`).toBeLessThan(1e-6);
        expect(lowerBound).toBeLessThanOrEqual(optimum * (1 + 1e-8));
        expect(report.converged).toBe(true);
      }
    }
  });

  it('labels 0/1 and −1/+1 mean the same, and a mean is a sum with n β', async () => {
    const { x, y, patterns } = await oracle<Labelled>('losses');
    const options = { ...exact, task: 'classification', loss: 'cross-entropy', patterns: masksOf(patterns) } as const;
    const train = (labels: number[], more: ReluNetworkOptions) =>
      ReluNetwork.fit(f64(x), labels, { ...options, ...more });
    const signs = await train(y, { beta: 0.2 });
    const zeroOne = await train(
      y.map((label) => (label + 1) / 2),
      { beta: 0.2 },
    );
    const averaged = await train(y, { beta: 0.2 / y.length, reduction: 'mean' });
    expect(zeroOne.report.objective).toBe(signs.report.objective);
    expect(averaged.report.objective * y.length).toBeCloseTo(signs.report.objective, 8);
    expect(averaged.report.certificate.lowerBound * y.length).toBeCloseTo(signs.report.certificate.lowerBound, 8);
    expect(averaged.report).toMatchObject({ loss: 'cross-entropy', reduction: 'mean', beta: 0.2 / y.length });
    expect(zeroOne.classes).toEqual([0, 1]);
    expect(signs.classes).toEqual([-1, 1]);
  });

  it('the baseline minimises the same objective', async () => {
    const { x, y, patterns } = await oracle<Labelled>('losses');
    const common = { task: 'classification', loss: 'cross-entropy', beta: 0.2, bias: false } as const;
    const adam = await ReluNetwork.fitSgd(f64(x), y, { ...common, epochs: 300, batchSize: 20, learningRate: 0.02 });
    // With the patterns that Adam found, the convex optimum is at or below.
    const found = await adam.patterns(f64(x));
    const convex = await ReluNetwork.fit(f64(x), y, { ...common, patterns: found, tolerance: 1e-6 });
    expect(convex.report.certificate.lowerBound).toBeLessThanOrEqual(adam.report.objective);
    expect(convex.report.objective).toBeLessThanOrEqual(adam.report.objective * (1 + 1e-6));
    expect(patterns.length).toBeGreaterThan(0);
  });

  it.each([
    ['a loss of labels for regression', { loss: 'hinge' }, /'squared' for regression/],
    ['an unknown loss', { loss: 'absolute' }, /'squared', 'hinge' or 'cross-entropy'/],
    ['an unknown reduction', { reduction: 'max' }, /'sum' or 'mean'/],
    ['an unknown method', { method: 'newton' }, /method/],
    [
      'hinge by coordinate descent',
      { task: 'classification', loss: 'hinge', method: 'coordinate-descent' },
      /smooth loss/,
    ],
    ['an option of another method', { method: 'coordinate-descent', solver: 'direct' }, /'solver'/],
  ])('refuse %s', async (_, options, message) => {
    const fit = ReluNetwork.fit([[1], [2]], [0, 1], options as ReluNetworkOptions);
    await expect(fit).rejects.toMatchObject({ code: 'ERR_DOMAIN', message: expect.stringMatching(message) });
  });
});

describe('coordinate descent', () => {
  it('agrees with the linear systems within 1e-4 on n = 200, d = 10, P = 20', async () => {
    const medium = await oracle<{ x: number[][]; y: number[]; patterns: string[]; beta: number; optimum: number }>(
      'medium',
    );
    const options = { bias: false, beta: medium.beta, patterns: masksOf(medium.patterns), tolerance: 1e-5 } as const;
    const methods: ReluNetworkOptions[] = [
      { method: 'coordinate-descent' },
      { method: 'admm', solver: 'direct' },
      { method: 'admm', solver: 'woodbury' },
    ];
    for (const method of methods) {
      const { report } = await ReluNetwork.fit(f64(medium.x), f64(medium.y), {
        ...options,
        ...method,
        maxIterations: 20_000,
      });
      expect(report.method).toBe(method.method);
      expect(report.converged).toBe(true);
      expect(Math.abs(report.certificate.primal / medium.optimum - 1), method.method).toBeLessThan(1e-4);
      expect(report.certificate.lowerBound).toBeLessThanOrEqual(medium.optimum * (1 + 1e-8));
    }
  });

  it('takes cross-entropy as it is', async () => {
    const { x, y, patterns, cases } = await oracle<Labelled>('losses');
    for (const { loss, beta, optimum } of cases.filter((one) => one.loss === 'cross-entropy')) {
      const { report } = await ReluNetwork.fit(f64(x), y, {
        ...exact,
        task: 'classification',
        method: 'coordinate-descent',
        tolerance: 1e-6,
        ...{ loss, beta, patterns: masksOf(patterns) },
      });
      expect(Math.abs(report.certificate.primal / optimum - 1)).toBeLessThan(1e-5);
    }
  });

  it('is the same for a seed, trains several classes, and float32', async () => {
    const x = random.normal(random.key(2), [60, 4]);
    const labels = Array.from({ length: 60 }, (_, k) => k % 3);
    const train = (seed: number) =>
      ReluNetwork.fit(x, labels, {
        task: 'classification',
        method: 'coordinate-descent',
        ...{ seed, patterns: 6, maxIterations: 30, tolerance: 1e-9 },
      });
    const [a, b] = [await train(1), await train(1)];
    expect(await a.parameters.hidden.data()).toEqual(await b.parameters.hidden.data());
    expect(a.report.certificate.primal).toBeGreaterThanOrEqual(a.report.certificate.lowerBound);
  });
});
