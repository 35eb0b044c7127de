import { describe, expect, it } from 'vitest';
import {
  abs,
  adam,
  add,
  applyUpdates,
  conjugateGradient,
  DomainError,
  grad,
  jit,
  matmul,
  maximum,
  mul,
  NumericalError,
  nn,
  proximalGradient,
  random,
  scan,
  sgd,
  sign,
  sub,
  sum,
  type Tensor,
  tensor,
} from '../../lib/index.js';

const f64 = (data: Parameters<typeof tensor>[0]) => tensor(data, { dtype: 'float64' });

describe('conjugateGradient', () => {
  it('solves a system to the accuracy asked for, in at most n steps', async () => {
    const b = random.normal(random.key(1), [40, 40], { dtype: 'float64' });
    const right = random.normal(random.key(2), [40], { dtype: 'float64' });
    const spd = add(matmul(b, b, { transposeB: true }).mul(1 / 40), tensorEye(40));
    const { x, converged, iterations, residual } = await conjugateGradient((v) => matmul(spd, v), right);
    expect(converged).toBe(true);
    expect(iterations).toBeLessThanOrEqual(45);
    expect(residual).toBeLessThanOrEqual(1e-10);
    const error = await maxOf(abs(sub(matmul(spd, x), right)));
    expect(error).toBeLessThan(1e-8);
  });

  it('refuses an indefinite breakdown and unknown options', async () => {
    await expect(conjugateGradient((v) => v.mul(0), f64([1, 2]))).rejects.toThrow(NumericalError);
    await expect(conjugateGradient((v) => v, f64([1]), { tolerence: 1 } as never)).rejects.toThrow(DomainError);
  });

  it('aborts', async () => {
    const controller = new AbortController();
    // Badly conditioned, and some milliseconds an iteration.
    const b = random.normal(random.key(4), [1500, 1500], { dtype: 'float64' });
    const slow = conjugateGradient(
      (v) => matmul(b, matmul(b, v), { transposeA: true }),
      random.normal(random.key(3), [1500], { dtype: 'float64' }),
      { signal: controller.signal, tolerance: 1e-14, maxIterations: 1_000_000 },
    );
    setTimeout(() => controller.abort(), 20);
    await expect(slow).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

function tensorEye(n: number): Tensor {
  const data = new Float64Array(n * n);
  for (let k = 0; k < n; k++) data[k * n + k] = 1;
  return tensor(data, { shape: [n, n] });
}

const maxOf = (x: Tensor) => x.max().item();

describe('proximalGradient', () => {
  it('solves the lasso: KKT conditions hold', async () => {
    const [n, d, lambda] = [60, 20, 2];
    const x = random.normal(random.key(5), [n, d], { dtype: 'float64' });
    const y = random.normal(random.key(6), [n], { dtype: 'float64' });
    const loss = (w: Tensor) => nn.squaredLoss(matmul(x, w), y);
    const lipschitz = await sum(x.square()).item();
    const soft = (z: Tensor, t: number) => mul(sign(z), maximum(sub(abs(z), t * lambda), 0));
    const { x: w, converged } = await proximalGradient(loss, soft, f64(Array<number>(d).fill(0)), {
      stepSize: 1 / lipschitz,
      maxIterations: 20_000,
      tolerance: 1e-12,
    });
    expect(converged).toBe(true);
    const [weights, gradient] = await Promise.all([w.data(), grad(loss)(w).data()]);
    weights.forEach((weight, k) => {
      // 0 ∈ ∇f + λ ∂|w|
      if (weight === 0) expect(Math.abs(gradient[k])).toBeLessThanOrEqual(lambda + 1e-6);
      else expect(gradient[k]).toBeCloseTo(-lambda * Math.sign(weight), 6);
    });
    expect(weights.some((weight) => weight === 0)).toBe(true);
    expect(weights.some((weight) => weight !== 0)).toBe(true);
  });
});

describe('optimisers', () => {
  const target = [3, -2];
  const loss = ({ w }: { w: Tensor }) => sum(sub(w, f64(target)).square());

  it('sgd with momentum makes the steps of its formula', async () => {
    const optimizer = sgd(0.1, { momentum: 0.5 });
    let parameters = { w: f64([0, 0]) };
    let state = optimizer.init(parameters);
    let [w, m] = [0, 0];
    for (let k = 0; k < 3; k++) {
      const step = optimizer.update(grad(loss)(parameters), state, parameters);
      parameters = applyUpdates(parameters, step.updates);
      state = step.state;
      m = 0.5 * m + 2 * (w - 3);
      w -= 0.1 * m;
    }
    expect((await parameters.w.data())[0]).toBeCloseTo(w, 12);
  });

  it('adam makes the steps of its formula, and converges inside a native loop', async () => {
    const optimizer = adam(0.05);
    const start = { w: f64([0, 0]) };
    const first = optimizer.update(grad(loss)(start), optimizer.init(start), start);
    // Bias correction makes the first step ±learningRate.
    const [a, b] = await first.updates.w.data();
    expect(a).toBeCloseTo(0.05, 6);
    expect(b).toBeCloseTo(-0.05, 6);
    const train = jit((w: Tensor) => {
      const parameters = { w };
      type Carry = { parameters: { w: Tensor }; state: ReturnType<typeof optimizer.init> };
      const carry: Carry = { parameters, state: optimizer.init(parameters) };
      return scan(
        (now: Carry, _: null) => {
          const { updates, state } = optimizer.update(grad(loss)(now.parameters), now.state, now.parameters);
          return [{ parameters: applyUpdates(now.parameters, updates), state }, null] as const;
        },
        carry,
        null,
        { length: 800 },
      )[0].parameters.w;
    });
    const found = await train(f64([0, 0])).data();
    expect(Math.abs(found[0] - 3)).toBeLessThan(1e-2);
    expect(Math.abs(found[1] + 2)).toBeLessThan(1e-2);
  });

  it('refuses a step size of zero', () => {
    expect(() => sgd(0)).toThrow(DomainError);
    expect(() => adam(-1)).toThrow(DomainError);
  });
});

describe('softmaxCrossEntropy', () => {
  it('is the mean of −log p, without overflow, and has the gradient p − onehot', async () => {
    const logits = f64([
      [1, 2, 3],
      [1000, 0, -1000],
    ]);
    const labels = tensor(Int32Array.of(2, 0));
    const p = Math.exp(3) / (Math.exp(1) + Math.exp(2) + Math.exp(3));
    expect(await nn.softmaxCrossEntropy(logits, labels).item()).toBeCloseTo(-Math.log(p) / 2, 12);
    const g = await grad((z: Tensor) => nn.softmaxCrossEntropy(z, labels))(logits).data();
    expect(g[2]).toBeCloseTo((p - 1) / 2, 12);
    expect(g[3]).toBeCloseTo(0, 12);
  });
});
