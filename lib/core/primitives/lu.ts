/** LU factorisation and the solves that use it, batched over leading dimensions. */

import { ShapeError } from '../errors.js';
import { definePrimitive, type Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { sameShape, TensorType } from '../types.js';
import { batchLeading } from './batching.js';
import { notLinear } from './elementwise.js';
import { add, gather, iota, matmul, mul, type None, neg, reshape, sub, transpose, triangularSolve } from './lax.js';
import { luSolve } from './lax-linalg.js';
import { batchOf, checkFloat, checkSquare, identity, matrixOf, sameBatch, triangle } from './matrices.js';

/** x [.., n, k] with its rows in the order `permutation` [.., n]. */
function permuteRows(x: Tensor, permutation: Tensor): Tensor {
  const [n, k] = matrixOf(x);
  const count = permutation.size / Math.max(1, n);
  // One gather over the rows of all matrices: each matrix's rows start where the ones before it end.
  const index = TensorType.of('int32', [count, n]);
  const rows = add(reshape(permutation, [count, n]), mul(iota(index, 0), n));
  return reshape(gather(reshape(x, [count * n, k]), rows, 0), x.shape);
}

/**
 * a -> factors, permutation, sign, info: A[permutation] = L U, with L (unit diagonal, left out) and U in one matrix; sign is that of
 * the permutation; info the order of the first zero pivot, or 0.
 */
export const luPrimitive = definePrimitive<None>({
  name: 'lu',
  infer: ([a]) => {
    const type = a as TensorType;
    checkSquare('lu', type);
    const scalars = TensorType.of('int32', batchOf(type));
    return [type, TensorType.of('int32', type.shape.slice(0, -1)), scalars, scalars];
  },
  // With M = L^-1 dA[permutation] U^-1: dL = L strictLower(M), dU = upper(M) U. The permutation does not move.
  jvp: ({ tangents: [t], outputs: [factors, permutation] }) => {
    if (!t || !factors || !permutation) return [null, null, null, null];
    const [lower, upper] = [triangle(t.type, { strict: true }), triangle(t.type, { upper: true })];
    const l = add(mul(factors, lower), identity(t.type));
    const u = mul(factors, upper);
    const rows = permuteRows(t, permutation);
    const half = triangularSolve(l, rows, { left: true, lower: true, transpose: false, unitDiagonal: true });
    const inner = triangularSolve(u, half, { left: false, lower: false, transpose: false, unitDiagonal: false });
    return [add(matmul(l, mul(inner, lower)), matmul(mul(inner, upper), u)), null, null, null];
  },
  batch: batchLeading('lu'),
});

interface LuSolveParams extends Params {
  readonly transpose: boolean;
}

/**
 * a, factors, permutation, b -> x of op(A) x = b. The kernel reads the factors and the derivatives follow `a`: whoever binds it
 * passes factors of that very `a`, taken for constants, so that no derivative goes through the factorisation.
 */
export const luSolvePrimitive = definePrimitive<LuSolveParams>({
  name: 'luSolve',
  infer: ([a, factors, permutation, b]) => {
    const [matrix, right] = [a as TensorType, b as TensorType];
    checkSquare('solve', matrix);
    checkFloat('solve', [matrix, factors as TensorType, right]);
    const order = TensorType.of('int32', matrix.shape.slice(0, -1));
    if (!sameBatch(matrix, right) || matrixOf(right)[0] !== matrixOf(matrix)[0] || permutation !== order) {
      throw new ShapeError(
        'solve',
        `Expected a [.., n, n] and b [.., n, k] with equal batch dimensions, received ${matrix} and ${right}`,
      );
    }
    if (!sameShape(matrix.shape, (factors as TensorType).shape))
      throw new ShapeError('solve', `Expected factors of the shape of a, received ${factors} for ${matrix}`);
    return [right];
  },
  // op(A) dx = db - op(dA) x.
  jvp: ({ inputs: [a, factors, permutation], tangents: [ta, , , tb], outputs: [x], params }) => {
    if (!a || !factors || !permutation || !x) return [null];
    const moved = ta && matmul(ta, x, { transposeA: params.transpose });
    const right = moved ? (tb ? sub(tb, moved) : neg(moved)) : (tb ?? null);
    return [right && luSolve(a, factors, permutation, right, params.transpose)];
  },
  transpose: ({ cotangents: [ct], operands: [a, factors, permutation, b], params }) => {
    if (!ct || !b?.linear) return [null, null, null, null];
    if (!a || a.linear || !factors || factors.linear || !permutation || permutation.linear) throw notLinear('solve');
    return [null, null, null, luSolve(a.value, factors.value, permutation.value, ct, !params.transpose)];
  },
  batch: (context) => {
    const {
      inputs: [a, factors, permutation, b],
      batched,
      size,
      params,
    } = context;
    if (batched[0] || batched[1] || batched[2] || !batched[3] || !a || !factors || !permutation || !b)
      return batchLeading('luSolve')(context);
    // Right-hand sides of one matrix stand side by side: [size, .., n, k] -> [.., n, size k] and back.
    const [n, k] = matrixOf(b);
    const rank = b.rank;
    const inner = [...Array(rank - 3).keys()].map((axis) => axis + 1);
    const lined = reshape(transpose(b, [...inner, rank - 2, 0, rank - 1]), [...batchOf(a), n, size * k]);
    const solved = reshape(luSolve(a, factors, permutation, lined, params.transpose), [...batchOf(a), n, size, k]);
    return [transpose(solved, [rank - 2, ...inner.map((axis) => axis - 1), rank - 3, rank - 1])];
  },
  encode: (params) => [Number(params.transpose)],
});
