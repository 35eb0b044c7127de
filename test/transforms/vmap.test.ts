import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  add,
  cholesky,
  cond,
  DomainError,
  emit,
  exp,
  grad,
  hvp,
  jacobian,
  jit,
  jvp,
  log,
  matmul,
  mul,
  NumericalError,
  norm,
  program,
  random,
  ShapeError,
  Stream,
  scan,
  scope,
  sin,
  sqrt,
  stack,
  sum,
  type Tensor,
  tensor,
  vmap,
  where,
  whileLoop,
  zeros,
} from '../../lib/index.js';
import { apply, inputsOf, recipes } from '../core/random-programs.js';

const f64 = (data: Parameters<typeof tensor>[0]) => tensor(data, { dtype: 'float64' });
const numbers = (t: Tensor) => Array.from(t.dataSync() as Float64Array);

function expectClose(received: readonly number[], expected: readonly number[], tolerance = 1e-12): void {
  expect(received.length).toBe(expected.length);
  received.forEach((value, k) => {
    const want = expected[k] as number;
    if (Object.is(value, want)) return;
    expect(Math.abs(value - want), `entry ${k}: ${value} against ${want}`).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(want)),
    );
  });
}

describe('vmap', () => {
  it('maps trees over the axes that inAxes and outAxes name', () => {
    const f = ({ a, b }: { a: Tensor; b: Tensor }, c: Tensor, scale: number) => ({
      s: mul(add(a, c), scale),
      p: [mul(b, 2)],
    });
    const mapped = vmap(f, { inAxes: [{ a: 1, b: null }, -1, 0], outAxes: { s: 1, p: null } });
    const a = tensor([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const result = mapped({ a, b: tensor(7) }, tensor([10, 20]), 2);
    expect(result.s.shape).toEqual([3, 2]);
    expect(numbers(result.s)).toEqual([22, 44, 26, 48, 30, 52]);
    expect(result.p[0]?.shape).toEqual([]);
    expect(numbers(result.p[0] as Tensor)).toEqual([14]);
  });

  it('stacks results that are the same for all lanes', () => {
    const [x, y] = vmap((v: Tensor) => [v, zeros([2])] as const)(f64([1, 2, 3]));
    expect(y.shape).toEqual([3, 2]);
    expect(numbers(x)).toEqual([1, 2, 3]);
  });

  it('takes results that are numbers', () => {
    expect(numbers(vmap((x: Tensor) => [x, 3] as const)(f64([1, 2]))[1])).toEqual([3, 3]);
  });

  it('takes a batch of none', () => {
    const f = (x: Tensor) =>
      cond(
        x.sum().greater(0),
        (v: Tensor) =>
          whileLoop(
            (u) => u.sum().less(9),
            (u) => u.mul(2),
            v,
          ),
        (v: Tensor) => exp(v),
        x,
      );
    expect(vmap(f)(zeros([0, 3])).shape).toEqual([0, 3]);
  });

  it('turns a product with one matrix into one product', () => {
    const w = zeros([5, 4]);
    const text = program(vmap((x: Tensor) => matmul(x, w)))(zeros([7, 5])).toString();
    expect(text).toContain('= matmul');
    expect(text).not.toContain('= broadcast');
    expect(text).not.toContain('= transpose');
    const columns = program(vmap((x: Tensor) => matmul(w, x), { inAxes: 0 }))(zeros([7, 4])).toString();
    expect(columns).not.toContain('= broadcast');
    expect(columns).not.toContain('= transpose');
  });

  it('says what is wrong with its arguments', () => {
    const f = (x: Tensor, y: Tensor) => add(x, y);
    expect(() => vmap(f)(zeros([2]), zeros([3]))).toThrow(ShapeError);
    expect(() => vmap(f)(zeros([2]), zeros([]))).toThrow(/inAxes/);
    expect(() => vmap(f, { inAxes: [0, 2] })(zeros([2]), zeros([2]))).toThrow(/axis/);
    expect(() => vmap(f, { inAxes: [null, null] })(zeros([2]), zeros([2]))).toThrow(DomainError);
    expect(() => vmap(f, { inAxes: [0] })(zeros([2]), zeros([2]))).toThrow(DomainError);
    expect(() => vmap(f, { outAxes: null })(zeros([2]), zeros([2]))).toThrow(/differs/);
    expect(() => vmap(f, { outAxes: { a: 0 } })(zeros([2]), zeros([2]))).toThrow(DomainError);
  });

  it('refuses more than eight dimensions, and says so', () => {
    const deep = zeros([2, 1, 1, 1, 1, 1, 1, 1]);
    const f = (x: Tensor) => x.reshape([1, ...x.shape]);
    expect(vmap((x: Tensor) => x.mul(2))(deep).rank).toBe(8);
    expect(() => vmap(f)(deep)).toThrow(ShapeError);
    expect(() => vmap(f)(deep)).toThrow(/at most 8 dimensions.*vmap adds|at most 8 dimensions.*Hint/);
  });
});

describe('vmap nests', () => {
  const w = f64([
    [0.5, -1, 0.3],
    [0.2, 0.1, -0.7],
  ]);
  const loss = (m: Tensor, x: Tensor) => sin(matmul(m, x)).square().sum();
  const xs = [
    [1, 2, 3],
    [-1, 0.5, 0.2],
    [0.3, 0.1, -2],
    [0, 1, 0],
  ];

  it('per-example gradients are those of each example, whatever the order of vmap, grad and jit', () => {
    const expected = xs.flatMap((x) => numbers(grad(loss)(w, f64(x))));
    const batch = f64(xs);
    expectClose(numbers(vmap(grad(jit(loss)), { inAxes: [null, 0] })(w, batch)), expected);
    expectClose(numbers(jit(vmap(grad(loss), { inAxes: [null, 0] }))(w, batch)), expected);
    const total = grad((m: Tensor) => sum(vmap(loss, { inAxes: [null, 0] })(m, batch)))(w);
    const added = expected.slice(0, 6).map((_, k) => xs.reduce((s, __, b) => s + (expected[b * 6 + k] as number), 0));
    expectClose(numbers(total), added);
  });

  it('with itself, in any order of axes', () => {
    const [a, b] = [f64(xs), f64([[1, 0, 2], ...xs])];
    const distance = (x: Tensor, y: Tensor) => norm(x.sub(y));
    const pairs = vmap((x: Tensor) => vmap((y: Tensor) => distance(x, y))(b))(a);
    const turned = vmap(vmap(distance, { inAxes: [0, null] }), { inAxes: [null, 0], outAxes: 1 })(a, b);
    const byHand = xs.flatMap((x) =>
      [[1, 0, 2], ...xs].map((y) => Math.hypot(...x.map((value, k) => value - (y[k] as number)))),
    );
    expectClose(numbers(pairs), byHand);
    expectClose(numbers(turned), byHand);
  });

  it('with hvp, jacobian and jvp', () => {
    const v = f64([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const each = (x: number[]) => numbers(hvp((m: Tensor) => loss(m, f64(x)))(w, v));
    const all = vmap((x: Tensor) => hvp((m: Tensor) => loss(m, x))(w, v))(f64(xs));
    expectClose(numbers(all), xs.flatMap(each));
    const jac = jacobian((m: Tensor) => vmap((x: Tensor) => sin(matmul(m, x)))(f64(xs)))(w);
    expect(jac.shape).toEqual([4, 2, 2, 3]);
    const byRow = xs.flatMap((x) => numbers(jacobian((m: Tensor) => sin(matmul(m, f64(x))))(w)));
    expectClose(numbers(jac), byRow);
    const [, t] = jvp((m: Tensor) => vmap((x: Tensor) => loss(m, x))(f64(xs)), [w], [v]);
    expectClose(
      numbers(t),
      xs.map((x) => numbers(jvp((m: Tensor) => loss(m, f64(x)), [w], [v])[1])[0] as number),
    );
  });

  it('keys that carry the batch give each lane its own numbers', () => {
    const keys = random.split(random.key(3), 4);
    const stacked = random.bits(random.key(3), [4, 2]);
    const lanes = numbers(vmap((key: Tensor) => random.normal(key, [5]))(stacked));
    expect(lanes).toEqual(keys.flatMap((key) => numbers(random.normal(key, [5]))));
    const same = vmap((x: Tensor) => random.uniform(random.key(1), []).add(x))(zeros([3]));
    expect(new Set(numbers(same)).size).toBe(1);
  });
});

describe('vmap of control flow', () => {
  it('runs a while loop as long as any lane does, and freezes the others', () => {
    let x = f64([1, 3, 200, 0.5]);
    const collatz = (v: Tensor) =>
      whileLoop(
        ({ value }) => value.less(100),
        ({ value, steps }) => ({ value: value.mul(3), steps: steps.add(1) }),
        { value: v, steps: zeros([], { dtype: 'int32' }) },
      );
    const all = vmap(collatz)(x);
    expect(numbers(all.value)).toEqual([243, 243, 200, 121.5]);
    expect(numbers(all.steps)).toEqual([5, 4, 0, 5]);
    // A frozen lane would overflow in a further step: its tangent is that of its own steps.
    x = f64([1, 90]);
    const growth = (v: Tensor) =>
      whileLoop(
        (u) => u.less(1e3),
        (u) => exp(u),
        v,
      );
    const [value, slope] = jvp(vmap(growth), [x], [f64([1, 1])]);
    const [a, b] = [Math.exp(1), Math.exp(Math.exp(1))];
    expectClose(numbers(value), [Math.exp(b), Math.exp(90)]);
    expectClose(numbers(slope), [a * b * Math.exp(b), Math.exp(90)]);
  });

  it('keeps what does not differ between lanes once', () => {
    const text = program(
      vmap(
        (x: Tensor) =>
          whileLoop(
            ({ k }) => k.less(5),
            ({ k, value, w }) => ({ k: k.add(1), value: sin(value).mul(w.sum()), w }),
            { k: zeros([]), value: x, w: zeros([9]) },
          ).value,
      ),
    )(zeros([4, 2])).toString();
    expect(text).not.toContain('float32[4, 9]');
    expect(text).toContain('float32[4, 2]');
    expect(text).not.toContain('select');
  });

  it('a cond that differs between lanes selects, without NaN where a branch was not meant', () => {
    const f = (x: Tensor) =>
      cond(
        x.greater(0),
        (v: Tensor) => add(log(v), sqrt(v)),
        (v: Tensor) => v.mul(2),
        x,
      );
    const x = [0, -3, 4, 1e-300, 0];
    const value = (v: number) => (v > 0 ? Math.log(v) + Math.sqrt(v) : 2 * v);
    const slope = (v: number) => (v > 0 ? 1 / v + 0.5 / Math.sqrt(v) : 2);
    const bend = (v: number) => (v > 0 ? -1 / v ** 2 - 0.25 / v ** 1.5 : 0);
    expectClose(numbers(vmap(f)(f64(x))), x.map(value));
    expectClose(numbers(vmap(grad(f))(f64(x))), x.map(slope));
    expectClose(numbers(grad((v: Tensor) => sum(vmap(f)(v)))(f64(x))), x.map(slope));
    expectClose(numbers(jvp(vmap(f), [f64(x)], [f64(x.map(() => 1))])[1]), x.map(slope));
    const moderate = x.filter((v) => v !== 1e-300);
    expectClose(numbers(vmap(grad(grad(f)))(f64(moderate))), moderate.map(bend));
    const twice = hvp((v: Tensor) => sum(vmap(f)(v)))(f64(moderate), f64(moderate.map(() => 1)));
    expectClose(numbers(twice), moderate.map(bend));
    // No lane takes the branch: it does not run at all.
    expectClose(numbers(grad((v: Tensor) => sum(vmap(f)(v)))(f64([0, -1]))), [2, 2]);
    // The plain select, for contrast, does have the NaN.
    const plain = (v: Tensor) => where(v.greater(0), add(log(v), sqrt(v)), v.mul(2));
    expect(numbers(vmap(grad(plain))(f64([0])))[0]).toBeNaN();
    const text = program(vmap(f))(f64(x)).toString();
    expect(text).toContain('select');
  });

  it('a gradient of weights shared by all lanes passes a cond', () => {
    const f = (w: Tensor, x: Tensor) =>
      cond(
        x.greater(0),
        (v: Tensor) => log(v.mul(w)),
        (v: Tensor) => v.mul(w),
        x,
      );
    const x = [0, 2, -1, 5];
    const w = 3;
    const total = grad((m: Tensor) => sum(vmap((v: Tensor) => f(m, v))(f64(x))))(f64(w));
    expectClose(numbers(total), [x.reduce((s, v) => s + (v > 0 ? 1 / w : v), 0)]);
  });

  it('a loop inside a branch runs for the lanes that take it only', () => {
    // From x <= 0 the loop would never end.
    const f = (x: Tensor) =>
      cond(
        x.greater(0),
        (v: Tensor) =>
          whileLoop(
            (u) => u.less(100),
            (u) => u.mul(2),
            v,
          ),
        (v: Tensor) => v,
        x,
      );
    expect(numbers(vmap(f)(f64([0, 3, -1, 1])))).toEqual([0, 192, -1, 128]);
    expect(numbers(vmap(f)(f64([0, -1])))).toEqual([0, -1]);
    const nested = vmap(vmap(f))(
      f64([
        [0, 3],
        [-1, -2],
      ]),
    );
    expect(numbers(nested)).toEqual([0, 192, -1, -2]);
  });

  it('a check fails for any lane, but not for one that does not take its branch', async () => {
    const matrix = (a: number) => [
      [a, 0],
      [0, 1],
    ];
    const factor = (a: Tensor) => cholesky(a).sum();
    await expect(vmap(factor)(f64([matrix(4), matrix(-1)])).data()).rejects.toThrow(NumericalError);
    expect(numbers(vmap(factor)(f64([matrix(4), matrix(9)])))).toEqual([3, 4]);
    const guarded = (a: Tensor) =>
      cond(
        a.sum().greater(1),
        (m: Tensor) => factor(m),
        (m: Tensor) => m.sum(),
        a,
      );
    expect(numbers(vmap(guarded)(f64([matrix(4), matrix(-1)])))).toEqual([3, 0]);
    expect(numbers(vmap(guarded)(f64([matrix(-1), matrix(-2)])))).toEqual([0, -1]);
    await expect(
      vmap(guarded)(
        f64([
          matrix(4),
          matrix(-1),
          [
            [1, 5],
            [5, 1],
          ],
        ]),
      ).data(),
    ).rejects.toThrow(NumericalError);
    // Frozen lanes of a loop do not fail: a further step of the second would.
    const step = f64([
      [1, 0],
      [0, 0],
    ]);
    const shrink = (a: Tensor) =>
      whileLoop(
        ({ m }) => m.sum().greater(2.5),
        ({ m, s }) => ({ m: m.sub(step), s: s.add(factor(m.sub(step))) }),
        { m: a, s: zeros([], { dtype: 'float64' }) },
      ).s;
    expectClose(numbers(vmap(shrink)(f64([matrix(4), matrix(2)]))), [Math.sqrt(3) + Math.SQRT2 + 1 + 3, 2]);
  });

  it('scan keeps weights that all lanes share out of the batch', () => {
    const f = (x: Tensor, w: Tensor) =>
      scan(
        (c: Tensor, v: Tensor) => {
          const next = sin(matmul(c, w).add(v));
          return [next, next.sum()] as const;
        },
        zeros([3], { dtype: 'float64' }),
        x,
      )[1];
    const w = f64([
      [0.1, 0.2, 0.3],
      [-0.4, 0.5, 0.6],
      [0.7, -0.8, 0.9],
    ]);
    const xs = [
      [0.1, 0.2],
      [0.5, -0.5],
      [1, 2],
    ].map((pair) => pair.map((v) => [v, v / 2, -v]));
    const all = vmap(f, { inAxes: [0, null] });
    expectClose(
      numbers(all(f64(xs), w)),
      xs.flatMap((x) => numbers(f(f64(x), w))),
    );
    const shared = numbers(grad((m: Tensor) => sum(all(f64(xs), m)))(w));
    const added = xs.map((x) => numbers(grad((m: Tensor) => sum(f(f64(x), m)))(w)));
    expectClose(
      shared,
      shared.map((_, k) => added.reduce((s, g) => s + (g[k] as number), 0)),
    );
    expect(program(all)(f64(xs), w).toString()).not.toContain('[3, 3, 3]');
  });

  it('emits one report for all lanes', async () => {
    const heard: Record<string, number>[] = [];
    const stream = new Stream();
    stream.onEmit((_, values) => heard.push({ ...values }));
    const f = (x: Tensor, k: Tensor) => {
      emit('lanes', { mean: x, most: k });
      return x.mul(2);
    };
    const result = stream.run(() => vmap(f)(f64([1, 2, 6]), tensor(Int32Array.of(4, 9, 2))));
    expect(numbers(result)).toEqual([2, 4, 12]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(heard).toEqual([{ mean: 3, most: 9 }]);
    stream.dispose();
  });
});

describe('vmap against a loop on random Programs', () => {
  /** A random function of x [3] and y (scalar) out of steps that change a running value of shape [3]. */
  const steps: readonly ((v: Tensor, x: Tensor, y: Tensor) => Tensor)[] = [
    (v, x) => sin(v).add(x),
    (v, _, y) => v.mul(y),
    (v, x) =>
      matmul(v.reshape([3, 1]), x.reshape([1, 3]))
        .sum(1)
        .mul(0.1),
    (v) => v.sub(v.max()),
    (v, x) => where(v.greater(x), v, x.mul(0.5)),
    (v, x) => vmap((u: Tensor) => u.mul(x.sum()).mul(0.2))(v),
    (v, x, y) =>
      cond(
        y.greater(0),
        (a: Tensor) => a.add(x),
        (a: Tensor) => exp(a.mul(-0.1)),
        v,
      ),
    (v, x) => scan((c: Tensor, u: Tensor) => [c.mul(0.5).add(u), c.sum()] as const, v, x)[1],
    (v, _, y) =>
      whileLoop(
        ({ k }) => k.less(y.abs()),
        ({ k, u }) => ({ k: k.add(0.4), u: sin(u).add(0.1) }),
        { k: zeros([], { dtype: 'float64' }), u: v },
      ).u,
    (v) =>
      v.mul(
        cholesky(
          matmul(v.reshape([3, 1]), v.reshape([1, 3])).add(
            f64([
              [2, 0, 0],
              [0, 2, 0],
              [0, 0, 2],
            ]),
          ),
        )
          .sum()
          .mul(0.1),
      ),
  ];
  const value = fc.double({ min: -1.5, max: 1.5, noNaN: true });

  it('values and forward derivatives agree', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(steps.length - 1), { minLength: 1, maxLength: 5 }),
        fc.array(fc.tuple(fc.tuple(value, value, value), value), { minLength: 1, maxLength: 4 }),
        (choice, lanes) => {
          const f = (x: Tensor, y: Tensor) =>
            choice.reduce((v, k) => (steps[k] as (typeof steps)[number])(v, x, y), x.mul(1));
          const [xs, ys] = [lanes.map(([x]) => x), lanes.map(([, y]) => y)];
          const along = (x: Tensor, y: Tensor) => jvp(f, [x, y], [x.mul(0.3), y.mul(0.7)])[1];
          for (const g of [f, along]) {
            const all = jit(vmap(g))(f64(xs), f64(ys));
            expectClose(
              numbers(all),
              lanes.flatMap(([x, y]) => numbers(g(f64(x), f64(y)))),
              1e-9,
            );
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('so do those that others are tested with, with any of their inputs batched, and their gradients', () => {
    /** A scalar that every element of every result enters. */
    const weighted = (values: readonly Tensor[]): Tensor =>
      values.map((value) => sum(sin(value.add(0.5)))).reduce((total, part) => total.add(part));
    fc.assert(
      fc.property(recipes, fc.nat(6), (recipe, bits) => {
        scope(() => {
          const inputs = inputsOf(recipe);
          const batched = inputs.map((_, k) => k === 0 || ((bits >> (k - 1)) & 1) === 1);
          const lanes = [1, -0.7, 0.4].map((factor) => inputs.map((x, k) => (batched[k] ? x.mul(factor) : x)));
          const stacked = inputs.map((x, k) => (batched[k] ? stack(lanes.map((lane) => lane[k] as Tensor)) : x));
          const inAxes = batched.map((is) => (is ? 0 : null));
          const f = (...xs: Tensor[]) => weighted(apply(recipe, xs));
          for (const g of [f, grad(f) as typeof f]) {
            const all = numbers(jit(vmap(g, { inAxes }))(...stacked));
            expectClose(
              all,
              lanes.flatMap((lane) => numbers(g(...lane))),
              1e-9,
            );
          }
        });
      }),
      { numRuns: 60 },
    );
  });
});
