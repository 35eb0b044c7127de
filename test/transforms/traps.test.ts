/** What commonly goes wrong in automatic differentiation, each looked for in the Program text or in the error. */
import { describe, expect, it } from 'vitest';
import {
  cond,
  grad,
  hvp,
  jit,
  jvp,
  logSumExp,
  matmul,
  mean,
  mul,
  program,
  relu,
  reshape,
  scan,
  sin,
  sub,
  sum,
  type Tensor,
  TracingError,
  tensor,
  valueAndGrad,
  vmap,
  where,
  whileLoop,
  zeros,
} from '../../lib/index.js';

const f64 = (data: Parameters<typeof tensor>[0]) => tensor(data, { dtype: 'float64' });
const numbers = (t: Tensor) => Array.from(t.dataSync() as Float64Array);
const count = (text: string, name: string): number => text.split(`= ${name}`).length - 1;

describe('residuals of scan', () => {
  const rollout = (w: Tensor, xs: Tensor) =>
    sum(scan((c: Tensor, x: Tensor) => [sin(matmul(w, c).add(x)), null] as const, zeros([7]), xs)[0]);

  it('weights and their products with themselves are not stacked', () => {
    const texts = [
      program(grad(rollout))(zeros([7, 7]), zeros([11, 7])),
      program(vmap(grad(rollout), { inAxes: [null, 0] }))(zeros([7, 7]), zeros([5, 11, 7])),
    ];
    for (const text of texts.map(String)) {
      // Carries are stacked over the 11 steps, [11, 7] (with the batch [11, 5, 7]); weights would be [11, 7, 7].
      expect(text).toContain('scan');
      expect(text).not.toMatch(/\[11, (\d+, )?7, 7\]/);
    }
    const forwardOverReverse = program(hvp((w: Tensor) => rollout(w, zeros([11, 7]))))(zeros([7, 7]), zeros([7, 7]));
    expect(forwardOverReverse.toString()).not.toContain('[11, 7, 7]');
  });

  it('integer and bool carries have no tangent', () => {
    const f = (x: Tensor) =>
      scan(
        ({ s, k, even }: { s: Tensor; k: Tensor; even: Tensor }, _: null) =>
          [{ s: where(even, mul(s, x), s), k: k.add(1), even: even.equal(false as never) }, k] as const,
        { s: x, k: zeros([], { dtype: 'int32' }), even: tensor(true) },
        null,
        { length: 4 },
      );
    const last = (x: Tensor) => f(x)[0].s;
    expect(numbers(grad(last)(f64(3)))).toEqual([27]);
    expect(numbers(jvp(last, [f64(3)], [f64(1)])[1])).toEqual([27]);
    const [, [carry, ks]] = jvp(f, [f64(3)], [f64(1)]);
    expect(numbers(carry.k)).toEqual([0]);
    expect(numbers(ks)).toEqual([0, 0, 0, 0]);
    const text = program((x: Tensor) => jvp(last, [x], [x])[1])(f64(3)).toString();
    const [line] = text.split('\n').filter((row) => row.includes('scan['));
    // carry: s and its tangent, k, even.
    expect(line).toContain('carry=4');
    const loop = program(
      (x: Tensor) =>
        jvp(
          (v: Tensor) =>
            whileLoop(
              ({ k }) => k.less(3),
              ({ k, s }) => ({ k: k.add(1), s: mul(s, v) }),
              { k: zeros([], { dtype: 'int32' }), s: v },
            ).s,
          [x],
          [x],
        )[1],
    )(f64(2)).toString();
    expect(
      loop
        .split('\n')
        .find((row) => row.includes('= while'))
        ?.match(/:int32/g)?.length,
    ).toBe(1);
  });
});

describe('reverse mode of a while loop', () => {
  it('is refused with a word on what to use', () => {
    const loop = (x: Tensor) =>
      whileLoop(
        (v) => v.less(10),
        (v) => v.mul(2),
        x,
      );
    expect(() => grad(loop)(f64(1))).toThrow(TracingError);
    expect(() => grad(loop)(f64(1))).toThrow(/scan.*implicitDiff/);
    expect(() => vmap(grad(loop))(f64([1]))).toThrow(/scan.*implicitDiff/);
    expect(() => grad((x: Tensor) => cond(x.greater(0), loop, (v: Tensor) => v, x))(f64(1))).toThrow(/implicitDiff/);
  });
});

