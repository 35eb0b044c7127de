import { describe, expect, it } from 'vitest';
import {
  add,
  cholesky,
  choleskySolve,
  cond,
  DTypeError,
  exp,
  grad,
  hvp,
  jit,
  jvp,
  linearTranspose,
  log,
  logSumExp,
  matmul,
  mul,
  program,
  relu,
  ShapeError,
  scan,
  sin,
  sub,
  sum,
  type Tensor,
  TracingError,
  tensor,
  valueAndGrad,
  vjp,
  where,
  whileLoop,
} from '../../lib/index.js';

const f64 = (data: Parameters<typeof tensor>[0]) => tensor(data, { dtype: 'float64' });
const numbers = async (t: Tensor) => Array.from(await t.data());

/** Central differences of a scalar function, float64: error of order h² plus rounding of order eps/h. */
async function differences(f: (x: Tensor) => Tensor, x: number[], h = 1e-5): Promise<number[]> {
  const at = async (k: number, step: number) => f(f64(x.map((value, j) => (j === k ? value + step : value)))).item();
  return Promise.all(x.map(async (_, k) => ((await at(k, h)) - (await at(k, -h))) / (2 * h)));
}

function expectClose(received: readonly number[], expected: readonly number[], tolerance = 1e-7): void {
  expect(received.length).toBe(expected.length);
  received.forEach((value, k) => {
    expect(Math.abs(value - expected[k]), `entry ${k}: ${value} against ${expected[k]}`).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(expected[k])),
    );
  });
}

describe('grad', () => {
  it('keeps the structure of its argument', async () => {
    const loss = ({ w, b: [b] }: { w: Tensor; b: Tensor[] }, x: Tensor) => matmul(x, w).add(b).square().sum();
    const g = grad(loss)(
      { w: f64([1, 2]), b: [f64(3)] },
      f64([
        [1, 0],
        [0, 1],
      ]),
    );
    expectClose(await numbers(g.w), [8, 10]);
    expectClose(await numbers(g.b[0]), [18]);
  });

  it('takes several argnums in any order', async () => {
    const [db, da] = (
      grad((a: Tensor, b: Tensor) => mul(a, mul(b, b)), { argnums: [1, 0] }) as unknown as (
        a: Tensor,
        b: Tensor,
      ) => Tensor[]
    )(f64(2), f64(3));
    expect(await db.item()).toBe(12);
    expect(await da.item()).toBe(9);
  });

  it('nests with itself and with jit', async () => {
    const f = (x: Tensor) => sin(x);
    const third = jit(grad((x: Tensor) => grad(jit((y: Tensor) => grad(f)(y)))(x)));
    expect(await third(f64(0.7)).item()).toBeCloseTo(-Math.cos(0.7), 12);
  });

  it('sees through closures over traced values', async () => {
    // d/dx of x * d/dy (x y²) at y = 3 is d/dx 6x² = 12x.
    const f = (x: Tensor) => mul(x, grad((y: Tensor) => mul(x, y.square()))(f64(3)));
    expect(await grad(f)(f64(2)).item()).toBeCloseTo(24, 12);
  });

  it('agrees with differences on a function with many rules', async () => {
    const f = (x: Tensor) => {
      const a = matmul(x.reshape([2, 3]), x.reshape([3, 2])).add(
        mul(
          f64([
            [1, 0],
            [0, 1],
          ]),
          30,
        ),
      );
      const l = cholesky(mul(add(a, a.transpose()), 0.5));
      const s = choleskySolve(l, exp(mul(x, 0.1)).reshape([2, 3]));
      return add(logSumExp(s), sum(mul(relu(sin(x)), log(add(x.square(), 1)))));
    };
    const x = [0.3, -1.2, 2.1, 0.8, -0.4, 1.7];
    expectClose(await numbers(grad(f)(f64(x))), await differences(f, x));
  });

  it('refuses what has no gradient, and says so', () => {
    expect(() => grad((x: Tensor) => x)(f64([1, 2]))).toThrow(ShapeError);
    expect(() => grad((x: Tensor) => x.cast('float32').sum())(tensor(Int32Array.of(1, 2)))).toThrow(DTypeError);
    const loop = (x: Tensor) =>
      whileLoop(
        (v) => v.less(10),
        (v) => v.mul(2),
        x,
      );
    expect(() => grad(loop)(f64(1))).toThrow(/scan/);
  });
});

