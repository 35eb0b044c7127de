/** Singular values, and functions of them, batched over leading dimensions. */

import { ShapeError } from '../errors.js';
import { definePrimitive, type Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { type Shape, sameShape, TensorType } from '../types.js';
import { batchLeading } from './batching.js';
import { add, concatenate, div, matmul, mul, type None, neg, pad, reduceSum, slice, sub, zeros } from './lax.js';
import {
  constant,
  qr,
  type SingularParts,
  type SpectralFunction,
  singularFunction,
  spectralFunction,
  spectralFunctions,
  svd,
} from './lax-linalg.js';
import {
  asColumns,
  asRows,
  batchOf,
  checkFloat,
  checkMatrices,
  diagonalOf,
  identity,
  matrixOf,
  transposeLast,
} from './matrices.js';
import { columns } from './qr.js';

function partTypes(type: TensorType): [TensorType, TensorType, TensorType] {
  const [m, n] = matrixOf(type);
  const k = Math.min(m, n);
  const of = (...inner: number[]): TensorType => type.withShape([...batchOf(type), ...inner]);
  return [of(m, k), of(k), of(k, n)];
}

const infoOf = (type: TensorType): TensorType => TensorType.of('int32', batchOf(type));

/** a [.., m, n] -> u [.., m, k], s [.., k] descending, vt [.., k, n], info. */
export const svdPrimitive = definePrimitive<None>({
  name: 'svd',
  infer: ([a]) => {
    const type = a as TensorType;
    checkMatrices('svd', type);
    return [...partTypes(type), infoOf(type)];
  },
  // With P = U^T dA V: ds = diag(P); dU = U (F o (P S + S P^T)) + (1 - U U^T) dA V / S with F_ij = 1 / (s_j^2 - s_i^2) off the
  // diagonal; dV likewise with P^T and dA^T.
  jvp: ({ tangents: [t], outputs: [u, s, vt] }) => {
    if (!t || !u || !s || !vt) return [null, null, null, null];
    const [m, n] = matrixOf(t);
    const av = matmul(t, vt, { transposeB: true });
    const p = matmul(u, av, { transposeA: true });
    const one = identity(p.type);
    const [across, down] = [asRows(s, p.shape), asColumns(s, p.shape)];
    const gaps = add(mul(sub(across, down), add(across, down)), one);
    const f = (x: Tensor): Tensor => div(mul(add(x, transposeLast(x)), sub(1, one)), gaps);
    let du = matmul(u, f(mul(p, across)));
    let dvt = neg(matmul(f(mul(p, down)), vt)); // F is skew: its transpose times V^T
    if (m > n) du = add(du, div(sub(av, matmul(u, p)), asRows(s, du.shape)));
    if (n > m) {
      const ua = matmul(u, t, { transposeA: true });
      dvt = add(dvt, div(sub(ua, matmul(p, vt)), asColumns(s, dvt.shape)));
    }
    return [du, diagonalOf(p), dvt, null];
  },
  batch: batchLeading('svd'),
});

/** a [.., m, n] -> s [.., k] descending, info. */
export const singularValuesPrimitive = definePrimitive<None>({
  name: 'singularValues',
  infer: ([a]) => {
    const type = a as TensorType;
    checkMatrices('singularValues', type);
    return [partTypes(type)[1], infoOf(type)];
  },
  jvp: ({ inputs: [a], tangents: [t] }) => {
    if (!t || !a) return [null, null];
    const [u, , vt] = svd(a);
    return [diagonalOf(matmul(u, matmul(t, vt, { transposeB: true }), { transposeA: true })), null];
  },
  batch: batchLeading('singularValues'),
});

function checkParts(op: string, types: readonly TensorType[]): TensorType {
  const [a, ...parts] = types as [TensorType, TensorType, TensorType, TensorType];
  checkMatrices(op, a);
  checkFloat(op, types);
  if (!partTypes(a).every((type, k) => sameShape(type.shape, (parts[k] as TensorType).shape)))
    throw new ShapeError(op, `Expected a matrix with its decomposition, received ${types.join(' and ')}`);
  return a;
}

/** Orthonormal columns [.., m, m - k] beside those of u [.., m, k]: what Householder reflections make of zero columns. */
function complement(u: Tensor): Tensor {
  const [m, k] = matrixOf(u);
  const low = u.shape.map(() => 0);
  const high = u.shape.map((_, axis) => (axis === u.rank - 1 ? m - k : 0));
  const [q] = qr(pad(u, 0, low, high, low));
  return columns(q, k, m);
}

/** [[0, x], [x^T, 0]] of order m + n. */
function embed(x: Tensor): Tensor {
  const [m, n] = matrixOf(x);
  const edge = (rows: number, inRow: number): number[] =>
    x.shape.map((_, axis) => (axis === x.rank - 1 ? inRow : axis === x.rank - 2 ? rows : 0));
  const corner = pad(x, 0, edge(0, m), edge(n, 0), edge(0, 0));
  return add(corner, transposeLast(corner));
}

/**
 * Eigenvalues and eigenvectors of embed(a): s with (u, v)/sqrt(2), -s with (u, -v)/sqrt(2), and zeros with what u and v leave over
 * (G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed., section 8.6.1).
 */
function embeddedParts([u, s, vt]: SingularParts): [Tensor, Tensor] {
  const [m, k] = matrixOf(u);
  const n = matrixOf(vt)[1];
  const v = transposeLast(vt);
  const [left, right] = [mul(u, Math.SQRT1_2), mul(v, Math.SQRT1_2)];
  const batch = batchOf(u);
  const nothing = (...inner: Shape): Tensor => zeros(u.type.withShape([...batch, ...inner]));
  const over = (top: Tensor, bottom: Tensor): Tensor => concatenate([top, bottom], u.rank - 2);
  const vectors = [over(left, right), over(left, neg(right))];
  if (m > k) vectors.push(over(complement(u), nothing(n, m - k)));
  if (n > k) vectors.push(over(nothing(m, n - k), complement(v)));
  const values = [s, neg(s)];
  if (m + n > 2 * k) values.push(nothing(m + n - 2 * k));
  return [concatenate(values, s.rank - 1), concatenate(vectors, u.rank - 1)];
}

interface FunctionParams extends Params {
  readonly function: SpectralFunction;
}

/**
 * a, u, s, vt -> U diag(f(s)) V^T for an odd f. The kernel reads u, s and vt, and the derivatives follow `a`: whoever binds it passes
 * the decomposition of that very `a`, taken for a constant.
 *
 * f(embed(a)) = embed(U diag(f(s)) V^T) for odd f: so the derivatives are those of a function of a symmetric matrix, by divided
 * differences, and right at equal and at zero singular values.
 */
export const singularFunctionPrimitive = definePrimitive<FunctionParams>({
  name: 'singularFunction',
  infer: (types, params) => [checkParts(params.function, types)],
  jvp: ({ inputs: [a, u, s, vt], tangents: [t], params }) => {
    if (!t || !a || !u || !s || !vt) return [null];
    const [m, n] = matrixOf(a);
    const [w, v] = embeddedParts([u, s, vt]);
    const moved = spectralFunction(params.function, embed(a), constant(w), constant(v), [embed(t)]);
    const inner = (rows: number, inRow: number): number[] => [...batchOf(a), rows, inRow];
    const start = a.shape.map((_, axis) => (axis === a.rank - 1 ? m : 0));
    return [
      slice(
        moved,
        start,
        inner(m, m + n),
        a.shape.map(() => 1),
      ),
    ];
  },
  batch: batchLeading('singularFunction'),
  encode: (params) => [spectralFunctions.indexOf(params.function)],
});

/** a, u, s, vt -> sum of s: the gradient is sign(a) in the sense of `singularFunction`. */
export const nuclearNormPrimitive = definePrimitive<None>({
  name: 'nuclearNorm',
  infer: (types) => {
    const a = checkParts('nuclearNorm', types);
    return [a.withShape(batchOf(a))];
  },
  jvp: ({ inputs: [a, u, s, vt], tangents: [t] }) => {
    if (!t || !a || !u || !s || !vt) return [null];
    return [reduceSum(mul(t, singularFunction('sign', a, [u, s, vt])), [a.rank - 2, a.rank - 1])];
  },
  batch: batchLeading('nuclearNorm'),
});

interface ToleranceParams extends Params {
  /** Relative to the largest singular value. */
  readonly tolerance: number;
}

/** a, u, s, vt -> V diag(1/s) U^T over the s above the tolerance. */
export const pseudoInversePrimitive = definePrimitive<ToleranceParams>({
  name: 'pseudoInverse',
  infer: (types) => {
    const a = checkParts('pinv', types);
    const [m, n] = matrixOf(a);
    return [a.withShape([...batchOf(a), n, m])];
  },
  // At constant rank: dX = -X dA X + X X^T dA^T (1 - A X) + (1 - X A) dA^T X^T X (G. H. Golub, V. Pereyra, SIAM J. Numer. Anal. 1973).
  jvp: ({ inputs: [a], tangents: [t], outputs: [x] }) => {
    if (!t || !a || !x) return [null];
    const [tx, xt] = [matmul(t, x), matmul(x, t)];
    const rows = matmul(x, tx, { transposeB: true });
    const inRows = sub(rows, matmul(matmul(rows, a), x));
    const above = matmul(xt, x, { transposeA: true });
    const inColumns = sub(above, matmul(x, matmul(a, above)));
    return [add(sub(inRows, matmul(xt, x)), inColumns)];
  },
  batch: batchLeading('pseudoInverse'),
  encode: ({ tolerance }) => [tolerance],
});
