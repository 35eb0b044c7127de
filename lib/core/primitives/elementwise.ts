/** Elementwise primitives. Operands have the result's shape or rank 0; broadcasting is spelled out before (ops/elementwise.ts). */
import { type DType, isFloat } from '../dtype.js';
import { DTypeError, ShapeError } from '../errors.js';
import {
  definePrimitive,
  type JvpContext,
  type Params,
  type Primitive,
  type Tangent,
  type TransposeContext,
} from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { type Shape, sameShape, TensorType } from '../types.js';
import { batchElementwise } from './batching.js';
import {
  add,
  broadcast,
  cast,
  cos,
  div,
  equal,
  greater,
  less,
  log,
  logistic,
  mul,
  type None,
  neg,
  pow,
  reduceSum,
  select,
  sign,
  sin,
  sub,
  sumTangents,
} from './lax.js';

function elementShape(op: string, types: readonly TensorType[]): Shape {
  let shape: Shape = [];
  for (const type of types) {
    if (type.rank === 0) continue;
    if (shape.length > 0 && !sameShape(shape, type.shape)) {
      throw new ShapeError(op, `Expected operands of one shape, received ${types.join(' and ')}`);
    }
    shape = type.shape;
  }
  return shape;
}

/** Which dtypes a row takes. */
type Kind = 'float' | 'number' | 'signed' | 'bool' | 'any';

function checkKind(op: string, kind: Kind, dtype: DType): void {
  const ok =
    kind === 'any' ||
    (kind === 'float' && isFloat(dtype)) ||
    (kind === 'number' && dtype !== 'bool') ||
    (kind === 'signed' && dtype !== 'bool' && dtype !== 'uint32') ||
    (kind === 'bool' && dtype === 'bool');
  if (ok) return;
  const wanted = {
    float: 'float32 or float64',
    number: 'a numeric dtype',
    signed: 'a signed dtype',
    bool: 'bool',
    any: '',
  }[kind];
  throw new DTypeError(op, `Expected ${wanted}, received ${dtype}`, { hint: 'cast the operand first' });
}

function sameDType(op: string, types: readonly TensorType[]): DType {
  const [first] = types as [TensorType];
  for (const type of types) {
    if (type.dtype !== first.dtype)
      throw new DTypeError(op, `Expected operands of one dtype, received ${types.join(' and ')}`);
  }
  return first.dtype;
}

/** A rule for tangents of unary primitives: given t, x and y = f(x), the tangent of y. */
type UnaryJvp = (t: Tensor, x: Tensor, y: Tensor) => Tensor;

/** Names of the primitives that are one formula an element: what computes them together is one kernel. */
export const formulas = new Set(['select', 'cast', 'isFinite']);

export function unary(name: string, kind: Kind, jvp?: UnaryJvp, linear?: (ct: Tensor) => Tensor): Primitive {
  formulas.add(name);
  return definePrimitive<None>({
    name,
    infer: ([x]) => {
      checkKind(name, kind, (x as TensorType).dtype);
      return [x as TensorType];
    },
    ...(jvp && {
      jvp: ({ inputs: [x], tangents: [t], outputs: [y] }: JvpContext<None>) => [
        t ? jvp(t, x as Tensor, y as Tensor) : null,
      ],
    }),
    ...(linear && { transpose: ({ cotangents: [ct] }: TransposeContext<None>) => [ct ? linear(ct) : null] }),
    batch: batchElementwise(name),
  });
}

/** Sums a cotangent down to rank 0 when the operand was stretched from it. */
function unstretch(ct: Tangent, type: TensorType): Tangent {
  return ct && type.rank === 0 && ct.rank > 0 ? reduceSum(ct, [...ct.shape.keys()]) : ct;
}

/** A tangent in the full shape of the result, where only one operand (maybe of rank 0) contributed. */
function stretch(t: Tensor, shape: Shape): Tensor {
  return t.rank === shape.length ? t : broadcast(t, shape, []);
}

type BinaryJvp = (context: { tx: Tangent; ty: Tangent; x: Tensor; y: Tensor; z: Tensor }) => Tangent;

