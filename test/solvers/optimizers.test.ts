/** Optimisers and schedules against PyTorch's trajectories (test/oracles/solvers/optimizers.py). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  adagrad,
  adam,
  adamW,
  addDecayedWeights,
  applyUpdates,
  chain,
  clipByGlobalNorm,
  clipByValue,
  DomainError,
  jit,
  type Optimizer,
  rmsProp,
  scalar,
  scaleByAdam,
  scaleByLearningRate,
  scaleByMomentum,
  scan,
  schedules,
  sgd,
  stack,
  type Tensor,
  tensor,
  valueAndGrad,
} from '../../lib/index.js';

const oracle = new URL('../oracles/solvers/optimizers.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(oracle, 'utf8')) as { cases: Record<string, number[][]> };

type Parameters = { a: Tensor; b: Tensor };
const at = (x: Tensor, k: number): Tensor => x.mul(tensor(k === 0 ? [1, 0] : [0, 1], { dtype: 'float64' })).sum();

function objective({ a, b }: Parameters): Tensor {
  const [x, y] = [at(a, 0), at(a, 1)];
  return x.sub(1).square().add(y.add(2).square().square().mul(0.5)).add(x.mul(b).mul(0.3)).add(b.sub(0.5).square());
}

const optimizers: Record<string, Optimizer<never>> = Object.fromEntries(
  Object.entries({
    sgd: sgd(0.05),
    momentum: sgd(0.05, { momentum: 0.8 }),
    nesterov: sgd(0.05, { momentum: 0.8, nesterov: true }),
    'coupled-decay': chain(addDecayedWeights(0.1), scaleByMomentum(0.8), scaleByLearningRate(0.05)),
    adam: adam(0.1, { beta1: 0.8, beta2: 0.99, epsilon: 1e-6 }),
    adamW: adamW(0.1, { weightDecay: 0.2 }),
    adagrad: adagrad(0.3, { initialAccumulator: 0.1 }),
    rmsProp: rmsProp(0.05, { decay: 0.9 }),
    'rmsProp-momentum': rmsProp(0.02, { decay: 0.9, momentum: 0.7 }),
    'rmsProp-centered': rmsProp(0.02, { decay: 0.9, centered: true }),
    'clip-norm': chain(clipByGlobalNorm(1.5), sgd(0.05)),
    'clip-value': chain(clipByValue(0.8), sgd(0.05)),
    exponential: sgd(schedules.exponential({ initial: 0.1, rate: 0.8 })),
    staircase: sgd(schedules.exponential({ initial: 0.1, rate: 0.5, every: 3, staircase: true })),
    piecewise: sgd(schedules.piecewise([2, 7], [0.1, 0.01, 0.001])),
    linear: sgd(schedules.linear({ from: 0.02, to: 0.07, steps: 5 })),
    'warm-up-cosine': sgd(schedules.warmUp(schedules.cosine({ initial: 0.1, steps: 6, final: 0.01 }), { steps: 4 })),
  }).map(([name, optimizer]) => [name, optimizer as unknown as Optimizer<never>]),
);

/** The parameters after each of `length` steps, [length, 3], as one native loop. */
function run(optimizer: Optimizer<never>, length: number): Tensor {
  const start: Parameters = { a: tensor([3, -1], { dtype: 'float64' }), b: scalar(2, 'float64') };
  return jit((initial: Parameters) => {
    const carry = { parameters: initial, state: optimizer.init(initial) as unknown as Tensor[] };
    return scan(
      ({ parameters, state }: typeof carry, _: null) => {
        const [, gradients] = valueAndGrad(objective)(parameters);
        const step = optimizer.update(gradients, state as never, parameters);
        const next = applyUpdates(parameters, step.updates);
        return [{ parameters: next, state: step.state }, stack([at(next.a, 0), at(next.a, 1), next.b])] as const;
      },
      carry,
      null,
      { length },
    )[1];
  })(start) as Tensor;
}

