/** Matrix products, Cholesky factorisation and triangular solves, batched over leading dimensions. */
import { ShapeError } from '../errors.js';
import { definePrimitive, type Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { sameShape, TensorType } from '../types.js';
import { batchLeading, batchMatmul, foldRows } from './batching.js';
import { notLinear } from './elementwise.js';
import { add, matmul, mul, type None, neg, sub, sumTangents, type TriangularFlags, triangularSolve } from './lax.js';
import { batchOf, checkFloat, checkSquare, matrixOf, transposeLast, triangle } from './matrices.js';

interface MatmulParams extends Params {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

export const matmulPrimitive = definePrimitive<MatmulParams>({
  name: 'matmul',
  infer: (types, { transposeA, transposeB }) => {
    checkFloat('matmul', types);
    const [a, b] = types as [TensorType, TensorType];
    if (a.rank < 2 || a.rank !== b.rank || !sameShape(batchOf(a), batchOf(b))) {
      throw new ShapeError('matmul', `Expected matrices with equal batch dimensions, received ${a} and ${b}`);
    }
    const [m, k] = matrixOf(a, transposeA);
    const [inner, n] = matrixOf(b, transposeB);
    if (k !== inner)
      throw new ShapeError('matmul', `Expected equal inner dimensions, received ${k} and ${inner} from ${a} and ${b}`);
    return [a.withShape([...batchOf(a), m, n])];
  },
  jvp: ({ inputs: [a, b], tangents: [ta, tb], params }) => [
    sumTangents(ta ? matmul(ta, b as Tensor, params) : null, tb ? matmul(a as Tensor, tb, params) : null),
  ],
  transpose: ({ cotangents: [ct], operands: [a, b], params: { transposeA, transposeB } }) => {
    if (!ct) return [null, null];
    if (a?.linear && b && !b.linear) {
      const da = transposeA
        ? matmul(b.value, ct, { transposeA: transposeB, transposeB: true })
        : matmul(ct, b.value, { transposeB: !transposeB });
      return [da, null];
    }
    if (b?.linear && a && !a.linear) {
      const db = transposeB
        ? matmul(ct, a.value, { transposeA: true, transposeB: transposeA })
        : matmul(a.value, ct, { transposeA: !transposeA });
      return [null, db];
    }
    throw notLinear('matmul');
  },
  batch: batchMatmul,
  encode: ({ transposeA, transposeB }) => [Number(transposeA), Number(transposeB)],
});

/** Phi of Murray (2016), "Differentiation of the Cholesky decomposition", eq. (8): the lower triangle, its diagonal halved. */
function halfLower(x: Tensor): Tensor {
  const weights = mul(add(triangle(x.type), triangle(x.type, { strict: true })), 0.5);
  return mul(x, weights);
}

export const choleskyPrimitive = definePrimitive<None>({
  name: 'cholesky',
  infer: ([a]) => {
    const type = a as TensorType;
    checkSquare('cholesky', type);
    return [type, TensorType.of('int32', batchOf(type))];
  },
  // dL = L Phi(L^-1 dA L^-T). Only the lower triangle of A is read, so only that of dA counts.
  jvp: ({ tangents: [t], outputs: [l] }) => {
    if (!t || !l) return [null, null];
    const lower = mul(t, triangle(t.type));
    const symmetric = add(lower, transposeLast(mul(t, triangle(t.type, { strict: true }))));
    const solve = { lower: true, unitDiagonal: false };
    const half = triangularSolve(l, symmetric, { ...solve, left: true, transpose: false });
    const inner = triangularSolve(l, half, { ...solve, left: false, transpose: true });
    return [matmul(l, halfLower(inner)), null];
  },
  batch: batchLeading('cholesky'),
  encode: () => [],
});

/** l -> X = (L L^T)^-1 of the lower triangle L of l. */
export const choleskyInversePrimitive = definePrimitive<None>({
  name: 'choleskyInverse',
  infer: ([l]) => {
    checkSquare('choleskyInverse', l as TensorType);
    return [l as TensorType];
  },
  // dX = -X (dL L^T + L dL^T) X.
  jvp: ({ inputs: [l], tangents: [t], outputs: [x] }) => {
    if (!t || !l || !x) return [null];
    const lower = triangle(t.type);
    const half = matmul(matmul(x, mul(t, lower)), matmul(mul(l, lower), x, { transposeA: true }));
    return [neg(add(half, transposeLast(half)))];
  },
  batch: batchLeading('choleskyInverse'),
});

export const triangularSolvePrimitive = definePrimitive<TriangularFlags>({
  name: 'triangularSolve',
  infer: (types, { left }) => {
    checkFloat('triangularSolve', types);
    const [a, b] = types as [TensorType, TensorType];
    const [n, columns] = matrixOf(a);
    const side = b.shape[left ? b.rank - 2 : b.rank - 1];
    if (a.rank < 2 || a.rank !== b.rank || n !== columns || side !== n || !sameShape(batchOf(a), batchOf(b))) {
      throw new ShapeError(
        'triangularSolve',
        `Expected a [.., n, n] and b [.., ${left ? 'n, k' : 'k, n'}] with equal batch dimensions, received ${a} and ${b}`,
      );
    }
    return [b];
  },
  // op(A) x = b  =>  op(A) dx = db - op(dA) x, where only the triangle of A that is read moves.
  jvp: ({ inputs: [a], tangents: [ta, tb], outputs: [x], params }) => {
    if (!a || !x) return [null];
    let right = tb ?? null;
    if (ta) {
      const moved = mul(ta, triangle(ta.type, { strict: params.unitDiagonal, upper: !params.lower }));
      const product = params.left
        ? matmul(moved, x, { transposeA: params.transpose })
        : matmul(x, moved, { transposeB: params.transpose });
      right = right ? sub(right, product) : neg(product);
    }
    return [right && triangularSolve(a, right, params)];
  },
  transpose: ({ cotangents: [ct], operands: [a, b], params }) => {
    if (!ct || !b?.linear || !a || a.linear) {
      if (a?.linear) throw notLinear('triangularSolve');
      return [null, null];
    }
    return [null, triangularSolve(a.value, ct, { ...params, transpose: !params.transpose })];
  },
  batch: (context) => {
    const { inputs, batched, params } = context;
    const [a, b] = inputs as [Tensor, Tensor];
    if (batched[0]) return batchLeading<TriangularFlags>('triangularSolve')(context);
    // One matrix for all lanes: their right-hand sides are rows of one solve, x op(A) = b. op(A) x = b is x^T op(A)^T = b^T.
    const solve = (flip: boolean) => (rows: Tensor) =>
      triangularSolve(a, rows, { ...params, left: false, transpose: params.transpose !== flip });
    return [params.left ? transposeLast(foldRows(transposeLast(b), solve(true))) : foldRows(b, solve(false))];
  },
  encode: ({ left, lower, transpose: flipped, unitDiagonal }) => [left, lower, flipped, unitDiagonal].map(Number),
});
