/** Convex adversarial training against a conic solver (test/oracles/relu-network), and attacks on its networks. */
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { projectOnCones, worstCaseLoss, worstCaseProx } from '../../lib/convex/relu-network/worst-case.js';
import {
  type AttackOptions,
  type LossName,
  ReluNetwork,
  type RobustOptions,
  random,
  samplePatterns,
  type Tensor,
  tensor,
} from '../../lib/index.js';

interface Reference {
  x: number[][];
  labels: number[];
  values: number[];
  patterns: string[];
  cases: { loss: LossName; beta: number; epsilon: number; optimum: number }[];
}

const names: LossName[] = ['squared', 'hinge', 'cross-entropy'];
const f64 = (data: number | number[] | number[][]) => tensor(data as number[], { dtype: 'float64' });
const masksOf = (patterns: string[]): Tensor =>
  tensor(
    patterns.map((pattern) => [...pattern].map((bit) => bit === '1')),
    { dtype: 'bool' },
  );
const normals = (seed: number, shape: number[]) => random.normal(random.key(seed), shape, { dtype: 'float64' });
let reference: Reference;
beforeAll(async () => {
  const url = new URL('../oracles/relu-network/robust.json', import.meta.url);
  reference = JSON.parse(await readFile(url, 'utf8')) as Reference;
});

/** Options and targets of a loss on the reference data. */
function problemOf(loss: LossName): { options: Omit<RobustOptions, 'epsilon'>; y: Tensor } {
  const { labels, values, patterns } = reference;
  const task = loss === 'squared' ? 'regression' : 'classification';
  const options = { method: 'robust', task, loss, bias: false, patterns: masksOf(patterns) } as const;
  return {
    options: { ...options, tolerance: 1e-7, maxIterations: 20_000 },
    y: f64(task === 'regression' ? values : labels),
  };
}

async function decay({ parameters: { hidden, output } }: ReluNetwork, beta: number): Promise<number> {
  const [u, a] = await Promise.all([hidden.square().sum().item(), output.square().sum().item()]);
  return 0.5 * beta * (u + a);
}

describe('proximal steps of the robust program', () => {
  const reach = f64([0.3, 0.3, 0]);

  it('the cone projection is feasible, and no feasible point near it is nearer', async () => {
    const [s0, a0] = [normals(1, [2, 1, 3, 4]), normals(2, [2, 1, 3, 3])];
    const tau = 0.7;
    const { rows, shadow } = projectOnCones(s0, a0, reach, f64(tau));
    const read = async (t: Tensor) => Array.from(await t.data());
    const [s, a, s00, a00] = await Promise.all([rows, shadow, s0, a0].map(read));
    const cost = (sk: number[], ak: number[], block: number): number =>
      0.5 * tau * sk.reduce((total, value, k) => total + (value - s00[4 * block + k]) ** 2, 0) +
      0.5 * ak.reduce((total, value, j) => total + (value - a00[3 * block + j]) ** 2, 0);
    const noise = await read(normals(3, [6 * 50 * 7]));
    for (let block = 0; block < 6; block++) {
      const [sk, ak] = [s.slice(4 * block, 4 * block + 4), a.slice(3 * block, 3 * block + 3)];
      const used = (weights: number[]): number => 0.3 * (Math.abs(weights[0]) + Math.abs(weights[1]));
      for (const value of sk) expect(value).toBeGreaterThanOrEqual(used(ak) - 1e-12);
      for (let trial = 0; trial < 50; trial++) {
        const at = 7 * (50 * block + trial);
        const near = ak.map((value, j) => value + 0.1 * noise[at + j]);
        const lifted = sk.map((value, k) => Math.max(value + 0.1 * noise[at + 3 + k], used(near)));
        expect(cost(sk, ak, block)).toBeLessThanOrEqual(cost(lifted, near, block) + 1e-12);
      }
    }
  });

  it.each(names)('the worst-case prox of %s is not improved by any point near it', async (name) => {
    const [n, d] = [12, 3];
    const weights = { t: 0.8, q: 0.4 };
    const y = normals(4, [1, n]).greaterEqual(0).cast('float64').mul(2).sub(1);
    const [t0, q0] = [normals(5, [1, n]), normals(6, [n, 1, d]).mul(2)];
    const parts = { t: t0, q: q0, y, reach, weights: { t: f64(weights.t), q: f64(weights.q) } };
    const { t, q } = worstCaseProx(name, parts);
    // Cost of each row, [1, n].
    const cost = (ft: Tensor, fq: Tensor): Tensor => {
      const c = fq.abs().mul(reach).sum(2).transpose();
      const moved = ft
        .sub(t0)
        .square()
        .mul(weights.t / 2);
      return worstCaseLoss(name, ft, c, y)
        .add(moved)
        .add(
          fq
            .sub(q0)
            .square()
            .sum(2)
            .transpose()
            .mul(weights.q / 2),
        );
    };
    const best = await cost(t, q).data();
    for (let trial = 0; trial < 60; trial++) {
      const size = trial % 2 === 0 ? 0.3 : 1e-3;
      const near = cost(
        t.add(normals(2 * trial, [1, n]).mul(size)),
        q.add(normals(2 * trial + 1, [n, 1, d]).mul(size)),
      );
      (await near.data()).forEach((value, k) => expect(best[k]).toBeLessThanOrEqual(value + 1e-12));
    }
  });
});