export function binary(
  name: string,
  kind: Kind,
  result: 'same' | 'bool',
  jvp?: BinaryJvp,
  transpose?: (context: TransposeContext<None>) => Tangent[],
): Primitive {
  formulas.add(name);
  return definePrimitive<None>({
    name,
    infer: (types) => {
      const dtype = sameDType(name, types);
      checkKind(name, kind, dtype);
      return [TensorType.of(result === 'bool' ? 'bool' : dtype, elementShape(name, types))];
    },
    ...(jvp && {
      jvp: ({ inputs: [x, y], tangents: [tx, ty], outputs: [z] }: JvpContext<None>) => {
        const t = jvp({ tx: tx as Tangent, ty: ty as Tangent, x: x as Tensor, y: y as Tensor, z: z as Tensor });
        return [t && stretch(t, (z as Tensor).shape)];
      },
    }),
    ...(transpose && { transpose }),
    batch: batchElementwise(name),
  });
}

export const negPrimitive = unary(
  'neg',
  'signed',
  (t) => neg(t),
  (ct) => neg(ct),
);
export const absPrimitive = unary('abs', 'signed', (t, x) => mul(t, sign(x)));
export const signPrimitive = unary('sign', 'signed');
export const expPrimitive = unary('exp', 'float', (t, _x, y) => mul(t, y));
export const expm1Primitive = unary('expm1', 'float', (t, _x, y) => mul(t, add(y, 1)));
export const logPrimitive = unary('log', 'float', (t, x) => div(t, x));
export const log1pPrimitive = unary('log1p', 'float', (t, x) => div(t, add(x, 1)));
export const sqrtPrimitive = unary('sqrt', 'float', (t, _x, y) => div(t, mul(y, 2)));
export const rsqrtPrimitive = unary('rsqrt', 'float', (t, x, y) => mul(t, div(mul(y, -0.5), x)));
export const squarePrimitive = unary('square', 'number', (t, x) => mul(t, mul(x, 2)));
export const reciprocalPrimitive = unary('reciprocal', 'float', (t, _x, y) => mul(t, neg(mul(y, y))));
export const tanhPrimitive = unary('tanh', 'float', (t, _x, y) => mul(t, sub(1, mul(y, y))));
export const logisticPrimitive = unary('logistic', 'float', (t, _x, y) => mul(t, mul(y, sub(1, y))));
export const softplusPrimitive = unary('softplus', 'float', (t, x) => mul(t, logistic(x)));
export const sinPrimitive = unary('sin', 'float', (t, x) => mul(t, cos(x)));
export const cosPrimitive = unary('cos', 'float', (t, x) => mul(t, neg(sin(x))));
export const floorPrimitive = unary('floor', 'float');
export const ceilPrimitive = unary('ceil', 'float');
export const roundPrimitive = unary('round', 'float');
export const notPrimitive = unary('not', 'bool');

export const isFinitePrimitive = definePrimitive<None>({
  name: 'isFinite',
  infer: ([x]) => {
    checkKind('isFinite', 'float', (x as TensorType).dtype);
    return [(x as TensorType).withDType('bool')];
  },
  batch: batchElementwise('isFinite'),
});

