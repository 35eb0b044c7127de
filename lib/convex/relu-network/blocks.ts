/** Blocks of weights, one for each sign (v, w), class and pattern: [2, C, P, ..]. */
import { concatenate, reshape, slice } from '../../core/ops/arrays.js';
import { square } from '../../core/ops/elementwise.js';
import { matmul } from '../../core/ops/linalg.js';
import { sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import type { Work } from '../../solvers/work.js';

/** The v (0) or w (1) half. */
export function half(t: Tensor, which: 0 | 1): Tensor {
  const rest = t.shape.slice(1);
  return reshape(slice(t, [which, ...rest.map(() => 0)], [which + 1, ...rest]), rest);
}

/** The two halves put together. */
export function both(plus: Tensor, minus: Tensor): Tensor {
  return concatenate(
    [plus, minus].map((t) => reshape(t, [1, ...t.shape])),
    0,
  );
}

/** Rows times a matrix: [.., k] times [k, m], or [m, k] transposed. */
export function rowsTimes(t: Tensor, matrix: Tensor, transposeB = false): Tensor {
  const k = t.shape.at(-1) as number;
  const product = matmul(reshape(t, [t.size / k, k]), matrix, { transposeB });
  return reshape(product, [...t.shape.slice(0, -1), product.shape[1] as number]);
}

/** How many blocks of weights, along the last axis, are not zero. */
export async function countActive(here: Work, v: Tensor): Promise<number> {
  const norms = here.run(() => sum(square(v), -1));
  const values = await norms.data();
  norms.dispose();
  return values.filter((value) => value > 0).length;
}
