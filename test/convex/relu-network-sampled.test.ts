/** Sampled convex programs against a Lasso, gated networks against a conic solver: test/oracles/relu-network. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type GatedOptions, ReluNetwork, random, type SampledOptions, type Tensor, tensor } from '../../lib/index.js';

interface Reference {
  x: number[][];
  y: number[];
  targets: number[][];
  labels: number[];
  directions: number[][];
  lasso: { beta: number; optimum: number; weights: number[] }[];
  group: { beta: number; optimum: number };
  logistic: { beta: number; optimum: number };
  gated: { loss: 'squared' | 'cross-entropy'; beta: number; optimum: number }[];
}

const f64 = (data: number[] | number[][]) => tensor(data, { dtype: 'float64' });
const exact = { bias: false, tolerance: 1e-11, maxIterations: 500_000 } as const;
let reference: Reference;
let x: Tensor;
beforeAll(async () => {
  const url = new URL('../oracles/relu-network/sampled.json', import.meta.url);
  reference = JSON.parse(await readFile(url, 'utf8')) as Reference;
  x = f64(reference.x);
});

/** (β/2) Σ (‖u_j‖² + ‖a_j‖²). */
async function decay({ parameters: { hidden, output } }: ReluNetwork, beta: number): Promise<number> {
  const [u, a] = await Promise.all([hidden.square().sum().item(), output.square().sum().item()]);
  return 0.5 * beta * (u + a);
}

