/** The minimisers against SciPy's minima (test/oracles/solvers/minimise.py), and their rates, reasons and refusals. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  DomainError,
  DTypeError,
  grad,
  log,
  type Method,
  type MinimiseOptions,
  matmul,
  minimise,
  NumericalError,
  ShapeError,
  slice,
  softplus,
  sqrt,
  sum,
  type Tensor,
  tensor,
  zeros,
} from '../../lib/index.js';

interface Oracle {
  readonly logistic: { x: number[][]; y: number[]; ridge: number; w: number[]; objective: number };
  readonly exponentials: { t: number[]; y: number[]; p: number[]; objective: number };
}
const oracle = JSON.parse(readFileSync(new URL('../oracles/solvers/minimise.json', import.meta.url), 'utf8')) as Oracle;

const f64 = (data: Parameters<typeof tensor>[0]) => tensor(data, { dtype: 'float64' });
const methods = ['lbfgs', 'nonlinear-cg', 'newton-cg'] as const;

/** Σ 100 (x_{k+1} − x_k²)² + (1 − x_k)². */
function rosenbrock(x: Tensor): Tensor {
  const n = x.size;
  const [a, b] = [slice(x, [0], [n - 1]), slice(x, [1], [n])];
  return sum(b.sub(a.square()).square().mul(100).add(a.mul(-1).add(1).square()));
}

async function expectClose(actual: Tensor, expected: readonly number[], tolerance: number): Promise<void> {
  (await actual.data()).forEach((value, k) => {
    expect(Math.abs(value - expected[k])).toBeLessThan(tolerance);
  });
}

describe.each(methods)('%s', (method) => {
  const options = { method, maxIterations: 3000 };

  it.each([2, 10])('finds the minimum of Rosenbrock in %i dimensions', async (n) => {
    const start = Array.from({ length: n }, (_, k) => (k % 2 === 0 ? -1.2 : 1));
    const result = await minimise({ initial: f64(start), objective: rosenbrock }, options);
    expect(result.reason).toBe('tolerance');
    expect(result.objective).toBeLessThan(1e-10);
    await expectClose(result.x, Array<number>(n).fill(1), 1e-4);
    // Moderate effort: a method that only crawls would need thousands.
    expect(result.iterations).toBeLessThan(n === 2 ? 100 : 400);
  });

  it('agrees with SciPy on logistic regression', async () => {
    const { x, y, ridge, w, objective } = oracle.logistic;
    const [features, labels] = [f64(x), f64(y)];
    const loss = (v: Tensor) =>
      sum(softplus(matmul(features, v).mul(labels).neg())).add(sum(v.square()).mul(ridge / 2));
    const result = await minimise(
      { initial: zeros([6], { dtype: 'float64' }), objective: loss },
      { ...options, tolerance: 1e-10 },
    );
    expect(result.converged).toBe(true);
    expect(Math.abs(result.objective - objective)).toBeLessThan(1e-10 * objective);
    await expectClose(result.x, w, 1e-5);
    // The objective falls in every step: the line search sees to it.
    const values = result.history.map((point) => point.objective);
    values.slice(1).forEach((value, k) => {
      expect(value).toBeLessThanOrEqual(values[k] + 1e-12 * Math.abs(values[k]));
    });
    expect(result.history.at(-1)).toMatchObject({ iteration: result.iterations, objective: result.objective });
    expect(
      await grad(loss)(result.x)
        .data()
        .then((g) => Math.max(...[...g].map(Math.abs))),
    ).toBeCloseTo(result.gradientNorm, 12);
  });

  it('works on trees, in float32', async () => {
    const initial = { weights: [tensor([[3, -2]]), tensor([1])], offset: tensor(5) };
    const result = await minimise(
      {
        initial,
        objective: ({ weights: [a, b], offset }) =>
          sum(a.sub(1).square())
            .add(sum(b.add(2).square()))
            .add(offset.square().mul(3)),
      },
      { method },
    );
    expect(result.converged).toBe(true);
    expect(result.x.weights[0].shape).toEqual([1, 2]);
    await expectClose(result.x.weights[0], [1, 1], 1e-3);
    await expectClose(result.x.weights[1], [-2], 1e-3);
    await expectClose(result.x.offset, [0], 1e-3);
    expect(initial.offset.disposed).toBe(false);
  });

  it('stays inside the domain of f, where a step would leave it', async () => {
    // x − log x: defined for x > 0, minimum at 1. From 1e-3 the first steps are far too long.
    const result = await minimise({ initial: f64([1e-3, 50]), objective: (x: Tensor) => sum(x.sub(log(x))) }, options);
    expect(result.converged).toBe(true);
    await expectClose(result.x, [1, 1], 1e-4);
  });

  it('reports reasons: limit, no acceptable step, a start that is the minimum', async () => {
    const far = await minimise({ initial: f64([-1.2, 1]), objective: rosenbrock }, { method, maxIterations: 3 });
    expect(far).toMatchObject({ reason: 'max-iterations', converged: false, iterations: 3 });
    expect(far.history.map((point) => point.iteration)).toEqual([0, 1, 2, 3]);
    // A gradient of the wrong sign: whatever is called downhill goes uphill.
    const lying = await minimise(
      {
        initial: f64([1, 2]),
        objective: (x: Tensor) => sum(x.square()),
        valueAndGrad: (x: Tensor) => [sum(x.square()), x.mul(-2)],
      },
      { method },
    );
    expect(lying).toMatchObject({ reason: 'line-search', converged: false, objective: 5 });
    const there = await minimise({ initial: f64([0, 0]), objective: (x: Tensor) => sum(x.square()) }, { method });
    expect(there).toMatchObject({ reason: 'tolerance', iterations: 0, evaluations: 1, objective: 0 });
  });

  it('refuses a start where f is not finite', async () => {
    const failing = minimise({ initial: f64([-1]), objective: (x: Tensor) => sum(sqrt(x)) }, { method });
    await expect(failing).rejects.toThrow(NumericalError);
    await expect(failing).rejects.toThrow(/finite objective and gradient at the start, received NaN/);
  });
});