describe('dead code of derivatives', () => {
  /** Two layers, mean cross-entropy with a picked column: 4 products make the value and the gradient's own way. */
  const loss = ({ w1, w2 }: { w1: Tensor; w2: Tensor }, x: Tensor) => {
    const logits = matmul(relu(matmul(x, w1)), w2);
    return mean(sub(logSumExp(logits, 1), logits.sum(1)));
  };
  const params = { w1: zeros([6, 5]), w2: zeros([5, 4]) };
  const x = zeros([3, 6]);

  it('the gradient of an unused value leaves the value out', () => {
    const text = program(grad(loss))(params, x).toString();
    // Forward 2, backward 3 (no cotangent of x).
    expect(count(text, 'matmul')).toBe(5);
    expect(text).not.toContain('log ');
    expect(count(program(valueAndGrad(loss))(params, x).toString(), '= log')).toBe(0);
  });

  it('the primal gradient is dropped from an hvp', () => {
    const product = (p: typeof params, v: typeof params) => hvp((q: typeof params) => loss(q, x))(p, v);
    const text = program(product)(params, params).toString();
    // Values: x W1, h W2. Tangents: x V1, dh W2, h V2. Tangent of the cotangent of h: dg W2ᵀ, g V2ᵀ (relu does not bend, so the
    // cotangent itself, g W2ᵀ, is not needed). Results: xᵀ(..), hᵀ dg, dhᵀ g. The primal gradient would be three more.
    expect(count(text, 'matmul')).toBe(10);
    const both = (p: typeof params, v: typeof params) => jvp((q: typeof params) => grad(loss)(q, x), [p], [v]);
    expect(count(program(both)(params, params).toString(), 'matmul')).toBe(13);
    const unused = program((p: typeof params, v: typeof params) => both(p, v)[1])(params, params).toString();
    expect(count(unused, 'matmul')).toBe(10);
  });

  it('per-example gradients are products without sums, the forward pass one for all', () => {
    const single = (p: typeof params, one: Tensor) => loss(p, reshape(one, [1, 6]));
    const text = program(vmap(grad(single), { inAxes: [null, 0] }))(params, x).toString();
    // Forward 2 and one back, on all rows at once; the outer products of the weights are elementwise.
    expect(count(text, 'matmul')).toBe(3);
    expect(text).toMatch(/float32\[3, 6, 5\] = mul/);
    expect(text).not.toContain('= transpose');
  });
});

describe('tracing errors', () => {
  const inside = (f: (x: Tensor) => unknown) => () => jit((x: Tensor) => f(x) as Tensor)(f64([1, 2]));

  it('a traced value used as a number', () => {
    expect(inside((x) => ((x as never as number) > 0 ? x : x.neg()))).toThrow(/where\(\) or cond\(\)/);
    expect(inside((x) => x.mul(Math.sqrt(x as never)))).toThrow(TracingError);
    expect(inside((x) => [1, 2][x as never])).toThrow(TracingError);
    expect(inside((x) => `${x}`)).toThrow(TracingError);
    expect(inside((x) => x.itemSync())).toThrow(/not known while its function is traced/);
    expect(() => vmap((x: Tensor) => (x.itemSync() > 0 ? x : x.neg()))(f64([1, 2]))).toThrow(TracingError);
    expect(() => grad((x: Tensor) => x.mul(x.sum().itemSync()).sum())(f64([1, 2]))).toThrow(TracingError);
  });

  it('a shape that depends on data', () => {
    expect(inside((x) => zeros([x.sum() as never]))).toThrow(TracingError);
    expect(inside((x) => zeros([x.sum() as never]))).toThrow(/shapes cannot depend on data/);
    expect(inside((x) => x.reshape([1, x.sum() as never]))).toThrow(/shapes cannot depend on data/);
    expect(() => zeros([2.5])).toThrow(/whole numbers.*received \[2.5\]/);
  });

  it('a tracer that leaks', () => {
    let leak: Tensor | undefined;
    vmap((x: Tensor) => {
      leak = x.mul(2);
      return x;
    })(f64([1]));
    expect(() => (leak as Tensor).add(1)).toThrow(/return values from a traced function/);
    expect(() => jit((x: Tensor) => x.add(leak as Tensor))(f64(1))).toThrow(/leaked/);
    expect(() => grad((x: Tensor) => sum(x.add(leak as Tensor)))(f64(1))).toThrow(/leaked/);
  });
});
