/** Tensors as values: what goes in comes out, and what cannot go in is refused by name. */
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cast,
  type DType,
  full,
  idle,
  matmul,
  ones,
  reshape,
  scalar,
  scope,
  type Tensor,
  tensor,
  transpose,
} from '../../lib/index.js';

const thrown = (f: () => unknown): { name: string; message: string } => {
  try {
    f();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
};

describe('tensor', () => {
  it('takes the shape of its nesting, and gives it back', async () => {
    const nested = [
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      [
        [7, 8, 9],
        [10, 11, 12],
      ],
    ];
    const x = tensor(nested);
    expect(x.shape).toEqual([2, 2, 3]);
    expect(x.dtype).toBe('float32');
    expect([x.rank, x.size]).toEqual([3, 12]);
    expect(await x.array()).toEqual(nested);
    expect(x.arraySync()).toEqual(nested);
  });

  it.each<[DType, ArrayBufferView]>([
    ['float32', Float32Array.of(1.5, Number.NaN, -0)],
    ['float64', Float64Array.of(1e300, Number.POSITIVE_INFINITY, -0)],
    ['int32', Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1)],
    ['uint32', Uint32Array.of(0, 1, 2 ** 32 - 1)],
  ])('keeps every bit of %s', async (dtype, data) => {
    const x = tensor(data);
    expect(x.dtype).toBe(dtype);
    const back = await x.data();
    expect(Buffer.from(back.buffer)).toEqual(Buffer.from(data.buffer as ArrayBuffer));
  });

  it('copies: neither what went in nor what came out is shared', async () => {
    const source = Float32Array.of(1, 2);
    const x = tensor(source);
    source[0] = 9;
    const first = await x.data();
    first[1] = 9;
    expect(Array.from(await x.data())).toEqual([1, 2]);
  });

  it('makes bools of booleans', async () => {
    const x = tensor([true, false]);
    expect(x.dtype).toBe('bool');
    expect(await x.array()).toEqual([true, false]);
    expect(Array.from(await x.data())).toEqual([1, 0]);
  });

  it('holds nothing, and one thing', async () => {
    expect(await tensor([]).array()).toEqual([]);
    expect(await tensor(new Float32Array(0), { shape: [2, 0, 3] }).array()).toEqual([[], []]);
    expect(await tensor(7).array()).toBe(7);
    expect(await tensor(7).item()).toBe(7);
    expect(await tensor([[7]]).item()).toBe(7);
  });

  it.each([
    ['ragged nesting', () => tensor([[1, 2], [3]]), 'ShapeError', /data\[1\].*hint|ragged/i],
    ['a shape that does not fit', () => tensor([1, 2, 3], { shape: [2, 2] }), 'ShapeError', /4 elements.*received 3/],
    ['a negative dimension', () => tensor([1], { shape: [-1] }), 'ShapeError', /whole numbers >= 0/],
    ['too many dimensions', () => full([1, 1, 1, 1, 1, 1, 1, 1, 1], 0), 'ShapeError', /at most 8 dimensions/],
    ['a fraction for int32', () => tensor([1.5], { dtype: 'int32' }), 'DTypeError', /whole number/],
    ['a number beyond int32', () => tensor([2 ** 31], { dtype: 'int32' }), 'DTypeError', /2147483647/],
    ['bytes without a dtype', () => tensor(Uint8Array.of(1)), 'DTypeError', /options\.dtype/],
    ['big integers', () => tensor(BigInt64Array.of(1n)), 'DTypeError', /BigInt64Array/],
    ['an unknown dtype', () => tensor([1], { dtype: 'float16' as DType }), 'DTypeError', /float32, float64/],
    ['text', () => tensor(['a'] as unknown as number[]), 'DTypeError', /string/],
  ])('refuses %s', (_, make, name, message) => {
    const error = thrown(make);
    expect(error.name).toBe(name);
    expect(error.message).toMatch(message);
  });

  it('takes any typed array of any shape there and back', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
        fc.constantFrom<DType>('float32', 'float64', 'int32', 'uint32'),
        fc.infiniteStream(fc.integer({ min: 0, max: 1000 })),
        async (shape, dtype, values) => {
          const size = shape.reduce((product, dim) => product * dim, 1);
          const numbers = [...values.take(size)];
          using x = tensor(numbers, { dtype, shape });
          expect(x.shape).toEqual(shape);
          expect(Array.from(await x.data())).toEqual(numbers);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('text', () => {
  it('shows small tensors whole and aligned, with dtype and shape', () => {
    const x = tensor([
      [1, -2.5],
      [1e-7, 12345678],
    ]);
    expect(String(x)).toBe('[[        1,      -2.5],\n [1.0000e-7, 1.2346e+7]]  float32[2, 2]');
    expect(String(tensor([true, false]))).toBe('[ true, false]  bool[2]');
    expect(String(scalar(3, 'int32'))).toBe('3  int32[]');
  });

  it('leaves out the middle of large ones', () => {
    expect(String(tensor(Float32Array.from({ length: 2000 }, (_, k) => k)))).toMatch(
      /^\[ +0, +1, +2, \.\.\., 1997, 1998, 1999\] {2}float32\[2000\]$/,
    );
  });

  it('never waits, and tells of disposed ones', async () => {
    const slow = matmul(ones([600, 600]), ones([600, 600]));
    expect(String(slow)).toMatch(/Tensor\(pending float32\[600, 600\]\)|float32\[600, 600\]$/);
    await idle();
    expect(String(slow)).toMatch(/float32\[600, 600\]$/);
    slow.dispose();
    expect(String(slow)).toBe('Tensor(disposed float32[600, 600])');
  });
});

describe('ownership', () => {
  it('use after dispose is an error that says so', async () => {
    const x = ones([2]);
    x.dispose();
    x.dispose();
    expect(x.disposed).toBe(true);
    expect(thrown(() => x.add(1))).toMatchObject({ name: 'DisposedError', op: 'add' });
    await expect(x.data()).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('nested scopes hand their results outwards', async () => {
    let inner: Tensor | undefined;
    const outer = scope(() => {
      const kept = scope(() => {
        const lost = ones([3]);
        inner = lost;
        return { sum: lost.sum(), more: new Map([['x', lost.mul(2)]]) };
      });
      expect(inner?.disposed).toBe(true);
      return { total: kept.sum.add(kept.more.get('x')?.sum() as Tensor) };
    });
    expect(await outer.total.item()).toBe(9);
  });

  it('a scope refuses a function that waits', () => {
    expect(thrown(() => scope(async () => ones([1])))).toMatchObject({ name: 'DisposedError' });
  });
});

describe('methods', () => {
  it('every one that the types promise is there', async () => {
    const source = await readFile(new URL('../../lib/core/fluent.ts', import.meta.url), 'utf8');
    const promised = [...source.matchAll(/^ {4}(\w+)\(.*\): Tensor;$/gm)].map((match) => match[1] as string);
    expect(promised.length).toBeGreaterThan(40);
    const x = ones([2, 2]) as unknown as Record<string, unknown>;
    expect(promised.filter((name) => typeof x[name] !== 'function')).toEqual([]);
  });
});

describe('numbers beside tensors', () => {
  it('take the dtype of the tensor', async () => {
    expect(tensor([1], { dtype: 'float64' }).add(0.1).dtype).toBe('float64');
    expect(await tensor([1], { dtype: 'float64' }).add(0.1).item()).toBe(1.1);
    expect(tensor([1], { dtype: 'int32' }).add(2).dtype).toBe('int32');
    expect(thrown(() => tensor([1], { dtype: 'int32' }).add(0.5))).toMatchObject({ name: 'DTypeError' });
  });

  it('dtypes do not mix without a cast', async () => {
    const [single, double, whole] = [ones([2]), ones([2], { dtype: 'float64' }), ones([2], { dtype: 'int32' })];
    expect(thrown(() => single.add(double))).toMatchObject({ name: 'DTypeError' });
    expect(thrown(() => single.mul(whole))).toMatchObject({ name: 'DTypeError' });
    expect(await cast(whole, 'float32').add(single).array()).toEqual([2, 2]);
  });

  it('shapes broadcast as in NumPy, and refuse otherwise', async () => {
    const column = reshape(tensor([1, 2]), [2, 1]);
    expect(await column.add(tensor([10, 20, 30])).array()).toEqual([
      [11, 21, 31],
      [12, 22, 32],
    ]);
    expect(thrown(() => ones([2, 3]).add(ones([2])))).toMatchObject({ name: 'ShapeError', op: 'add' });
    expect(await transpose(column.mul(ones([1, 3]))).array()).toEqual([
      [1, 2],
      [1, 2],
      [1, 2],
    ]);
  });
});
