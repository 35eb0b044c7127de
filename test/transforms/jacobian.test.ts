import { describe, expect, it } from 'vitest';
import {
  add,
  DomainError,
  DTypeError,
  exp,
  ggnvp,
  grad,
  hessian,
  hvp,
  jacobian,
  jacobianForward,
  jacobianReverse,
  jit,
  logSumExp,
  matmul,
  mul,
  program,
  sin,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
  vmap,
  zeros,
} from '../../lib/index.js';

const f64 = (data: Parameters<typeof tensor>[0]) => tensor(data, { dtype: 'float64' });
const numbers = (t: Tensor) => Array.from(t.dataSync() as Float64Array);
function expectClose(received: readonly number[], expected: readonly number[], tolerance = 1e-12): void {
  expect(received.length).toBe(expected.length);
  received.forEach((value, k) => {
    const want = expected[k] as number;
    expect(Math.abs(value - want), `entry ${k}: ${value} against ${want}`).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(want)),
    );
  });
}

describe('jacobian', () => {
  const a = [
    [1, -2],
    [0.5, 3],
    [4, 0],
  ];
  const f = (x: Tensor) => sin(matmul(f64(a), x));
  const x = [0.3, -0.8];
  const expected = a.flatMap((row) => {
    const inner = row.reduce((s, entry, k) => s + entry * (x[k] as number), 0);
    return row.map((entry) => Math.cos(inner) * entry);
  });

  it('is the same in both modes, and by hand', () => {
    for (const mode of [jacobianForward(f), jacobianReverse(f), jacobian(f), jit(jacobian(f, { mode: 'reverse' }))]) {
      const result = mode(f64(x));
      expect(result.shape).toEqual([3, 2]);
      expectClose(numbers(result), expected);
    }
  });

  it('takes trees to trees of trees, and names the argument', () => {
    const g = (scale: Tensor, { p, q }: { p: Tensor; q: Tensor[] }) => ({
      u: mul(scale, p),
      v: [sum(mul(p, q[0] as Tensor))],
    });
    const at = { p: f64([1, 2]), q: [f64([3, 4])] };
    for (const mode of ['forward', 'reverse'] as const) {
      const result = jacobian(g, { argnum: 1, mode })(f64(5), at) as unknown as {
        u: { p: Tensor; q: Tensor[] };
        v: { p: Tensor; q: Tensor[] }[];
      };
      expect(numbers(result.u.p)).toEqual([5, 0, 0, 5]);
      expect(result.u.q[0]?.shape).toEqual([2, 2]);
      expect(numbers(result.u.q[0] as Tensor)).toEqual([0, 0, 0, 0]);
      expect(numbers(result.v[0]?.p as Tensor)).toEqual([3, 4]);
      expect(numbers(result.v[0]?.q[0] as Tensor)).toEqual([1, 2]);
    }
    const scalar = jacobian((s: Tensor) => mul(s, f64([1, 2])))(f64(3));
    expect(numbers(scalar)).toEqual([1, 2]);
  });

  it('chooses the mode by the sizes', () => {
    const tall = program(jacobian((v: Tensor) => matmul(zeros([50, 3]), v)))(zeros([3])).toString();
    const wide = program(jacobian((v: Tensor) => matmul(zeros([3, 50]), v)))(zeros([50])).toString();
    // Three unit vectors either way.
    expect(tall).not.toContain('[50, 50]');
    expect(wide).not.toContain('[50, 50]');
  });

  it('nests with itself and with vmap', () => {
    const cubed = (v: Tensor) => mul(v.square(), v);
    const second = jacobian(jacobian(cubed))(f64([1, 2]));
    expect(numbers(second)).toEqual([6, 0, 0, 0, 0, 0, 0, 12]);
    const each = vmap(jacobian(f))(f64([x, [1, 1]]));
    expectClose(numbers(each).slice(0, 6), expected);
    expectClose(numbers(each).slice(6), numbers(jacobian(f)(f64([1, 1]))));
  });

  it('says what is wrong', () => {
    expect(() => jacobian(f, { mode: 'both' as never })).toThrow(DomainError);
    expect(() => jacobian(f, { argnum: 1 })(f64(x))).toThrow(DomainError);
    expect(() => jacobianForward((v: Tensor) => v.cast('float32'))(tensor(Int32Array.of(1)))).toThrow(DTypeError);
    expect(() => jacobianReverse((v: Tensor) => v.cast('int32'))(f64(x))).toThrow(DTypeError);
  });
});