describe('sampled convex programs', () => {
  const sampled = (options: Omit<SampledOptions, 'method'>): SampledOptions => ({
    ...exact,
    method: 'sampled',
    directions: f64(reference.directions),
    ...options,
  });

  it('match a Lasso on the activations to 1e-8, weights included, with its optimality conditions', async () => {
    const { y, lasso, directions } = reference;
    const units = directions.map((u) => u.map((value) => value / Math.hypot(...u)));
    const h = reference.x.map((row) =>
      units.map((u) =>
        Math.max(
          0,
          u.reduce((total, value, k) => total + value * row[k], 0),
        ),
      ),
    );
    for (const { beta, optimum, weights } of lasso) {
      const model = await ReluNetwork.fit(x, f64(y), sampled({ beta }));
      const { certificate } = model.report;
      expect(Math.abs(certificate.primal / optimum - 1)).toBeLessThan(1e-8);
      expect(certificate.lowerBound).toBeLessThanOrEqual(optimum * (1 + 1e-12));
      expect(certificate.activeNeurons).toBe(weights.filter((a) => a !== 0).length);
      // Neurons come in the order of their directions: (√|a_j| u_j, sign(a_j) √|a_j|).
      const output = ((await model.parameters.output.array()) as number[][]).map(([a]) => a * Math.abs(a));
      weights.filter((a) => a !== 0).forEach((a, j) => expect(output[j]).toBeCloseTo(a, 6));
      const f = (await (await model.predict(x)).array()) as number[];
      const active = weights.map((a) => Math.sign(a));
      active.forEach((sign, j) => {
        const correlation = h.reduce((total, row, k) => total + row[j] * (y[k] - f[k]), 0);
        expect(Math.abs(correlation)).toBeLessThan(beta * (1 + 1e-5));
        if (sign !== 0) expect(correlation).toBeCloseTo(sign * beta, 5);
      });
    }
  });

  it('take several outputs by group norm, and cross-entropy', async () => {
    const { targets, labels, group, logistic } = reference;
    const both = await ReluNetwork.fit(x, f64(targets), sampled({ beta: group.beta }));
    expect(Math.abs(both.report.objective / group.optimum - 1)).toBeLessThan(1e-7);
    expect(both.parameters.output.shape[1]).toBe(2);
    const options = sampled({ beta: logistic.beta, task: 'classification', loss: 'cross-entropy' });
    const one = await ReluNetwork.fit(x, labels, options);
    expect(Math.abs(one.report.objective / logistic.optimum - 1)).toBeLessThan(1e-7);
  });

  it('recover a network of the same objective', async () => {
    const { targets, group } = reference;
    const model = await ReluNetwork.fit(x, f64(targets), sampled({ beta: group.beta }));
    const residual = (await model.predict(x)).sub(f64(targets));
    const cost = 0.5 * (await residual.square().sum().item()) + (await decay(model, group.beta));
    expect(Math.abs(cost / model.report.objective - 1)).toBeLessThan(1e-10);
  });

  it('never rise when directions are added, and stay above the optimum of the exact program', async () => {
    const { y, directions } = reference;
    const two = f64(reference.x.map((row) => row.slice(0, 2)));
    const options = { ...exact, beta: 0.3, tolerance: 1e-8 };
    const { certificate: bound } = (
      await ReluNetwork.fit(two, f64(y), { ...options, tolerance: 1e-6, patterns: 'all' })
    ).report;
    let last = Number.POSITIVE_INFINITY;
    for (const count of [2, 5, 10, 20, 40]) {
      const nested = f64(directions.slice(0, count).map((u) => u.slice(0, 2)));
      const { certificate } = (
        await ReluNetwork.fit(two, f64(y), { ...options, method: 'sampled', directions: nested })
      ).report;
      expect(certificate.lowerBound).toBeLessThanOrEqual(last);
      expect(certificate.primal).toBeGreaterThanOrEqual(bound.lowerBound);
      last = certificate.primal;
    }
  });

  it('draw the same directions for a seed, and train in float32', async () => {
    const data = random.normal(random.key(4), [80, 5]);
    const y = data.square().sum(1).sqrt();
    const train = (seed: number) => ReluNetwork.fit(data, y, { method: 'sampled', directions: 300, seed });
    const [a, b, c] = [await train(1), await train(1), await train(2)];
    expect(await a.parameters.hidden.data()).toEqual(await b.parameters.hidden.data());
    expect(await c.parameters.hidden.data()).not.toEqual(await a.parameters.hidden.data());
    expect(a.parameters.hidden.dtype).toBe('float32');
    expect(a.report.converged).toBe(true);
    expect(await a.score(data, y)).toBeGreaterThan(0.9);
  });

  it.each([
    ['no directions', { directions: 0 }, 'ERR_DOMAIN', /directions/],
    ['directions of another length', { directions: tensor([[1, 2]]) }, 'ERR_SHAPE', /bias/],
    ['a direction of zero', { directions: tensor([[0, 0, 0, 0]]), bias: false }, 'ERR_DOMAIN', /zero/],
    ['hinge', { loss: 'hinge', task: 'classification' }, 'ERR_DOMAIN', /smooth/],
    ['patterns', { patterns: 3 }, 'ERR_DOMAIN', /'patterns'/],
  ])('refuse %s', async (_, options, code, message) => {
    const fit = ReluNetwork.fit(x, reference.labels, { method: 'sampled', ...options } as SampledOptions);
    await expect(fit).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

describe('gated networks', () => {
  it('agree with a conic solver, and predict with their gates', async () => {
    const { y, labels, gated, directions } = reference;
    for (const { loss, beta, optimum } of gated) {
      const task = loss === 'squared' ? 'regression' : 'classification';
      const gates = f64(directions.slice(0, 10));
      const options: GatedOptions = { ...exact, method: 'gated', gates, loss, beta, task };
      const model = await ReluNetwork.fit(x, task === 'regression' ? f64(y) : labels, options);
      expect(Math.abs(model.report.objective / optimum - 1)).toBeLessThan(1e-7);
      const truth = f64(task === 'regression' ? y : labels);
      const f = (await model.decision(x)).reshape([labels.length]);
      const fit = loss === 'squared' ? f.sub(truth).square().mul(0.5) : f.mul(truth).mul(-2).exp().add(1).log();
      const cost = (await fit.sum().item()) + (await decay(model, beta));
      expect(Math.abs(cost / model.report.objective - 1)).toBeLessThan(1e-9);
    }
  });

  it('lie below the program with cones over the same patterns, and come back from a folder', async () => {
    const { y, directions } = reference;
    const gates = f64(directions.slice(0, 6));
    const options = { ...exact, beta: 0.2, tolerance: 1e-6 };
    const gated = await ReluNetwork.fit(x, f64(y), { ...options, method: 'gated', gates });
    const patterns = gates.matmul(x.transpose()).greaterEqual(0);
    const coned = await ReluNetwork.fit(x, f64(y), { ...options, patterns });
    // v_i − w_i is feasible without cones, and no longer than ‖v_i‖ + ‖w_i‖.
    expect(gated.report.certificate.lowerBound).toBeLessThanOrEqual(coned.report.certificate.primal);
    const folder = await mkdtemp(join(tmpdir(), 'cotangent-'));
    try {
      await gated.save(folder);
      const loaded = await ReluNetwork.load(folder);
      expect(await (await loaded.predict(x)).data()).toEqual(await (await gated.predict(x)).data());
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('draws gates with distinct patterns for several classes', async () => {
    const data = random.normal(random.key(4), [80, 5]);
    const labels = Array.from(
      (await data.data()).filter((_, k) => k % 5 === 0),
      (value) => (value > 0.5 ? 2 : value > -0.5 ? 1 : 0),
    );
    const model = await ReluNetwork.fit(data, labels, {
      method: 'gated',
      gates: 30,
      task: 'classification',
      beta: 0.1,
    });
    expect(model.report.certificate.patterns).toBe(30);
    expect(await model.score(data, labels)).toBeGreaterThan(0.9);
  });
});
