/** Eigenvalues of symmetric matrices, and functions of such matrices, batched over leading dimensions. */

import { DomainError, ShapeError } from '../errors.js';
import { definePrimitive, type Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { sameShape, TensorType } from '../types.js';
import { batchLeading } from './batching.js';
import { notLinear } from './elementwise.js';
import { add, div, matmul, mul, type None, sub, sumTangents } from './lax.js';
import { constant, eigh, type SpectralFunction, spectralFunction, spectralFunctions } from './lax-linalg.js';
import {
  asColumns,
  asRows,
  batchOf,
  checkFloat,
  checkSquare,
  diagonalOf,
  identity,
  transposeLast,
} from './matrices.js';

const vectorsOf = (type: TensorType): TensorType => type.withShape(type.shape.slice(0, -1));
const infoOf = (type: TensorType): TensorType => TensorType.of('int32', batchOf(type));

/** (X + X^T) / 2 */
export function symmetricPart(x: Tensor): Tensor {
  return mul(add(x, transposeLast(x)), 0.5);
}

/** V^T dA V with the symmetric part of dA. */
function inBasis(v: Tensor, t: Tensor): Tensor {
  return matmul(v, matmul(symmetricPart(t), v), { transposeA: true });
}

/** a -> w [.., n] ascending, v [.., n, n] with eigenvectors as columns, info, of (a + a^T) / 2. */
export const eighPrimitive = definePrimitive<None>({
  name: 'eigh',
  infer: ([a]) => {
    const type = a as TensorType;
    checkSquare('eigh', type);
    return [vectorsOf(type), type, infoOf(type)];
  },
  // With S = V^T dA V: dw = diag(S) and dV = V G, G_ij = S_ij / (w_j - w_i) off the diagonal.
  jvp: ({ tangents: [t], outputs: [w, v] }) => {
    if (!t || !w || !v) return [null, null, null];
    const s = inBasis(v, t);
    const one = identity(s.type);
    const gaps = sub(asRows(w, s.shape), asColumns(w, s.shape));
    return [diagonalOf(s), matmul(v, div(mul(s, sub(1, one)), add(gaps, one))), null];
  },
  batch: batchLeading('eigh'),
});

/** a -> w [.., n] ascending, info, of (a + a^T) / 2. */
export const eigenvaluesPrimitive = definePrimitive<None>({
  name: 'eigenvalues',
  infer: ([a]) => {
    const type = a as TensorType;
    checkSquare('eigvalsh', type);
    return [vectorsOf(type), infoOf(type)];
  },
  jvp: ({ inputs: [a], tangents: [t] }) => {
    if (!t || !a) return [null, null];
    const [, v] = eigh(a);
    return [diagonalOf(inBasis(v, t)), null];
  },
  batch: batchLeading('eigenvalues'),
});

interface SpectralParams extends Params {
  readonly function: SpectralFunction;
}

/** Directions that the kernel takes: what derivatives of third order need. */
const MAX_ORDER = 3;

/**
 * a, w, v, h1, .., hr -> D^r f(a)[h1, .., hr], the derivative of f(a) = V diag(f(w)) V^T along symmetric parts of directions; f(a)
 * itself for r = 0. The kernel reads w and v, and the derivatives follow `a`: whoever binds it passes the decomposition of that very
 * `a`, taken for a constant.
 *
 * The derivative of D^r f(a)[..] along da is D^(r+1) f(a)[.., da]. It is symmetric in its directions and, as tr(G D^r f(a)[..]) is the
 * derivative of order r + 1 of a function of a (the trace of an antiderivative of f), self-adjoint in each of them.
 */
export const spectralFunctionPrimitive = definePrimitive<SpectralParams>({
  name: 'spectralFunction',
  infer: (types, params) => {
    const [a, w] = types as [TensorType, TensorType];
    checkSquare(params.function, a);
    checkFloat(params.function, types);
    const wrong = types.slice(2).find((type) => !sameShape(type.shape, a.shape));
    if (wrong || w !== vectorsOf(a))
      throw new ShapeError(params.function, `Expected matrices of one shape, received ${types.join(' and ')}`);
    if (types.length - 3 > MAX_ORDER) {
      throw new DomainError(
        params.function,
        `Expected derivatives up to order ${MAX_ORDER} of a function of a matrix, received order ${types.length - 3}`,
      );
    }
    return [a];
  },
  jvp: ({ inputs: [a, w, v, ...directions], tangents: [ta, , , ...moved], params }) => {
    if (!a || !w || !v) return [null];
    const along = (list: readonly Tensor[]): Tensor => spectralFunction(params.function, a, w, v, list);
    return [
      sumTangents(
        ta ? along([...directions, ta]) : null,
        ...moved.map((t, k) => t && along(directions.map((h, j) => (j === k ? t : h)))),
      ),
    ];
  },
  transpose: ({ cotangents: [ct], operands, params }) => {
    const nothing = operands.map(() => null);
    if (!ct) return nothing;
    const position = operands.findIndex((operand) => operand.linear);
    const values = operands.map((operand, k) => {
      if (k === position) return ct;
      if (operand.linear) throw notLinear(params.function);
      return operand.value;
    });
    if (position < 3) throw notLinear(params.function);
    const [a, w, v, ...directions] = values as [Tensor, Tensor, Tensor, ...Tensor[]];
    return operands.map((_, k) => (k === position ? spectralFunction(params.function, a, w, v, directions) : null));
  },
  batch: batchLeading('spectralFunction'),
  encode: (params) => [spectralFunctions.indexOf(params.function)],
});

/** f(a) for the symmetric part of a, with the derivatives above, and the info of the decomposition. */
export function functionOf(name: SpectralFunction, a: Tensor): [Tensor, Tensor] {
  const [w, v, info] = eigh(constant(a));
  return [spectralFunction(name, a, w, v), info];
}