describe('hessian and ggnvp', () => {
  const f = (x: Tensor) => add(logSumExp(x), exp(x).sum().mul(0.1));
  const x = [0.1, -0.5, 1];

  it('the Hessian is symmetric, and its columns are Hessian-vector products', () => {
    const h = numbers(hessian(f)(f64(x)));
    for (let k = 0; k < 3; k++) {
      const unit = x.map((_, j) => Number(j === k));
      expectClose(
        numbers(hvp(f)(f64(x), f64(unit))),
        [0, 1, 2].map((row) => h[3 * row + k] as number),
      );
      for (let j = 0; j < 3; j++) expect(h[3 * k + j]).toBeCloseTo(h[3 * j + k] as number, 14);
    }
    const total = x.reduce((s, v) => s + Math.exp(v), 0);
    const p = x.map((v) => Math.exp(v) / total);
    const byHand = p.flatMap((pi, i) =>
      p.map((pj, j) => (i === j ? pi + 0.1 * Math.exp(x[i] as number) : 0) - pi * pj),
    );
    expectClose(h, byHand);
    const blocks = hessian((w: Tensor, t: { a: Tensor; b: Tensor }) => sum(mul(mul(t.a, t.b), w)), { argnum: 1 });
    const tree = blocks(f64(2), { a: f64(3), b: f64(4) }) as unknown as Record<'a' | 'b', { a: Tensor; b: Tensor }>;
    expect([tree.a.a, tree.a.b, tree.b.a, tree.b.b].flatMap((t) => numbers(t))).toEqual([0, 2, 2, 0]);
  });

  it('ggnvp is Jᵀ H J v, and the Hessian-vector product for a linear model', () => {
    const inputs = f64([
      [1, 2, 0],
      [-1, 0.5, 3],
    ]);
    const labels = f64([0, 1]);
    const loss = (z: Tensor) => sub(logSumExp(z), sum(mul(z, labels)));
    const model = (w: Tensor) => tanh(matmul(inputs, w));
    const [w, v] = [f64([0.2, -0.1, 0.4]), f64([1, 2, -1])];
    const jac = numbers(jacobian(model)(w));
    const h = numbers(hessian(loss)(model(w)));
    const jv = [0, 1].map((i) =>
      [0, 1, 2].reduce((s, k) => s + (jac[3 * i + k] as number) * ([1, 2, -1][k] as number), 0),
    );
    const hjv = [0, 1].map((i) => [0, 1].reduce((s, j) => s + (h[2 * i + j] as number) * (jv[j] as number), 0));
    const expected = [0, 1, 2].map((k) =>
      [0, 1].reduce((s, i) => s + (jac[3 * i + k] as number) * (hjv[i] as number), 0),
    );
    expectClose(numbers(ggnvp(model, loss)(w, v)), expected);
    expectClose(numbers(jit(ggnvp(model, loss))(w, v)), expected);
    const linear = (m: Tensor) => matmul(inputs, m);
    expectClose(numbers(ggnvp(linear, loss)(w, v)), numbers(hvp((m: Tensor) => loss(linear(m)))(w, v)));
    // On trees, and batched over directions.
    const tree = ggnvp(
      ({ m, c }: { m: Tensor; c: Tensor }) => [matmul(inputs, m).add(c)],
      ([z]) => loss(z as Tensor),
    );
    const t = tree({ m: w, c: f64(0.3) }, { m: v, c: f64(1) });
    const flat = hvp(({ m, c }: { m: Tensor; c: Tensor }) => loss(matmul(inputs, m).add(c)));
    const same = flat({ m: w, c: f64(0.3) }, { m: v, c: f64(1) });
    expectClose([...numbers(t.m), ...numbers(t.c)], [...numbers(same.m), ...numbers(same.c)]);
    const directions = vmap((d: Tensor) => ggnvp(model, loss)(w, d))(
      f64([
        [1, 2, -1],
        [0, 0, 0],
      ]),
    );
    expectClose(numbers(directions), [...expected, 0, 0, 0]);
    expect(numbers(grad((m: Tensor) => loss(model(m)))(w)).length).toBe(3);
  });
});