export const addPrimitive = binary(
  'add',
  'number',
  'same',
  ({ tx, ty }) => (tx && ty ? add(tx, ty) : (tx ?? ty)),
  ({ cotangents: [ct], operands }) =>
    operands.map((operand) => (operand.linear ? unstretch(ct as Tangent, operand.type) : null)),
);
export const subPrimitive = binary(
  'sub',
  'number',
  'same',
  ({ tx, ty }) => (tx && ty ? sub(tx, ty) : (tx ?? (ty && neg(ty)))),
  ({ cotangents: [ct], operands: [a, b] }) => [
    a?.linear ? unstretch(ct as Tangent, a.type) : null,
    b?.linear && ct ? neg(unstretch(ct, b.type) as Tensor) : null,
  ],
);
export const mulPrimitive = binary(
  'mul',
  'number',
  'same',
  ({ tx, ty, x, y }) => sumTangents(tx && mul(tx, y), ty && mul(x, ty)),
  ({ cotangents: [ct], operands: [a, b] }) => {
    if (!ct) return [null, null];
    if (a?.linear && b && !b.linear) return [unstretch(mul(ct, b.value), a.type), null];
    if (b?.linear && a && !a.linear) return [null, unstretch(mul(ct, a.value), b.type)];
    throw notLinear('mul');
  },
);
export const divPrimitive = binary(
  'div',
  'number',
  'same',
  ({ tx, ty, y, z }) => sumTangents(tx && div(tx, y), ty && mul(ty, neg(div(z, y)))),
  ({ cotangents: [ct], operands: [a, b] }) => {
    if (!a?.linear || !b || b.linear) throw notLinear('div');
    return [ct ? unstretch(div(ct, b.value), a.type) : null, null];
  },
);
export const powPrimitive = binary('pow', 'float', 'same', ({ tx, ty, x, y, z }) =>
  sumTangents(
    tx && mul(tx, mul(y, pow(x, sub(y, 1)))),
    // x^y log x, with its limit 0 at x = 0.
    ty && mul(ty, mul(z, log(select(equal(x, 0), 1, x, x.dtype)))),
  ),
);

/** Shares of the tangent at ties: one half each. */
const extremum =
  (wins: typeof greater): BinaryJvp =>
  ({ tx, ty, x, y }) => {
    const share = (mine: Tensor, other: Tensor): Tensor =>
      select(wins(mine, other), 1, select(wins(other, mine), 0, 0.5, mine.dtype), mine.dtype);
    return sumTangents(tx && mul(tx, share(x, y)), ty && mul(ty, share(y, x)));
  };
export const maxPrimitive = binary('max', 'number', 'same', extremum(greater));
export const minPrimitive = binary('min', 'number', 'same', extremum(less));

export const eqPrimitive = binary('eq', 'any', 'bool');
export const nePrimitive = binary('ne', 'any', 'bool');
export const ltPrimitive = binary('lt', 'any', 'bool');
export const lePrimitive = binary('le', 'any', 'bool');
export const gtPrimitive = binary('gt', 'any', 'bool');
export const gePrimitive = binary('ge', 'any', 'bool');
export const andPrimitive = binary('and', 'bool', 'same');
export const orPrimitive = binary('or', 'bool', 'same');

export const selectPrimitive = definePrimitive<None>({
  name: 'select',
  infer: (types) => {
    const [condition, a, b] = types as [TensorType, TensorType, TensorType];
    if (condition.dtype !== 'bool')
      throw new DTypeError('where', `Expected a bool condition, received ${condition.dtype}`);
    return [TensorType.of(sameDType('where', [a, b]), elementShape('where', types))];
  },
  jvp: ({ inputs: [condition], tangents: [, ta, tb], outputs: [y] }) => {
    if (!ta && !tb) return [null];
    return [stretch(select(condition as Tensor, ta ?? 0, tb ?? 0, (y as Tensor).dtype), (y as Tensor).shape)];
  },
  transpose: ({ cotangents: [ct], operands: [condition, a, b] }) => {
    if (!ct || !condition || condition.linear) return [null, null, null];
    return [
      null,
      a?.linear ? unstretch(select(condition.value, ct, 0, ct.dtype), a.type) : null,
      b?.linear ? unstretch(select(condition.value, 0, ct, ct.dtype), b.type) : null,
    ];
  },
  batch: batchElementwise('select'),
});

interface CastParams extends Params {
  readonly dtype: DType;
}

export const castPrimitive = definePrimitive<CastParams>({
  name: 'cast',
  infer: ([x], { dtype }) => [(x as TensorType).withDType(dtype)],
  jvp: ({ tangents: [t], params: { dtype } }) => [t && isFloat(dtype) ? cast(t, dtype) : null],
  transpose: ({ cotangents: [ct], operands: [x] }) => [ct && x?.linear ? cast(ct, x.type.dtype) : null],
  batch: batchElementwise('cast'),
  encode: () => [],
});

export function notLinear(op: string): ShapeError | DTypeError {
  return new DTypeError(
    op,
    'Expected an operation that is linear in the differentiated operand, received one that is not',
  );
}
