/** Failures reach exactly the values that depend on them, as typed errors, and leave the device in order. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  type CotangentError,
  cast,
  cholesky,
  choleskyInfo,
  grad,
  jit,
  matmul,
  memory,
  ones,
  scope,
  setMemoryLimit,
  type Tensor,
  tensor,
  whileLoop,
  zeros,
} from '../../lib/index.js';

const thrown = (f: () => unknown): CotangentError => {
  try {
    f();
  } catch (error) {
    return error as CotangentError;
  }
  throw new Error('nothing was thrown');
};

const rejected = async (promise: Promise<unknown>): Promise<CotangentError> =>
  promise.then(
    () => {
      throw new Error('nothing was rejected');
    },
    (error: CotangentError) => error,
  );

const definite = () =>
  tensor([
    [4, 0],
    [2, 5],
  ]);
const indefinite = () =>
  tensor([
    [1, 0],
    [3, 1],
  ]);

describe('failure as data', () => {
  it('names the primitive that failed, and spares what does not depend on it', async () => {
    const bad = cholesky(indefinite());
    const dependent = bad.add(1);
    const independent = ones([2, 2]).sum();
    for (const value of [bad, dependent]) {
      const error = await rejected(value.data());
      expect(error).toMatchObject({ code: 'ERR_NUMERICAL', op: 'cholesky', name: 'NumericalError' });
      expect(error.message).toMatch(/^\[cholesky\] /);
    }
    expect(await independent.item()).toBe(4);
    expect(await cholesky(definite()).array()).toEqual([
      [2, 0],
      [1, 2],
    ]);
  });

  it('can be read twice, synchronously too', async () => {
    const bad = cholesky(indefinite());
    expect(thrown(() => bad.dataSync()).code).toBe('ERR_NUMERICAL');
    expect((await rejected(bad.data())).code).toBe('ERR_NUMERICAL');
    expect(thrown(() => bad.dataSync()).code).toBe('ERR_NUMERICAL');
  });

  it('reaches only the outputs of a jitted function that depend on it', async () => {
    const both = jit((a: Tensor, b: Tensor) => ({ bad: cholesky(a).sum(), good: matmul(b, b).sum() }));
    const { bad, good } = both(indefinite(), definite());
    expect((await rejected(bad.item())).code).toBe('ERR_NUMERICAL');
    expect(await good.item()).toBe(16 + 0 + 18 + 25);
    const again = both(definite(), definite());
    expect(await again.bad.item()).toBe(5);
  });

  it('passes through loops and derivatives', async () => {
    const loop = jit(
      (a: Tensor) =>
        whileLoop(
          ({ k }) => k.less(3),
          ({ k, x }) => ({ k: k.add(1), x: cholesky(x).add(x) }),
          { k: tensor(0, { dtype: 'int32' }), x: a },
        ).x,
    );
    expect((await rejected(loop(indefinite()).data())).code).toBe('ERR_NUMERICAL');
    const slope = grad((a: Tensor) => cholesky(a).sum());
    expect((await rejected(slope(indefinite()).data())).code).toBe('ERR_NUMERICAL');
  });

  it('is left to the caller by choleskyInfo', async () => {
    const [l, info] = choleskyInfo(indefinite());
    expect(await info.item()).toBe(2);
    expect(Array.from(await l.data()).every(Number.isNaN)).toBe(true);
  });
});

describe('errors at the call', () => {
  const cases: [string, () => unknown, string, RegExp][] = [
    ['shapes that do not broadcast', () => ones([2, 3]).add(ones([4])), 'ERR_SHAPE', /\[2, 3\] and \[4\]/],
    ['inner dimensions', () => matmul(ones([2, 3]), ones([4, 2])), 'ERR_SHAPE', /3 and 4/],
    ['two float dtypes', () => ones([2]).add(ones([2], { dtype: 'float64' })), 'ERR_DTYPE', /float32 and float64/],
    ['a fraction for an integer', () => tensor(Int32Array.of(1)).add(0.5), 'ERR_DTYPE', /0\.5/],
    ['exp of integers', () => cast(ones([2]), 'int32').exp(), 'ERR_DTYPE', /int32/],
    ['ragged data', () => tensor([[1, 2], [3]]), 'ERR_SHAPE', /data\[1\]/],
    ['a shape that does not fit', () => tensor([1, 2, 3], { shape: [2, 2] }), 'ERR_SHAPE', /3/],
    ['bytes without a dtype', () => tensor(Uint8Array.of(1, 2)), 'ERR_DTYPE', /dtype/],
    ['a number of elements that changes', () => ones([4]).reshape([3]), 'ERR_SHAPE', /4 elements/],
    ['an axis outside', () => ones([4]).sum(1), 'ERR_SHAPE', /axis/],
    ['more than 8 dimensions', () => ones([1, 1, 1, 1, 1, 1, 1, 1, 1]), 'ERR_SHAPE', /8 dimensions/],
    ['the maximum of nothing', () => zeros([0]).max(), 'ERR_SHAPE', /at least one element/],
  ];

  it.each(cases)('%s', (_, call, code, message) => {
    const error = thrown(call);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^\[\w+(\.\w+)*\] Expected .*, received .*/);
    // The stack points at the caller.
    expect(error.stack).toContain('errors.test.ts');
  });

  it('use after dispose', () => {
    const x = ones([3]);
    x.dispose();
    x.dispose();
    expect(x.disposed).toBe(true);
    expect(thrown(() => x.add(1)).code).toBe('ERR_DISPOSED');
    expect(thrown(() => x.dataSync()).code).toBe('ERR_DISPOSED');
    expect(thrown(() => jit((y: Tensor) => y.add(x))(ones([3]))).code).toBe('ERR_DISPOSED');
    let inner: Tensor | undefined;
    scope(() => {
      inner = ones([2]);
    });
    expect(thrown(() => (inner as Tensor).neg()).code).toBe('ERR_DISPOSED');
  });

  it('donated arguments are gone, and a failing call leaves them', () => {
    const step = jit((x: Tensor) => x.add(1), { donate: [0] });
    const x = ones([3]);
    expect(Array.from(step(x).dataSync())).toEqual([2, 2, 2]);
    expect(thrown(() => x.add(1)).code).toBe('ERR_DISPOSED');
    expect(thrown(() => step(x)).code).toBe('ERR_DISPOSED');
  });

  it('traced values explain themselves', () => {
    const branch = jit((x: Tensor) => (Number(x.sum()) > 0 ? x : x.neg()));
    const error = thrown(() => branch(ones([2])));
    expect(error.code).toBe('ERR_TRACING');
    expect(error.message).toMatch(/where\(\)|cond\(\)/);
    let leaked: Tensor | undefined;
    jit((x: Tensor) => {
      leaked = x;
      return x;
    })(ones([2]));
    expect(thrown(() => (leaked as Tensor).add(1)).code).toBe('ERR_TRACING');
  });
});

describe('the memory limit', () => {
  const initial = memory().limit;
  afterEach(() => setMemoryLimit(initial));

  it('refuses what does not fit, in the value it concerns, and serves again after', async () => {
    const small = ones([1000]);
    expect(await small.sum().item()).toBe(1000);
    setMemoryLimit(memory().used + 8 * 2 ** 20);
    // Queued or inline, the failure is the value's own.
    const error = await rejected((async () => zeros([4096, 4096]).add(1).data())());
    expect(error.code).toBe('ERR_OUT_OF_MEMORY');
    expect(error.message).toMatch(/dispose|setMemoryLimit|scope/);
    expect(thrown(() => tensor(new Float32Array(4 * 2 ** 20))).code).toBe('ERR_OUT_OF_MEMORY');
    expect(await small.sum().item()).toBe(1000);
    setMemoryLimit(initial);
    expect(await zeros([1024, 1024]).add(1).sum().item()).toBe(2 ** 20);
  });
});