describe('convex adversarial training', () => {
  it('agrees with a conic solver to 1e-5 for every loss, and certifies it', async () => {
    for (const { loss, beta, epsilon, optimum } of reference.cases) {
      const { options, y } = problemOf(loss);
      const { report } = await ReluNetwork.fit(f64(reference.x), y, { ...options, beta, epsilon });
      const { primal, lowerBound } = report.certificate;
      expect(Math.abs(primal / optimum - 1), `${loss}, ${beta}, ${epsilon}`).toBeLessThan(1e-6);
      expect(lowerBound).toBeLessThanOrEqual(optimum * (1 + 1e-8));
      expect(lowerBound).toBeGreaterThan(optimum * (1 - 1e-6));
      expect(report.outcome).toBe('trained');
    }
  });

  it.each(names)('%s: epsilon = 0 is standard training', async (loss) => {
    const { options, y } = problemOf(loss);
    const { tolerance, task, bias, patterns } = options;
    const robust = await ReluNetwork.fit(f64(reference.x), y, { ...options, beta: 0.2, epsilon: 0 });
    const standard = await ReluNetwork.fit(f64(reference.x), y, {
      ...{ tolerance, task, bias, patterns, loss },
      ...{ beta: 0.2, maxIterations: 20_000 },
    });
    expect(Math.abs(robust.report.certificate.primal / standard.report.certificate.primal - 1)).toBeLessThan(1e-6);
  });

  it.each(names)('%s: the optimum does not fall as epsilon grows, and ends at the trivial network', async (loss) => {
    const { options, y } = problemOf(loss);
    let last = 0;
    for (const epsilon of [0, 0.01, 0.05, 0.2, 0.5]) {
      const { report } = await ReluNetwork.fit(f64(reference.x), y, {
        ...options,
        beta: 0.05,
        epsilon,
        tolerance: 1e-4,
      });
      expect(report.certificate.primal).toBeGreaterThanOrEqual(last);
      last = report.certificate.lowerBound;
    }
    const model = await ReluNetwork.fit(f64(reference.x), y, { ...options, beta: 0.05, epsilon: 50 });
    expect(model.report).toMatchObject({ outcome: 'trivial', converged: true });
    expect(model.report.certificate.activeNeurons).toBe(0);
    const nothing = f64(reference.labels).mul(0).reshape([1, reference.labels.length]);
    const untrained = await worstCaseLoss(loss, nothing, nothing, y.reshape([1, y.size]))
      .sum()
      .item();
    expect(model.report.objective).toBeCloseTo(untrained, 12);
    expect(Array.from(await (await model.decision(f64(reference.x))).data())).toEqual(reference.labels.map(() => 0));
  });

  it.each(names)('%s: FGSM reaches the certified loss in one step, and no other attack exceeds it', async (loss) => {
    const { options, y } = problemOf(loss);
    for (const bias of [false, true]) {
      for (const reduction of ['sum', 'mean'] as const) {
        const [epsilon, beta] = [0.05, reduction === 'sum' ? 0.05 : 0.004];
        const settings = { ...options, epsilon, beta, bias, reduction, tolerance: 1e-4 };
        const x = f64(reference.x);
        const model = await ReluNetwork.fit(x, y, settings);
        const { worstCaseLoss: certified, objective } = model.report;
        const lossUnder = async (attack: AttackOptions): Promise<number> => {
          const moved = await model.attack(x, y, attack);
          expect(await moved.sub(x).abs().max().item()).toBeLessThanOrEqual(epsilon * (1 + 1e-12));
          return model.loss(moved, y);
        };
        const fgsm = await lossUnder({ method: 'fgsm', epsilon });
        expect(Math.abs(fgsm - certified)).toBeLessThan(1e-8 * objective);
        expect(Math.abs((fgsm + (await decay(model, beta))) / objective - 1)).toBeLessThan(1e-8);
        const clean = await model.loss(x, y);
        for (const seed of [1, 2, 3]) {
          const pgd = await lossUnder({ epsilon, randomStart: true, seed });
          expect(pgd).toBeLessThanOrEqual(certified + 1e-9 * objective);
          expect(pgd).toBeGreaterThanOrEqual(clean);
        }
      }
    }
  });

  it('samples patterns of perturbed data, too, reproducibly', async () => {
    const x = normals(9, [6, 2]);
    const plain = await samplePatterns(x, 60, { seed: 1 });
    const perturbations = { epsilon: 0.5, count: 4, bias: false };
    const wide = await samplePatterns(x, 60, { seed: 1, perturbations });
    const again = await samplePatterns(x, 60, { seed: 1, perturbations });
    // Six points in the plane have twelve patterns, one of them empty; perturbed copies have others.
    expect(plain.count).toBe(11);
    expect(wide.count).toBeGreaterThan(11);
    expect(wide.complete).toBe(false);
    const rows = (await wide.masks.array()) as number[][];
    expect(await again.masks.array()).toEqual(rows);
    expect(new Set(rows.map((row) => row.join(''))).size).toBe(rows.length);
    const model = await ReluNetwork.fit(x, [1, 0, 1, 0, 1, 0], {
      method: 'robust',
      task: 'classification',
      ...{ epsilon: 0.01, perturbations: 3, beta: 0.01, maxIterations: 500 },
    });
    expect(model.report.certificate.primal).toBeGreaterThanOrEqual(model.report.certificate.lowerBound);
  });

  it.each([
    ['epsilon < 0', { epsilon: -0.1 }, /epsilon >= 0/],
    ['no epsilon', {}, /epsilon/],
    ['epsilon of another method', { method: 'admm', epsilon: 0.1 }, /'epsilon'/],
    ['perturbations < 0', { epsilon: 0.1, perturbations: -1 }, /perturbations/],
  ])('refuses %s', async (_, options, message) => {
    const fit = ReluNetwork.fit([[1], [2]], [1, 2], { method: 'robust', ...options } as RobustOptions);
    await expect(fit).rejects.toMatchObject({ code: 'ERR_DOMAIN', message: expect.stringMatching(message) });
  });
});