describe('jvp, vjp and hvp', () => {
  it('hvp is the Hessian times v', async () => {
    const a = f64([
      [2, 1, 0],
      [1, 3, -1],
      [0, -1, 4],
    ]);
    const f = (x: Tensor) => add(mul(matmul(x, matmul(a, x)), 0.5), sum(mul(mul(x, x), x)));
    const [x, v] = [
      [0.5, -1, 2],
      [1, 2, -1],
    ];
    const hessian = [
      [2 + 3, 1, 0],
      [1, 3 - 6, -1],
      [0, -1, 4 + 12],
    ];
    const expected = hessian.map((row) => row.reduce((total, h, k) => total + h * v[k], 0));
    expectClose(await numbers(hvp(f)(f64(x), f64(v))), expected, 1e-12);
    expectClose(await numbers(jit(hvp(f))(f64(x), f64(v))), expected, 1e-12);
  });

  it('jvp and vjp agree: <J v, w> = <v, Jᵀ w>', async () => {
    const f = (x: Tensor) => ({ a: sin(x), b: [matmul(x, x), exp(x).sum()] as const });
    const [x, v] = [f64([0.1, 0.5, -0.3]), f64([1, -2, 0.5])];
    const w = { a: f64([0.3, 0.2, 0.1]), b: [f64(2), f64(-1)] as const };
    const [, dy] = jvp(f, [x], [v]);
    const [y, pullback] = vjp(f, x);
    const [xbar] = pullback(w as never);
    const inner = async (a: Tensor, b: Tensor) => sum(mul(a, b)).item();
    const left = (await inner(dy.a, w.a)) + (await inner(dy.b[0], w.b[0])) + (await inner(dy.b[1], w.b[1]));
    expect(left).toBeCloseTo(await inner(v, xbar), 12);
    expectClose(await numbers(y.a), [0.1, 0.5, -0.3].map(Math.sin), 1e-12);
  });

  it('valueAndGrad computes the value once and right', async () => {
    const [value, gradient] = valueAndGrad((x: Tensor) => x.square().sum())(f64([1, 2, 3]));
    expect(await value.item()).toBe(14);
    expectClose(await numbers(gradient), [2, 4, 6]);
  });

  it('linearTranspose: <A x, y> = <x, Aᵀ y>, and refuses what is not linear', async () => {
    const m = f64([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const f = (x: Tensor) =>
      matmul(m, x)
        .mul(2)
        .sub(matmul(m, x.mul(0.5)));
    const transposed = linearTranspose(f, f64([0, 0, 0]));
    const [x, y] = [f64([1, -1, 2]), f64([3, 4])];
    expect(await sum(mul(f(x), y)).item()).toBeCloseTo(await sum(mul(x, transposed(y))).item(), 12);
    expect(() => linearTranspose((v: Tensor) => v.square(), f64(1))).toThrow();
  });
});

describe('control flow', () => {
  const steps = f64([0.1, 0.2, 0.3, 0.4]);
  /** carry and weights both matter, ys are returned, an integer rides along. */
  const rollout = (w: Tensor, start: Tensor) => {
    const [{ s }, ys] = scan(
      ({ s: state, k }: { s: Tensor; k: Tensor }, x: Tensor) => {
        const next = sin(add(mul(state, w), x));
        return [{ s: next, k: k.add(1) }, mul(next, state)] as const;
      },
      { s: start, k: tensor(Int32Array.of(0), { shape: [] }) },
      steps,
    );
    return add(sum(s), sum(ys));
  };
  const byHand = (w: number[], start: number[]) => {
    let s = start;
    let total = 0;
    for (const x of [0.1, 0.2, 0.3, 0.4]) {
      const next = s.map((value, k) => Math.sin(value * w[k] + x));
      total += next.reduce((sum0, value, k) => sum0 + value * s[k], 0);
      s = next;
    }
    return total + s.reduce((a, b) => a + b, 0);
  };

  it('scan runs, in both directions', async () => {
    expect(await rollout(f64([0.5, -1]), f64([1, 2])).item()).toBeCloseTo(byHand([0.5, -1], [1, 2]), 12);
    const [last, all] = scan((c: Tensor, x: Tensor) => [add(mul(c, 2), x), c] as const, f64(0), f64([1, 2, 3]), {
      reverse: true,
    });
    expect(await last.item()).toBe(2 * (2 * 3 + 2) + 1);
    expectClose(await numbers(all), [8, 3, 0]);
  });

  it('scan differentiates in reverse, twice, and forward over reverse', async () => {
    const [w, s] = [
      [0.5, -1],
      [1, 2],
    ];
    const f = (x: Tensor) => rollout(x, f64(s));
    expectClose(await numbers(grad(f)(f64(w))), await differences(f, w));
    expectClose(
      await numbers(grad((x: Tensor) => rollout(f64(w), x))(f64(s))),
      await differences((x) => rollout(f64(w), x), s),
    );
    const directional = (x: Tensor) => sum(mul(grad(f)(x), f64([0.3, 0.7])));
    const expected = await differences(directional, w);
    expectClose(await numbers(grad(directional)(f64(w))), expected, 1e-6);
    expectClose(await numbers(hvp(f)(f64(w), f64([0.3, 0.7]))), expected, 1e-6);
  });

  it('whileLoop runs and differentiates forward', async () => {
    // x -> x^(2^n) until it passes 100
    const f = (x: Tensor) =>
      whileLoop(
        (v) => v.less(100),
        (v) => v.square(),
        x,
      );
    expect(await f(f64(3)).item()).toBe(6561);
    const [, slope] = jvp(f, [f64(3)], [f64(1)]);
    expect(await slope.item()).toBeCloseTo(8 * 3 ** 7, 8);
    const compiled = jit(f);
    expect(await compiled(f64(3)).item()).toBe(6561);
    expect(await compiled(f64(1000)).item()).toBe(1000);
  });

  it('cond takes one branch, and differentiates in both modes', async () => {
    const scale = f64(3);
    const f = (x: Tensor) =>
      cond(
        x.greater(0),
        (v: Tensor) => mul(v.square(), scale),
        (v: Tensor) => sin(v),
        x,
      );
    expect(await f(f64(2)).item()).toBe(12);
    expect(await f(f64(-2)).item()).toBeCloseTo(Math.sin(-2), 14);
    expect(await grad(f)(f64(2)).item()).toBe(12);
    expect(await grad(f)(f64(-2)).item()).toBeCloseTo(Math.cos(-2), 14);
    const [, slope] = jvp(f, [f64(2)], [f64(0.5)]);
    expect(await slope.item()).toBe(6);
    expect(await grad(grad(f))(f64(2)).item()).toBe(6);
  });

  it('says what is wrong with a loop', () => {
    expect(() =>
      whileLoop(
        (x) => x.less(1),
        (x) => x.cast('float32'),
        f64(0),
      ),
    ).toThrow(DTypeError);
    expect(() =>
      whileLoop(
        (x) => x,
        (x) => x,
        f64(0),
      ),
    ).toThrow(/bool scalar/);
    expect(() => scan((c: Tensor, _: null) => [c, c] as const, f64(0), null)).toThrow(/length/);
    expect(() => scan((c: Tensor, x: Tensor) => [add(c, x), c] as const, f64(0), f64([[1], [2]]))).toThrow(ShapeError);
  });
});

describe('tracing errors', () => {
  it('explains an if on a traced value', () => {
    expect(() => jit((x: Tensor) => ((x as unknown as number) > 0 ? x : x.neg()))(f64(1))).toThrow(TracingError);
    expect(() => jit((x: Tensor) => (x.itemSync() > 0 ? x : x.neg()))(f64(1))).toThrow(/where\(\) or cond\(\)/);
  });

  it('explains a leaked tracer', () => {
    let leak: Tensor | undefined;
    jit((x: Tensor) => {
      leak = x.mul(2);
      return x;
    })(f64(1));
    expect(() => (leak as Tensor).add(1)).toThrow(/leak|returned/);
    expect(() => jit((x: Tensor) => add(x, leak as Tensor))(f64(1))).toThrow(/leaked/);
  });

  it('refuses asynchronous functions', () => {
    expect(() => jit(async (x: Tensor) => x)(f64(1))).toThrow(/synchronous/);
  });

  it('prints a Program for reading', () => {
    const text = program((x: Tensor) => where(x.greater(0), x.mul(2), x))(f64([1, 2])).toString();
    expect(text).toContain('program (a:float64[2])');
    expect(text).toContain('mul a 2');
    expect(text).toContain('select');
  });

  it('subtracts what sub subtracts', async () => {
    expectClose(await numbers(grad((x: Tensor) => sum(sub(f64([1, 2]), mul(x, x))))(f64([3, 4]))), [-6, -8]);
  });
});
