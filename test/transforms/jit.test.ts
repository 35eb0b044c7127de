import { describe, expect, it } from 'vitest';
import {
  add,
  DisposedError,
  DTypeError,
  jit,
  mul,
  random,
  ShapeError,
  scope,
  type Tensor,
  tensor,
} from '../../lib/index.js';

describe('jit', () => {
  it('traces once for each signature', async () => {
    let traces = 0;
    const f = jit((x: Tensor) => {
      traces++;
      return x.mul(2);
    });
    await f(tensor([1, 2])).data();
    await f(tensor([3, 4])).data();
    expect(traces).toBe(1);
    await f(tensor([1, 2, 3])).data();
    await f(tensor([1, 2], { dtype: 'float64' })).data();
    expect(traces).toBe(3);
  });

  it('takes numbers as values, not as constants', async () => {
    let traces = 0;
    const f = jit((x: Tensor, rate: number) => {
      traces++;
      return mul(x, rate);
    });
    expect(await f(tensor(3), 2).item()).toBe(6);
    expect(await f(tensor(3), 5).item()).toBe(15);
    expect(traces).toBe(1);
  });

  it('takes and returns trees', async () => {
    const f = jit(({ a, list: [b, c] }: { a: Tensor; list: Tensor[] }) => ({ sum: add(a, b), pair: [b, c] }));
    const result = f({ a: tensor(1), list: [tensor(2), tensor(3)] });
    expect(await result.sum.item()).toBe(3);
    expect(await result.pair[1].item()).toBe(3);
  });

  it('captures tensors from outside and refuses them once disposed', async () => {
    const w = tensor([1, 2]);
    const f = jit((x: Tensor) => mul(x, w));
    expect(Array.from(await f(tensor([3, 4])).data())).toEqual([3, 8]);
    w.dispose();
    expect(() => f(tensor([3, 4]))).toThrow(DisposedError);
  });

  it('donates', async () => {
    const f = jit((x: Tensor, y: Tensor) => add(x, y), { donate: [0] });
    const [x, y] = [random.normal(random.key(1), [1000]), random.normal(random.key(2), [1000])];
    const before = await x.data();
    const other = await y.data();
    const pendingRead = x.data();
    const z = f(x, y);
    expect(x.disposed).toBe(true);
    expect(y.disposed).toBe(false);
    expect(() => x.add(1)).toThrow(DisposedError);
    const sum = await z.data();
    expect(Array.from(sum)).toEqual(Array.from(before, (value, k) => Math.fround(value + other[k])));
    expect(await pendingRead).toEqual(before);
    expect(() => jit((a: Tensor, b: Tensor) => add(a, b), { donate: [0, 1] })(y, y)).toThrow(/once/);
  });

  it('reports shape and dtype errors at the call', () => {
    expect(() => add(tensor([1, 2]), tensor([1, 2, 3]))).toThrow(ShapeError);
    expect(() => add(tensor([1, 2]), tensor([1, 2], { dtype: 'float64' }))).toThrow(DTypeError);
    expect(() => tensor(Int32Array.of(1)).add(0.5)).toThrow(DTypeError);
    try {
      add(tensor([1, 2]), tensor([1, 2, 3]));
    } catch (error) {
      expect((error as Error).stack).toContain('jit.test.ts');
    }
  });

  it('results do not depend on the inline path', async () => {
    // One call that runs inline, and the same amid a queue of large ones.
    const f = jit((x: Tensor) => x.mul(1.1).add(0.3).exp().sum());
    const x = random.normal(random.key(3), [4000]);
    await x.data();
    const alone = await f(x).item();
    const big = random.normal(random.key(4), [3_000_000]);
    const queued = f(x.add(big.sum().mul(0)));
    expect(await queued.item()).toBe(alone);
  });
});

describe('scope', () => {
  it('disposes what is not returned', async () => {
    let inner: Tensor | undefined;
    const result = scope(() => {
      inner = tensor([1, 2]);
      return { kept: inner.add(1) };
    });
    expect(inner?.disposed).toBe(true);
    expect(Array.from(await result.kept.data())).toEqual([2, 3]);
    expect(() => scope(async () => tensor(1))).toThrow(/synchronous/);
  });
});
