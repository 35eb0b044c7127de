/** Random well-typed programs over a few float64 tensors: what fuzz tests run in more than one way. */
import fc from 'fast-check';
import {
  add,
  broadcastTo,
  concatenate,
  cond,
  div,
  exp,
  less,
  matmul,
  maximum,
  mul,
  reshape,
  scan,
  slice,
  softplus,
  square,
  sub,
  sum,
  type Tensor,
  take,
  tanh,
  tensor,
  transpose,
  where,
} from '../../lib/index.js';

/** Which operation, and raw numbers from which its operands and parameters are drawn. */
export interface Instruction {
  readonly operation: string;
  readonly a: number;
  readonly b: number;
  readonly parameter: number;
}

export interface Recipe {
  readonly shapes: readonly (readonly number[])[];
  readonly instructions: readonly Instruction[];
  readonly seed: number;
}

const last = (x: Tensor): number => x.shape.at(-1) ?? 1;
/** Keeps values of order one, whatever was multiplied before. */
const tame = (x: Tensor): Tensor => tanh(mul(x, 0.5));

/** Each takes two values and a number, and says undefined when they do not fit. */
const operations: Readonly<Record<string, (x: Tensor, y: Tensor, parameter: number) => Tensor | undefined>> = {
  add: (x, y) => broadcasting(x, y, add),
  sub: (x, y) => broadcasting(x, y, sub),
  mul: (x, y) => broadcasting(x, y, mul),
  div: (x, y) => broadcasting(x, y, (p, q) => div(p, add(square(q), 1))),
  maximum: (x, y) => broadcasting(x, y, maximum),
  where: (x, y) => broadcasting(x, y, (p, q) => where(less(p, q), mul(p, 2), tanh(q))),
  tanh: (x) => tanh(x),
  exp: (x) => exp(tame(x)),
  softplus: (x) => softplus(x),
  square: (x) => tame(square(x)),
  scale: (x, _, parameter) => mul(x, (parameter % 7) / 4),
  sum: (x, _, parameter) => (x.rank === 0 ? undefined : tame(sum(x, parameter % x.rank))),
  sumKept: (x, _, parameter) =>
    x.rank === 0 ? undefined : add(x, tame(sum(x, parameter % x.rank, { keepDims: true }))),
  transpose: (x) => (x.rank < 2 ? undefined : transpose(x)),
  flatten: (x) => reshape(x, [x.size]),
  widen: (x, _, parameter) => (x.rank > 3 ? undefined : broadcastTo(x, [1 + (parameter % 3), ...x.shape])),
  slice: (x, _, parameter) => {
    if (x.rank === 0 || last(x) < 2) return undefined;
    const start = x.shape.map((_, k) => (k === x.rank - 1 ? parameter % (last(x) - 1) : 0));
    return slice(x, start, x.shape);
  },
  concatenate: (x, y, parameter) => {
    const axis = x.rank === 0 ? -1 : parameter % x.rank;
    const fits = axis >= 0 && x.rank === y.rank && x.shape.every((dim, k) => k === axis || dim === y.shape[k]);
    return fits ? concatenate([x, y], axis) : undefined;
  },
  take: (x, _, parameter) => {
    const rows = x.shape[0] ?? 0;
    if (rows === 0) return undefined;
    return take(x, tensor(Int32Array.of(parameter % rows, 0, (3 * parameter) % rows)), 0);
  },
  matmul: (x, y) => (x.rank === 2 && y.rank === 2 && last(x) === y.shape[0] ? tame(matmul(x, y)) : undefined),
  gram: (x) => (x.rank === 2 ? tame(matmul(x, x, { transposeB: true })) : undefined),
  scan: (x, y, parameter) =>
    x.type === y.type
      ? scan((c: Tensor) => [tame(add(mul(c, y), 0.1)), sum(c)] as const, x, undefined, { length: parameter % 4 })[0]
      : undefined,
  cond: (x, y) =>
    x.type === y.type
      ? (cond(
          less(sum(x), sum(y)),
          (p: Tensor, q: Tensor) => mul(p, tanh(q)),
          (p: Tensor, q: Tensor) => sub(p, mul(q, q)),
          x,
          y,
        ) as Tensor)
      : undefined,
};

function broadcasting(x: Tensor, y: Tensor, f: (x: Tensor, y: Tensor) => Tensor): Tensor | undefined {
  const fits = Array.from({ length: Math.max(x.rank, y.rank) }, (_, k) => [
    x.shape[x.rank - 1 - k] ?? 1,
    y.shape[y.rank - 1 - k] ?? 1,
  ]).every(([p, q]) => p === q || p === 1 || q === 1);
  return fits ? f(x, y) : undefined;
}

const names = Object.keys(operations);
const dims = fc.integer({ min: 1, max: 4 });

export const recipes: fc.Arbitrary<Recipe> = fc.record({
  shapes: fc.array(fc.array(dims, { maxLength: 3 }), { minLength: 1, maxLength: 3 }),
  instructions: fc.array(
    fc.record({ operation: fc.constantFrom(...names), a: fc.nat(1000), b: fc.nat(1000), parameter: fc.nat(1000) }),
    { minLength: 1, maxLength: 25 },
  ),
  seed: fc.nat(2 ** 31 - 1),
});

/** Inputs of a recipe, of order one and away from each other, so that few comparisons are near ties. */
export function inputsOf({ shapes, seed }: Recipe): Tensor[] {
  let state = seed + 1;
  const next = (): number => {
    state = (state * 48271) % 2147483647;
    return (state / 2147483647) * 4 - 2;
  };
  return shapes.map((shape) =>
    tensor(Float64Array.from({ length: shape.reduce((n, dim) => n * dim, 1) }, next), { shape }),
  );
}

/** The program itself: all values that nothing else used, as one list. */
export function apply({ instructions }: Recipe, inputs: readonly Tensor[]): Tensor[] {
  const values = [...inputs];
  const used = new Set<Tensor>();
  for (const { operation, a, b, parameter } of instructions) {
    const [x, y] = [values[a % values.length] as Tensor, values[b % values.length] as Tensor];
    const result = operations[operation]?.(x, y, parameter);
    if (!result || result.size > 4096 || values.includes(result)) continue; // an identity returns its operand
    used.add(x).add(y);
    values.push(result);
  }
  return values.filter((value) => !used.has(value));
}