describe('attacks', () => {
  it('PGD is at least as strong as FGSM on a network trained by back-propagation, and both hurt', async () => {
    const x = normals(21, [200, 6]);
    const labels = Array.from(await x.square().sum(1).data(), (value) => (value > 5.3 ? 1 : 0));
    for (const classes of [2, 3]) {
      const y = labels.map((label, k) => (classes === 3 && k % 3 === 0 ? 2 : label));
      const options = { task: 'classification', loss: 'cross-entropy', beta: 0.01, epochs: 40 } as const;
      const model = await ReluNetwork.fitSgd(x, y, options);
      const clean = await model.loss(x, y);
      const epsilon = 0.2;
      const fgsm = await model.loss(await model.attack(x, y, { method: 'fgsm', epsilon }), y);
      const pgd = await model.loss(await model.attack(x, y, { epsilon }), y);
      expect(fgsm).toBeGreaterThan(clean * 1.1);
      expect(pgd).toBeGreaterThan(fgsm * 0.98);
      expect(await model.score(await model.attack(x, y, { epsilon }), y)).toBeLessThan(await model.score(x, y));
      const boxed = await model.attack(x, y, { epsilon: 5, range: [-1, 1], steps: 2 });
      expect(await boxed.abs().max().item()).toBeLessThanOrEqual(1);
    }
  });

  it('go along the margin: rows beyond a hinge margin of 1 are attacked, too', async () => {
    const x = f64([[3], [-3]]);
    const model = await ReluNetwork.fit(x, [1, 0], {
      ...{ task: 'classification', loss: 'hinge', method: 'robust', epsilon: 0.5, beta: 1e-3, bias: false },
    });
    expect(await model.loss(x, [1, 0])).toBeLessThan(1e-6);
    const moved = await model.attack(x, [1, 0], { method: 'fgsm', epsilon: 1 });
    expect(Array.from(await moved.data())).toEqual([2, -2]);
  });

  it('refuse what does not fit', async () => {
    const x = normals(1, [4, 2]);
    const model = await ReluNetwork.fit(x, [0, 1, 0, 1], { task: 'classification', maxIterations: 50 });
    const attack = (y: number[], options: AttackOptions) => model.attack(x, y, options);
    await expect(attack([0, 1, 0, 1], { epsilon: -1 })).rejects.toMatchObject({ code: 'ERR_DOMAIN' });
    await expect(attack([0, 1, 0, 2], { epsilon: 1 })).rejects.toMatchObject({
      code: 'ERR_DOMAIN',
      details: { row: 3 },
    });
    await expect(attack([0, 1], { epsilon: 1 })).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    const misfit = { method: 'fgsm', epsilon: 1, steps: 3 } as AttackOptions;
    await expect(attack([0, 1, 0, 1], misfit)).rejects.toMatchObject({ code: 'ERR_DOMAIN' });
  });
});

