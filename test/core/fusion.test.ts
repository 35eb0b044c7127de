/** Reductions of what a chain computes, under jit: the bits of one operation at a time, and the values of a plain reference. */
import { describe, expect, it } from 'vitest';
import {
  type DType,
  full,
  grad,
  jit,
  less,
  logSumExp,
  max,
  mean,
  min,
  mul,
  prod,
  profile,
  random,
  scope,
  sub,
  sum,
  type Tensor,
  tensor,
} from '../../lib/index.js';

const arrays = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint32: Uint32Array } as const;
type Numeric = keyof typeof arrays;
const epsilons: Partial<Record<DType, number>> = { float32: 2 ** -23, float64: 2 ** -52 };

/** Operands [.., broadcast together], and the axes that their combination is reduced over. */
const cases: readonly { x: number[]; y: number[]; axes: number[] }[] = [
  { x: [], y: [], axes: [] },
  { x: [1], y: [1], axes: [0] },
  { x: [7], y: [], axes: [0] },
  { x: [0], y: [1], axes: [0] },
  { x: [3, 0], y: [3, 1], axes: [1] },
  { x: [0, 3], y: [3], axes: [0] },
  { x: [5, 129], y: [129], axes: [1] },
  { x: [5, 129], y: [5, 1], axes: [0] },
  { x: [67, 1], y: [1, 33], axes: [0, 1] },
  { x: [67, 1], y: [1, 33], axes: [1] },
  { x: [2, 3, 7], y: [1, 3, 1], axes: [1] },
  { x: [2, 3, 7], y: [7], axes: [1, 2] },
  { x: [2, 3, 7], y: [7], axes: [0, 2] },
  { x: [4, 1, 1000], y: [4, 1, 1], axes: [2] },
  { x: [301, 3], y: [3], axes: [0] },
  { x: [20001, 2], y: [2], axes: [0] },
  { x: [2, 20001], y: [2, 1], axes: [1] },
  { x: [3, 601], y: [601], axes: [0] },
  { x: [70, 1100], y: [1100], axes: [0] },
];

const reductions = { sum, prod, max, min };
type Kind = keyof typeof reductions;

const count = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

/** Deterministic values of order one; whole ones for integers. */
function values(dtype: Numeric, shape: readonly number[], seed: number): Float64Array {
  let state = seed;
  return Float64Array.from({ length: count(shape) }, () => {
    state = (state * 48271) % 2147483647;
    const unit = state / 2147483647;
    if (dtype === 'int32') return Math.floor(unit * 9) - 4;
    if (dtype === 'uint32') return Math.floor(unit * 5);
    return dtype === 'float32' ? Math.fround(unit * 3 - 1.5) : unit * 3 - 1.5;
  });
}

const wrap: Record<Numeric, (value: number) => number> = {
  float32: Math.fround,
  float64: (value) => value,
  int32: (value) => value | 0,
  uint32: (value) => value >>> 0,
};

/** x y - y, element by element, then reduced in float64 (integers wrap); `scale` is what rounding errors are relative to. */
function reference(dtype: Numeric, kind: Kind, one: (typeof cases)[number], x: Float64Array, y: Float64Array) {
  const rank = one.x.length;
  const yShape = [...Array(rank - one.y.length).fill(1), ...one.y];
  const shape = one.x.map((dim, d) => Math.max(dim === 0 ? 0 : dim, dim === 1 ? (yShape[d] as number) : dim));
  const kept = shape.filter((_, d) => !one.axes.includes(d));
  const identity = { sum: 0, prod: 1, max: -Infinity, min: Infinity }[kind];
  const lowest = {
    float32: identity,
    float64: identity,
    int32: kind === 'max' ? -(2 ** 31) : 2 ** 31 - 1,
    uint32: kind === 'max' ? 0 : 2 ** 32 - 1,
  };
  const start = kind === 'max' || kind === 'min' ? lowest[dtype] : identity;
  const result = new Float64Array(count(kept)).fill(start);
  const scale = new Float64Array(count(kept));
  const lost = new Float64Array(count(kept)); // Kahan's compensation: the reference's own rounding is out of the way
  const add = (to: number, value: number): void => {
    const before = result[to] as number;
    if (dtype === 'int32' || dtype === 'uint32') {
      result[to] = wrap[dtype](before + value);
      return;
    }
    const corrected = value - (lost[to] as number);
    const after = before + corrected;
    lost[to] = after - before - corrected;
    result[to] = after;
  };
  const index = shape.map(() => 0);
  const at = (dims: readonly number[]): number =>
    dims.reduce((offset, dim, d) => offset * dim + (dim === 1 ? 0 : (index[d] as number)), 0);
  for (let k = 0; k < count(shape); k++) {
    let rest = k;
    for (let d = rank - 1; d >= 0; d--) {
      index[d] = rest % (shape[d] as number);
      rest = Math.floor(rest / (shape[d] as number));
    }
    const q = y[at(yShape)] as number;
    const value = wrap[dtype](wrap[dtype]((x[at(one.x)] as number) * q) - q);
    let to = 0;
    for (let d = 0; d < rank; d++) if (!one.axes.includes(d)) to = to * (shape[d] as number) + (index[d] as number);
    const before = result[to] as number;
    scale[to] = (scale[to] as number) + Math.abs(value);
    if (kind === 'sum') add(to, value);
    if (kind === 'prod') {
      result[to] = dtype === 'int32' || dtype === 'uint32' ? wrap[dtype](Math.imul(before, value)) : before * value;
    }
    // Math.max and Math.min propagate NaN, too.
    if (kind === 'max') result[to] = Math.max(before, value);
    if (kind === 'min') result[to] = Math.min(before, value);
  }
  return { result, scale, reduced: count(shape) / Math.max(1, count(kept)) };
}