describe('rates', () => {
  it('lbfgs takes as many steps as SciPy’s on a quadratic of many scales', async () => {
    const scales = f64(Array.from({ length: 8 }, (_, k) => 4 ** k));
    const { iterations, reason } = await minimise({
      initial: f64(Array<number>(8).fill(1)),
      objective: (x: Tensor) => sum(x.square().mul(scales)).mul(0.5),
    });
    expect(reason).toBe('tolerance');
    // L-BFGS-B of SciPy 1.17 with ten pairs and the same stopping rule: 67.
    expect(iterations).toBeLessThan(75);
  });

  it('newton-cg converges superlinearly: digits grow by a factor near 1.5 a step', async () => {
    const { x, y, ridge } = oracle.logistic;
    const [features, labels] = [f64(x), f64(y)];
    const loss = (v: Tensor) =>
      sum(softplus(matmul(features, v).mul(labels).neg())).add(sum(v.square()).mul(ridge / 2));
    const norms: number[] = [];
    for (let k = 1; k <= 9; k++) {
      const start = zeros([6], { dtype: 'float64' });
      const result = await minimise(
        { initial: start, objective: loss },
        { method: 'newton-cg', maxIterations: k, tolerance: 0, objectiveTolerance: 0 },
      );
      norms.push(result.gradientNorm);
    }
    // The order, from pairs within the region of fast convergence and above rounding.
    const orders: number[] = [];
    for (let k = 1; k + 1 < norms.length; k++) {
      if (norms[k] < 0.1 && norms[k + 1] > 1e-12) orders.push(Math.log(norms[k + 1]) / Math.log(norms[k]));
    }
    expect(orders.length).toBeGreaterThan(0);
    for (const order of orders) expect(order).toBeGreaterThan(1.4);
  });

  it('nonlinear-cg needs few steps for few distinct curvatures, as conjugate gradients do', async () => {
    const scales = f64([1, 1, 1, 10, 10, 100]);
    const { iterations, objective } = await minimise(
      { initial: f64([1, -2, 3, 1, 1, 1]), objective: (x: Tensor) => sum(x.square().mul(scales)).mul(0.5) },
      { method: 'nonlinear-cg' },
    );
    expect(objective).toBeLessThan(1e-12);
    // Steepest descent would take hundreds at this condition number of 100; an inexact search costs more than the three of theory.
    expect(iterations).toBeLessThan(30);
  });
});

