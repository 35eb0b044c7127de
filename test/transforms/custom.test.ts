import { describe, expect, it } from 'vitest';
import {
  add,
  checkpoint,
  cond,
  cos,
  customJvp,
  customVjp,
  exp,
  grad,
  hvp,
  jit,
  jvp,
  log,
  matmul,
  memory,
  mul,
  program,
  ShapeError,
  scan,
  sigmoid,
  sin,
  stopGradient,
  sum,
  type Tensor,
  TracingError,
  tensor,
  vjp,
  vmap,
  whileLoop,
  zeros,
} from '../../lib/index.js';

const f64 = (data: Parameters<typeof tensor>[0]) => tensor(data, { dtype: 'float64' });
const numbers = (t: Tensor) => Array.from(t.dataSync() as Float64Array);

describe('customVjp', () => {
  /** log(1 + e^x), whose derived gradient is NaN where e^x overflows. */
  const naive = (x: Tensor) => log(exp(x).add(1));
  const softplus = customVjp(naive, {
    forward: (x) => [naive(x), x],
    backward: (x, ct) => [ct.mul(sigmoid(x))],
  });

  it('replaces the derived gradient', () => {
    const derived = numbers(grad((x: Tensor) => sum(naive(x)))(f64([1, 800])));
    expect(derived[1]).toBeNaN();
    const given = numbers(grad((x: Tensor) => sum(softplus(x)))(f64([1, 800])));
    expect(given[0]).toBeCloseTo(derived[0] as number, 14);
    expect(given[1]).toBe(1);
    expect(numbers(softplus(f64([1])))).toEqual(numbers(naive(f64([1]))));
  });

  it('is refused in forward mode, naming customJvp, while hvp through it works', () => {
    const f = (x: Tensor) => sum(softplus(x));
    expect(() => jvp(f, [f64([1])], [f64([1])])).toThrow(TracingError);
    expect(() => jvp(f, [f64([1])], [f64([1])])).toThrow(/customJvp/);
    const slope = (x: number) => 1 / (1 + Math.exp(-x));
    const curvature = (x: number) => slope(x) * (1 - slope(x));
    expect(numbers(hvp(f)(f64([0.3, -2]), f64([1, 2])))[0]).toBeCloseTo(curvature(0.3), 12);
    // In branches and loops, too: the first pass of reverse mode runs the forward rule.
    const branch = (x: Tensor) =>
      cond(
        x.sum().greater(0),
        (v: Tensor) => sum(softplus(v)),
        (v: Tensor) => v.sum(),
        x,
      );
    expect(numbers(hvp(branch)(f64([0.3]), f64([1])))[0]).toBeCloseTo(curvature(0.3), 12);
    const loop = (x: Tensor) =>
      sum(scan((c: Tensor, _: null) => [softplus(c), null] as const, x, null, { length: 2 })[0]);
    const plain = (x: Tensor) => sum(naive(naive(x)));
    expect(numbers(hvp(loop)(f64([0.3]), f64([1])))[0]).toBeCloseTo(
      numbers(hvp(plain)(f64([0.3]), f64([1])))[0] as number,
      12,
    );
    const again = (x: Tensor) => sum(checkpoint((v: Tensor) => softplus(v))(x));
    expect(numbers(hvp(again)(f64([0.3]), f64([1])))[0]).toBeCloseTo(curvature(0.3), 12);
  });

  it('batches, and sums the cotangents of what all lanes share', () => {
    // A rule that is wrong on purpose shows that it is used: twice the gradient in w, nothing in the integer.
    const f = customVjp((w: Tensor, x: Tensor, k: Tensor) => mul(w, x).add(k.cast('float64')), {
      forward: (w, x, k) => [mul(w, x).add(k.cast('float64')), [w, x] as const],
      backward: ([w, x], ct) => [mul(ct, x).mul(2), mul(ct, w), null],
    });
    const k = tensor(Int32Array.of(1), { shape: [] });
    const total = (w: Tensor, x: Tensor) => sum(vmap(f, { inAxes: [null, 0, null] })(w, x, k));
    const [dw, dx] = grad(total, { argnums: [0, 1] })(f64(3), f64([1, 2, 5])) as unknown as Tensor[];
    expect(numbers(dw as Tensor)).toEqual([16]);
    expect(numbers(dx as Tensor)).toEqual([3, 3, 3]);
    const each = vmap(grad(f, { argnums: [0, 1] }), { inAxes: [null, 0, null] })(f64(3), f64([1, 2, 5]), k);
    expect(numbers((each as unknown as Tensor[])[0] as Tensor)).toEqual([2, 4, 10]);
    // Lanes that do not enter the rule's result still count once each.
    const constant = customVjp((w: Tensor, x: Tensor) => add(w, x), {
      forward: (w, x) => [add(w, x), null],
      backward: (_, ct) => [ct, ct],
    });
    const shared = grad((w: Tensor) => sum(vmap(constant, { inAxes: [null, 0] })(w, f64([1, 2, 3]))));
    expect(numbers(shared(f64(1)))).toEqual([3]);
  });

  it('takes and gives trees, in any structure', () => {
    const f = customVjp(
      ({ a, b }: { a: Tensor; b: Tensor[] }) => ({ y: mul(a, b[0] as Tensor), z: [b[1] as Tensor] }),
      {
        forward: ({ a, b }) => [
          { y: mul(a, b[0] as Tensor), z: [b[1] as Tensor] },
          { a, first: b[0] as Tensor },
        ],
        backward: ({ a, first }, { y, z }) => [{ a: mul(y, first), b: [mul(y, a), z[0] as Tensor] }],
      },
    );
    const g = grad((t: { a: Tensor; b: Tensor[] }) => {
      const { y, z } = f(t);
      return add(y, mul(z[0] as Tensor, 5));
    })({ a: f64(2), b: [f64(3), f64(4)] });
    expect([g.a, ...g.b].flatMap(numbers)).toEqual([3, 2, 5]);
  });

  it('says what is wrong with its rules', () => {
    const x = f64([1, 2]);
    const wrong = (rules: Parameters<typeof customVjp<[Tensor], Tensor, unknown>>[1]) => () =>
      grad((v: Tensor) => sum(customVjp((u: Tensor) => u.mul(2), rules)(v)))(x);
    expect(wrong({ forward: (u) => [u.sum(), null], backward: (_, ct) => [ct] })).toThrow(ShapeError);
    expect(wrong({ forward: (u) => [u.mul(2), null], backward: (_, ct) => [(ct as Tensor).sum()] })).toThrow(
      /cotangent/,
    );
    expect(wrong({ forward: (u) => [u.mul(2), null], backward: (_, ct) => [ct, ct] })).toThrow(ShapeError);
    expect(wrong({ forward: (u) => u.mul(2) as never, backward: (_, ct) => [ct] })).toThrow(/residuals/);
    const outside = f64([3, 4]);
    expect(wrong({ forward: (u) => [u.mul(2), null], backward: (_, ct) => [mul(ct as Tensor, outside)] })).toThrow(
      /argument of the function/,
    );
    expect(() =>
      grad((v: Tensor) => {
        const inner = customVjp((u: Tensor) => mul(u, v), { forward: (u) => [u, null], backward: (_, ct) => [ct] });
        return sum(inner(f64([1, 2])));
      })(x),
    ).toThrow(/outside/);
  });
});