/** Equal element by element, signs of zeros included. NaN is NaN. */
function expectSame(received: Tensor, expected: Tensor, label: string): void {
  expect(received.type, label).toBe(expected.type);
  const [a, b] = [received.dataSync(), expected.dataSync()];
  expect(
    a.findIndex((value, k) => !Object.is(value, b[k])),
    label,
  ).toBe(-1);
}

const combine = (x: Tensor, y: Tensor): Tensor => sub(mul(x, y), y);

describe('reductions of chains', () => {
  for (const dtype of Object.keys(arrays) as Numeric[]) {
    it(`${dtype}: every kind, shape and set of axes`, () => {
      cases.forEach((one, at) => {
        const empty = one.axes.some((axis) => one.x[axis] === 0);
        for (const kind of Object.keys(reductions) as Kind[]) {
          if (empty && (kind === 'max' || kind === 'min')) continue; // refused at the call
          for (const special of dtype.startsWith('float') ? [false, true] : [false]) {
            scope(() => {
              const [x, y] = [values(dtype, one.x, 2 * at + 1), values(dtype, one.y, 2 * at + 2)];
              if (special && x.length > 0) x[x.length >> 1] = Number.NaN;
              const of = (data: Float64Array, shape: number[]): Tensor =>
                tensor(arrays[dtype].from(data), { dtype, shape });
              const [a, b] = [of(x, one.x), of(y, one.y)];
              const reduce = (p: Tensor, q: Tensor): Tensor => reductions[kind](combine(p, q), one.axes);
              const eager = reduce(a, b);
              const alone = jit(reduce)(a, b);
              const [whole, beside] = jit((p: Tensor, q: Tensor) => [combine(p, q), reduce(p, q)] as const)(a, b);
              const label = `${kind} of [${one.x}] and [${one.y}] over [${one.axes}]${special ? ' with NaN' : ''}`;
              expectSame(alone, eager, label);
              expectSame(beside, eager, label);
              expectSame(whole, combine(a, b), label);
              const { result, scale, reduced } = reference(dtype, kind, one, x, y);
              const epsilon = epsilons[dtype] ?? 0;
              alone.dataSync().forEach((value, k) => {
                const want = result[k] as number;
                if (Number.isNaN(want)) return expect(value, label).toBeNaN();
                if (value === want) return;
                // Sums stay far below the 20 roundings of the sum of magnitudes that their documentation allows; products
                // round once a factor, in the reference, too.
                const allowed =
                  kind === 'sum'
                    ? 3 * epsilon * (scale[k] as number)
                    : 2 * epsilon * (1 + reduced) * Math.abs(want) + 2e-38;
                expect(Math.abs(value - want), `${label}, element ${k}: ${value}, ${want}`).toBeLessThanOrEqual(
                  kind === 'sum' || kind === 'prod' ? allowed : 0,
                );
              });
            });
          }
        }
      });
    });
  }

  it('bool: whether any and all elements are', () => {
    scope(() => {
      const [x, y] = [random.normal(random.key(1), [33, 70]), random.normal(random.key(2), [70])];
      for (const axes of [[0], [1], [0, 1]]) {
        for (const reduce of [max, min]) {
          const f = (p: Tensor, q: Tensor): Tensor => reduce(less(p, q), axes);
          expectSame(jit(f)(x, y), f(x, y), `over [${axes}]`);
        }
      }
    });
  });

  it('fuses softmax cross-entropy into passes that write nothing but the exponentials and the gradient', async () => {
    const z = random.normal(random.key(3), [64, 50]);
    const target = random.uniform(random.key(4), [64, 50]);
    const loss = (logits: Tensor): Tensor => mean(sub(logSumExp(logits, [1]), sum(mul(logits, target), [1])));
    const both = jit((logits: Tensor) => [loss(logits), grad(loss)(logits)] as const);
    const { result, rows } = await profile(() => both(z));
    const large = rows.filter(({ name }) => name.includes('[64, 50]')).map(({ name }) => name.split(' -> ')[1]);
    expect(large.sort()).toEqual(['float32[64, 50]', 'float32[64, 50], float32[64]']);
    expect(rows.some(({ name }) => name.startsWith('chainReduce[sub exp'))).toBe(true);
    expect(result[1].shape).toEqual([64, 50]);
  });

  it('leaves out what is known while compiling', async () => {
    const f = jit((x: Tensor) => mul(mul(x, 1), mul(full([3], 2), full([3], 3))).sub(0));
    f(tensor([0, 0, 0]));
    const { result, rows } = await profile(() => f(tensor([1, 2, 3])));
    expect(Array.from(await result.data())).toEqual([6, 12, 18]);
    expect(rows.map(({ name }) => name)).toEqual(['chain[mul] -> float32[3]']);
  });
});