describe('levenberg-marquardt', () => {
  const { t, y, p, objective } = oracle.exponentials;
  const [times, values] = [f64(t), f64(y)];
  type Model = { scale: Tensor; rate: Tensor; offset: Tensor };
  const residuals = ({ scale, rate, offset }: Model) => times.mul(rate).neg().exp().mul(scale).add(offset).sub(values);
  const initial = { scale: f64(1), rate: f64(1), offset: f64(0) };

  it('agrees with SciPy on a fit with noise', async () => {
    const result = await minimise({ initial, residuals }, { tolerance: 1e-12 });
    expect(result.converged).toBe(true);
    expect(result.iterations).toBeLessThan(30);
    expect(Math.abs(result.objective - objective)).toBeLessThan(1e-12);
    await expectClose(result.x.scale, [p[0]], 1e-6);
    await expectClose(result.x.rate, [p[1]], 1e-6);
    await expectClose(result.x.offset, [p[2]], 1e-6);
  });

  it('solves Rosenbrock as residuals, and Powell’s function with a singular Jacobian', async () => {
    const banana = await minimise({
      initial: f64([-1.2, 1]),
      residuals: (x: Tensor) => {
        const [a, b] = [slice(x, [0], [1]), slice(x, [1], [2])];
        return [b.sub(a.square()).mul(10), a.mul(-1).add(1)];
      },
    });
    expect(banana.converged).toBe(true);
    await expectClose(banana.x, [1, 1], 1e-6);
    const part = (x: Tensor, k: number) => slice(x, [k], [k + 1]);
    const singular = await minimise(
      {
        initial: f64([3, -1, 0, 1]),
        residuals: (x: Tensor) => [
          part(x, 0).add(part(x, 1).mul(10)),
          part(x, 2).sub(part(x, 3)).mul(Math.sqrt(5)),
          part(x, 1).sub(part(x, 2).mul(2)).square(),
          part(x, 0).sub(part(x, 3)).square().mul(Math.sqrt(10)),
        ],
      },
      { tolerance: 1e-14 },
    );
    expect(singular.objective).toBeLessThan(1e-15);
  });

  it('copes with a parameter without influence, and refuses other methods', async () => {
    const result = await minimise({
      initial: f64([5, 7]),
      residuals: (x: Tensor) => slice(x, [0], [1]).sub(2),
    });
    expect(result.converged).toBe(true);
    await expectClose(result.x, [2, 7], 1e-6);
    await expect(minimise({ initial, residuals }, { method: 'lbfgs' })).rejects.toThrow(
      /method 'levenberg-marquardt' for residuals, received 'lbfgs'/,
    );
  });
});

describe('the front door', () => {
  const problem = { initial: f64([1]), objective: (x: Tensor) => sum(x.square()) };

  it('refuses what it cannot take', async () => {
    await expect(minimise(problem, { methode: 'lbfgs' } as MinimiseOptions)).rejects.toThrow(/received 'methode'/);
    await expect(minimise(problem, { method: 'bfgs' as Method })).rejects.toThrow(DomainError);
    await expect(minimise({ ...problem, initial: {} as Tensor })).rejects.toThrow(ShapeError);
    const whole = { ...problem, initial: tensor(Int32Array.of(1)) };
    await expect(minimise(whole)).rejects.toThrow(DTypeError);
    await expect(minimise({ ...problem, objective: (x: Tensor) => x })).rejects.toThrow(/one float scalar/);
    const mixed = { initial: [tensor([1]), f64([1])], objective: ([a]: Tensor[]) => sum(a) };
    await expect(minimise(mixed)).rejects.toThrow(/one float dtype, received float32 and float64\[1\]/);
  });

  it('aborts in mid-descent, and reports progress', async () => {
    const controller = new AbortController();
    const seen: number[] = [];
    // Large enough that rounding stops it only after many seconds.
    const n = 200_000;
    const start = Array.from({ length: n }, (_, k) => (k % 2 === 0 ? -1.2 : 1));
    const endless = minimise(
      { initial: f64(start), objective: rosenbrock },
      {
        method: 'nonlinear-cg',
        tolerance: 0,
        objectiveTolerance: 0,
        maxIterations: 10_000_000,
        signal: controller.signal,
        onProgress: ({ iteration, objective }) => {
          seen.push(iteration);
          expect(objective).toBeGreaterThan(0);
          if (seen.length === 2) controller.abort();
        },
      },
    );
    await expect(endless).rejects.toMatchObject({ code: 'ERR_ABORTED', op: 'minimise' });
    expect(seen[1]).toBeGreaterThan(seen[0]);
  });
});