describe('customJvp', () => {
  /** The root of y² = x by Newton's method in a loop, which reverse mode could not pass. */
  const newton = (x: Tensor) =>
    whileLoop(
      ({ k }) => k.less(40),
      ({ y, k }) => ({ y: y.add(x.div(y)).mul(0.5), k: k.add(1) }),
      { y: x, k: zeros([], { dtype: 'int32' }) },
    ).y;
  const root: (x: Tensor) => Tensor = customJvp(newton, ([x], [t]) => {
    const y = root(x);
    return [y, t.div(y.mul(2))];
  });

  it('serves both modes and every order, the rule using the function itself', () => {
    const x = 2;
    expect(numbers(jvp(root, [f64(x)], [f64(3)])[1])[0]).toBeCloseTo(3 * 0.5 * x ** -0.5, 12);
    expect(numbers(grad(root)(f64(x)))[0]).toBeCloseTo(0.5 * x ** -0.5, 12);
    expect(numbers(grad(grad(root))(f64(x)))[0]).toBeCloseTo(-0.25 * x ** -1.5, 12);
    expect(numbers(jit(grad(grad(grad(root))))(f64(x)))[0]).toBeCloseTo(0.375 * x ** -2.5, 12);
    expect(numbers(hvp(root)(f64(x), f64(1)))[0]).toBeCloseTo(-0.25 * x ** -1.5, 12);
  });

  it('batches, in all orders', () => {
    const xs = [1, 2, 9];
    const expected = xs.map((x) => 0.5 * x ** -0.5);
    for (const g of [vmap(grad(root)), grad((v: Tensor) => sum(vmap(root)(v)))]) {
      numbers(g(f64(xs))).forEach((value, k) => {
        expect(value).toBeCloseTo(expected[k] as number, 12);
      });
    }
  });

  it('gives zero tangents to what the rule says does not move', () => {
    const f = customJvp(
      (x: Tensor, k: Tensor) => [x.mul(2), k] as const,
      ([x, k], [t]) => [
        [x.mul(2), k],
        [t.mul(7), null],
      ],
    );
    const k = tensor(Int32Array.of(5), { shape: [] });
    const [[, same], [t]] = jvp(f, [f64(1), k], [f64(1), k]);
    expect(numbers(t)).toEqual([7]);
    expect(numbers(same)).toEqual([5]);
    expect(numbers(grad((x: Tensor) => f(x, k)[0])(f64(1)))).toEqual([7]);
  });

  it('refuses a rule that is not linear when it must transpose it', () => {
    const f = customJvp(
      (x: Tensor) => x.mul(2),
      ([x], [t]) => [x.mul(2), t.square()],
    );
    expect(numbers(jvp(f, [f64(1)], [f64(3)])[1])).toEqual([9]);
    expect(() => grad(f)(f64(1))).toThrow(/linear/);
  });
});