describe('back-propagation on adversarial examples', () => {
  const [x, xTest] = [normals(31, [160, 5]), normals(32, [200, 5])];
  const labelsOf = async (rows: Tensor): Promise<number[]> =>
    Array.from(await rows.square().sum(1).data(), (value) => (value > 4.4 ? 1 : 0));
  const epsilon = 0.3;
  const common = { task: 'classification', loss: 'cross-entropy', beta: 0.01, epochs: 60 } as const;
  const adversaries: [string, AttackOptions][] = [
    ['FGSM', { method: 'fgsm', epsilon }],
    ['PGD', { epsilon, steps: 10, stepSize: 0.1, randomStart: true }],
  ];

  it.each(adversaries)('on those of %s lowers the loss under attack, on new data as well', async (_, adversary) => {
    const [y, yTest] = [await labelsOf(x), await labelsOf(xTest)];
    const plain = await ReluNetwork.fitSgd(x, y, common);
    const hardened = await ReluNetwork.fitSgd(x, y, { ...common, adversary });
    for (const [rows, labels] of [
      [x, y],
      [xTest, yTest],
    ] as [Tensor, number[]][]) {
      const attacked = async (model: typeof plain): Promise<number> =>
        model.loss(await model.attack(rows, labels, { epsilon }), labels);
      expect(await attacked(hardened)).toBeLessThan(0.9 * (await attacked(plain)));
    }
    // What it pays with: the loss of the rows as they are.
    expect(await hardened.loss(x, y)).toBeGreaterThan(await plain.loss(x, y));
  });

  it.each([true, false])('in a ball of radius 0 is training on the rows, to the bit (bias: %s)', async (bias) => {
    const y = await labelsOf(x);
    const options = { ...common, bias, epochs: 3, optimizer: 'sgd' } as const;
    const [plain, still] = [
      await ReluNetwork.fitSgd(x, y, options),
      await ReluNetwork.fitSgd(x, y, { ...options, adversary: { method: 'fgsm', epsilon: 0 } }),
    ];
    for (const part of ['hidden', 'output'] as const) {
      const [a, b] = await Promise.all([plain, still].map((model) => model.parameters[part].data()));
      expect(Array.from(b as Float64Array)).toEqual(Array.from(a as Float64Array));
    }
  });

  it('leaves the bias alone, and stays in the range of the features', async () => {
    // In [0, 1] a ball of radius 1 lets the adversary reach every point: nothing but the bias tells rows apart, so that the more
    // frequent class is all that can be learnt.
    const rows = f64(Array.from({ length: 40 }, (_, k) => [(k % 10) / 10, ((k * 3) % 10) / 10]));
    const y = Array.from({ length: 40 }, (_, k) => (k % 10 > 3 ? 1 : 0));
    const adversary = { epsilon: 1, steps: 8, stepSize: 0.5, range: [0, 1] } as const;
    const model = await ReluNetwork.fitSgd(rows, y, { ...common, epochs: 200, adversary });
    expect(await model.score(rows, y)).toBe(0.6);
  });

  it('refuses options that an attack has not', async () => {
    const misfit = { epsilon: -1 } as AttackOptions;
    await expect(ReluNetwork.fitSgd([[1], [2]], [0, 1], { ...common, adversary: misfit })).rejects.toMatchObject({
      code: 'ERR_DOMAIN',
      message: expect.stringMatching(/\[ReluNetwork.fitSgd\].*epsilon/),
    });
  });
});
