/** Scaled dot-product and multi-head attention. */
import { beside } from '../core/concrete.js';
import type { DType } from '../core/dtype.js';
import { DomainError, DTypeError, ShapeError } from '../core/errors.js';
import { reshape, transpose } from '../core/ops/arrays.js';
import { div, equal, exp, greaterEqual, logicalAnd, mul, sub, where } from '../core/ops/elementwise.js';
import { matmul } from '../core/ops/linalg.js';
import { split } from '../core/ops/random.js';
import { max, stopGradient, sum } from '../core/ops/reductions.js';
import { iota } from '../core/primitives/lax.js';
import type { Tensor } from '../core/tensor.js';
import { TensorType } from '../core/types.js';
import { checkCount } from '../solvers/options.js';
import { type DenseParameters, dense, initDense } from './dense.js';
import type { Initializer } from './initializers.js';

export interface AttentionOptions {
  /** bool, broadcast against [.., t, s]: true where query t may attend to key s. A query that may attend to nothing gives 0. */
  readonly mask?: Tensor;
  /** Query t attends to keys 0 .. t + s − t_count only: lower triangular, aligned at the end. Default: false. */
  readonly causal?: boolean;
  /** Factor of q·k. Default: 1 / √d. */
  readonly scale?: number;
}

/** Far below any score, and its difference with one still finite, in float32 too. */
const FAR_BELOW = -1e30;

/**
 * softmax(scale q kᵀ) v (Vaswani et al., 2017, eq. 1). Stores the scores: memory t · s per head.
 *
 * @param q  queries [.., t, d].  @param k  keys [.., s, d].  @param v  values [.., s, e]; leading dimensions broadcast.
 * @returns [.., t, e]
 * @throws {ShapeError} shapes disagree.  {DTypeError} the mask is not bool.
 */
export function scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const op = 'scaledDotProductAttention';
  const [t, d] = q.shape.slice(-2);
  const [s, width] = k.shape.slice(-2);
  if (q.rank < 2 || k.rank < 2 || v.rank < 2 || d !== width || v.shape[v.rank - 2] !== s) {
    throw new ShapeError(
      op,
      `Expected q [.., t, d], k [.., s, d] and v [.., s, e], received ${q.type}, ${k.type} and ${v.type}`,
    );
  }
  const { mask, causal = false, scale = 1 / Math.sqrt(Math.max(1, d as number)) } = options;
  if (mask && mask.dtype !== 'bool') throw new DTypeError(op, `Expected a bool mask, received ${mask.dtype}`);
  const scores = matmul(mul(q, scale), k, { transposeB: true });
  const allowed = allow(mask, causal ? beside(q, () => causalMask(t as number, s as number)) : undefined);
  const masked = allowed ? where(allowed, scores, FAR_BELOW) : scores;
  const peak = stopGradient(max(masked, -1, { keepDims: true }));
  const raw = exp(sub(masked, peak));
  // Where nothing is allowed, all scores are equal and far below: their weights must still be 0, not 1 / s.
  const weights = allowed ? where(allowed, raw, 0) : raw;
  const total = sum(weights, -1, { keepDims: true });
  return matmul(div(weights, allowed ? where(equal(total, 0), 1, total) : total), v);
}

function allow(a: Tensor | undefined, b: Tensor | undefined): Tensor | undefined {
  return a && b ? logicalAnd(a, b) : (a ?? b);
}

/** bool [t, s]: whether key s is not later than query t, both counted from their end. */
function causalMask(t: number, s: number): Tensor {
  const type = TensorType.of('int32', [t, s]);
  return greaterEqual(iota(type, 0).add(s - t), iota(type, 1));
}

/** Parameters of multi-head attention: dense layers for queries, keys, values and the joined heads. */
export type AttentionParameters = {
  query: DenseParameters;
  key: DenseParameters;
  value: DenseParameters;
  output: DenseParameters;
};

export interface MultiHeadOptions extends AttentionOptions {
  /** Number of heads; divides the widths of queries and values. Required. */
  readonly heads: number;
}

/**
 * Multi-head attention (Vaswani et al., 2017, section 3.2.2): queries from x, keys and values from `memory`, which is x by default.
 *
 * @param x  float [.., t, width].  @param memory  float [.., s, width].
 * @param options.mask  bool, broadcast against [.., heads, t, s].
 * @returns [.., t, outputs of the output layer]
 * @throws {ShapeError} shapes disagree.  {DomainError} heads do not divide the widths.
 */
export function multiHeadAttention(
  parameters: AttentionParameters,
  x: Tensor,
  options: MultiHeadOptions,
  memory: Tensor = x,
): Tensor {
  const op = 'multiHeadAttention';
  const { heads, ...rest } = options;
  checkCount(op, 'heads', heads);
  const cut = (projected: Tensor): Tensor => {
    const [length, width] = projected.shape.slice(-2) as [number, number];
    if (width % heads !== 0)
      throw new DomainError(op, `Expected heads that divide the width ${width}, received ${heads}`);
    return swapped(reshape(projected, [...projected.shape.slice(0, -2), length, heads, width / heads]));
  };
  const attended = scaledDotProductAttention(
    cut(dense(parameters.query, x)),
    cut(dense(parameters.key, memory)),
    cut(dense(parameters.value, memory)),
    rest,
  );
  const joined = swapped(attended);
  const [count, width] = joined.shape.slice(-2) as [number, number];
  return dense(parameters.output, reshape(joined, [...joined.shape.slice(0, -2), count * width]));
}

/** The axes −3 and −2 exchanged: [.., length, heads, width] to [.., heads, length, width], and back. */
function swapped(x: Tensor): Tensor {
  const perm = [...x.shape.keys()];
  perm.splice(x.rank - 3, 2, x.rank - 2, x.rank - 3);
  return transpose(x, perm);
}

export interface AttentionInitOptions {
  /** Default: Glorot's uniform one. */
  readonly weight?: Initializer;
  /** float32 or float64. Default: 'float32'. */
  readonly dtype?: DType;
}

/** New projections, width to width. */
export function initAttention(key: Tensor, width: number, options: AttentionInitOptions = {}): AttentionParameters {
  const [a, b, c, d] = split(key, 4) as [Tensor, Tensor, Tensor, Tensor];
  const layer = (own: Tensor): DenseParameters => initDense(own, width, width, options);
  return { query: layer(a), key: layer(b), value: layer(c), output: layer(d) };
}