describe('stopGradient', () => {
  it('is a constant to every derivative', () => {
    const f = (x: Tensor) => mul(x, stopGradient(x.square()));
    expect(numbers(grad(f)(f64(3)))).toEqual([9]);
    expect(numbers(jvp(f, [f64(3)], [f64(1)])[1])).toEqual([9]);
    expect(numbers(vmap(grad(f))(f64([1, 2])))).toEqual([1, 4]);
  });
});

describe('checkpoint', () => {
  const w = f64([
    [0.3, -0.2],
    [0.5, 0.1],
  ]);
  const block = (x: Tensor) => sin(matmul(w, cos(matmul(w, x))));

  it('has the derivatives of the function', () => {
    const plain = (x: Tensor) => sum(block(block(x)));
    const kept = (x: Tensor) => sum(checkpoint(block)(checkpoint(block)(x)));
    const [x, v] = [f64([1, 2]), f64([0.5, -1])];
    expect(numbers(grad(kept)(x))).toEqual(numbers(grad(plain)(x)));
    numbers(hvp(kept)(x, v)).forEach((value, k) => {
      expect(value).toBeCloseTo(numbers(hvp(plain)(x, v))[k] as number, 13);
    });
    expect(numbers(vmap(grad(kept))(f64([[1, 2]])))).toEqual(numbers(grad(plain)(x)));
    // What comes from outside is differentiated, too.
    const inW = (m: Tensor) => sum(checkpoint((x: Tensor) => sin(matmul(m, x)))(f64([1, 2])));
    expect(numbers(grad(inW)(w))).toEqual(numbers(grad((m: Tensor) => sum(sin(matmul(m, f64([1, 2])))))(w)));
  });

  it('computes again on the way back, apart from the first pass', () => {
    const count = (text: string, name: string) => text.split(`= ${name} `).length - 1;
    const chain = (x: Tensor) => sin(exp(sin(x)));
    const [plain, kept] = [chain, checkpoint(chain)].map((f) =>
      program(grad((x: Tensor) => sum(f(x))))(zeros([100])).toString(),
    ) as [string, string];
    expect(count(plain, 'exp')).toBe(1);
    // Once in the first pass' program, once in that of the way back.
    expect(count(kept, 'exp')).toBe(1);
    expect(kept).toContain('checkpoint[apart=true]');
    // The value is not asked for, so the first pass is dead code; with the value it runs, and nothing but x is kept.
    const [, pullback] = vjp(checkpoint(chain), f64([1, 2]));
    expect(numbers(pullback(f64([1, 1]))[0]).length).toBe(2);
  });

  it('lowers the peak of memory', async () => {
    const n = 1 << 20;
    const square = zeros([1024, 1024]);
    /** Four results that the way back needs, 4 MB each. */
    const layer = (x: Tensor) => sin(matmul(square, exp(cos(matmul(square, sin(x))))));
    const deep = (wrap: (f: typeof layer) => typeof layer) => (x: Tensor) =>
      sum(Array.from({ length: 6 }, () => wrap(layer)).reduce((v, f) => f(v), x));
    const peakOf = async (f: (x: Tensor) => Tensor): Promise<number> => {
      const x = zeros([1024, 1024]);
      const before = memory();
      await jit(grad(f))(x).data();
      // The peak is that of the process so far: it tells only when it grows.
      return memory().peak - before.used;
    };
    const kept = await peakOf(deep((f) => checkpoint(f)));
    const plain = await peakOf(deep((f) => f));
    expect(plain - kept).toBeGreaterThan(8 * 4 * n);
  });
});
