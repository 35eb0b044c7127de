/** QR factorisation, batched over leading dimensions. */

import { definePrimitive } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import type { TensorType } from '../types.js';
import { batchLeading } from './batching.js';
import { add, concatenate, matmul, mul, type None, slice, sub, triangularSolve } from './lax.js';
import { batchOf, checkMatrices, matrixOf, transposeLast, triangle } from './matrices.js';

/** Columns [from, to) of matrices. */
export function columns(x: Tensor, from: number, to: number): Tensor {
  const edge = (last: number, others: (dim: number) => number): number[] =>
    x.shape.map((dim, axis) => (axis === x.rank - 1 ? last : others(dim)));
  return slice(
    x,
    edge(from, () => 0),
    edge(to, (dim) => dim),
    x.shape.map(() => 1),
  );
}

/**
 * Tangents of A = Q R with R square. With C = dA R^-1 and M = Q^T C: Q^T dQ is skew and dR R^-1 upper triangular, so that
 * Q^T dQ = S = strictLower(M) - strictLower(M)^T, dR = (M - S) R and dQ = C - Q (M - S).
 */
function tall(q: Tensor, r: Tensor, t: Tensor): [Tensor, Tensor] {
  const c = triangularSolve(r, t, { left: false, lower: false, transpose: false, unitDiagonal: false });
  const m = matmul(q, c, { transposeA: true });
  const lower = mul(m, triangle(m.type, { strict: true }));
  const upper = add(sub(m, lower), transposeLast(lower));
  return [sub(c, matmul(q, upper)), matmul(upper, r)];
}

/** a [.., m, n] -> q [.., m, k], r [.., k, n], k = min(m, n); the diagonal of r is not negative. */
export const qrPrimitive = definePrimitive<None>({
  name: 'qr',
  infer: ([a]) => {
    const type = a as TensorType;
    checkMatrices('qr', type);
    const [m, n] = matrixOf(type);
    const k = Math.min(m, n);
    return [type.withShape([...batchOf(type), m, k]), type.withShape([...batchOf(type), k, n])];
  },
  jvp: ({ tangents: [t], outputs: [q, r] }) => {
    if (!t || !q || !r) return [null, null];
    const [m, n] = matrixOf(t);
    if (m >= n) return tall(q, r, t);
    // The first m columns fix Q; the others are R2 = Q^T A2 with A2 = Q R2.
    const [dq, dr] = tall(q, columns(r, 0, m), columns(t, 0, m));
    const rest = matmul(q, columns(r, m, n));
    const moved = add(matmul(dq, rest, { transposeA: true }), matmul(q, columns(t, m, n), { transposeA: true }));
    return [dq, concatenate([dr, moved], t.rank - 1)];
  },
  batch: batchLeading('qr'),
});