describe('against PyTorch', () => {
  it('covers every case', () => expect(Object.keys(optimizers).sort()).toEqual(Object.keys(cases).sort()));

  for (const [name, path] of Object.entries(cases)) {
    it(name, async () => {
      const ours = await run(optimizers[name], path.length).data();
      path.flat().forEach((value, k) => {
        // A dozen steps of float64, each a few roundings.
        expect(Math.abs(ours[k] - value)).toBeLessThan(1e-12);
      });
    });
  }
});

describe('schedules', () => {
  it('stay traced: one Program serves a changing rate', async () => {
    let traces = 0;
    const step = jit((w: Tensor, g: Tensor, rate: Tensor) => {
      traces++;
      const optimizer = sgd(rate);
      return applyUpdates(w, optimizer.update(g, optimizer.init(w), w).updates);
    });
    const [w, g] = [tensor([1, 2]), tensor([1, -1])];
    for (const rate of [0.1, 0.2, 0.3]) {
      const [a, b] = await step(w, g, scalar(rate)).data();
      expect(a).toBeCloseTo(1 - rate, 6);
      expect(b).toBeCloseTo(2 + rate, 6);
    }
    expect(traces).toBe(1);
  });

  it('end where they should', async () => {
    const value = async (schedule: schedules.Schedule, step: number) => {
      const rate = schedule(scalar(step, 'float64'));
      return typeof rate === 'object' ? rate.item() : rate;
    };
    const cosine = schedules.cosine({ initial: 1, steps: 10, final: 0.2 });
    expect(await value(cosine, 0)).toBe(1);
    expect(await value(cosine, 5)).toBeCloseTo(0.6, 12);
    expect(await value(cosine, 1000)).toBeCloseTo(0.2, 12);
    const pieces = schedules.piecewise([3, 5], [1, 2, 3]);
    expect(await Promise.all([0, 2, 3, 4, 5, 99].map((k) => value(pieces, k)))).toEqual([1, 1, 2, 2, 3, 3]);
    const warm = schedules.warmUp(schedules.constant(2), { steps: 4, from: 1 });
    expect(await Promise.all([0, 2, 4, 9].map((k) => value(warm, k)))).toEqual([1, 1.5, 2, 2]);
  });

  it('refuse what cannot be', () => {
    expect(() => schedules.piecewise([3, 2], [1, 2, 3])).toThrow(DomainError);
    expect(() => schedules.piecewise([3], [1])).toThrow(/one value more than the 1 boundaries, received 1/);
    expect(() => schedules.cosine({ initial: -1, steps: 3 })).toThrow(/initial >= 0, received -1/);
    expect(() => schedules.exponential({ initial: 1, rate: 0 })).toThrow(/rate > 0, received 0/);
  });
});

describe('optimisers', () => {
  it('keep float32 and float64 leaves side by side', async () => {
    const optimizer = chain(clipByGlobalNorm(10), scaleByAdam(), scaleByLearningRate(schedules.constant(0.1)));
    const p = { single: tensor([1]), double: tensor([1], { dtype: 'float64' }) };
    const { updates } = optimizer.update(p, optimizer.init(p), p);
    expect([updates.single.dtype, updates.double.dtype]).toEqual(['float32', 'float64']);
    expect((await updates.single.data())[0]).toBeCloseTo(-0.1, 6);
  });

  it('pass NaN on when they clip', async () => {
    const p = tensor([1, 2]);
    const g = tensor([Number.NaN, 1]);
    for (const clip of [clipByGlobalNorm(1), clipByValue(1)]) {
      expect((await clip.update(g, [], p).updates.data())[0]).toBeNaN();
    }
  });

  it('refuse options out of range, and unknown ones', () => {
    expect(() => sgd(0.1, { momentum: 1 })).toThrow(/momentum in \[0, 1\), received 1/);
    expect(() => adam(0.1, { beta1: 1 })).toThrow(DomainError);
    expect(() => adamW(0.1, { decay: 1 } as never)).toThrow(/received 'decay'/);
    expect(() => rmsProp(Number.NaN)).toThrow(DomainError);
    expect(() => clipByGlobalNorm(0)).toThrow(DomainError);
  });
});
