/** The factorisations as functions, without broadcasting or option checks; see lax.ts. */
import type { Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { bind, bind1 } from '../tracing.js';
import { type None, primitive } from './lax.js';

const none: None = {};

/** What no derivative passes: a factorisation that goes along with the matrix it belongs to. */
export function constant(x: Tensor): Tensor {
  return bind1(primitive('stopGradient'), [x], none);
}

const factorisation =
  <Results extends Tensor[]>(name: string) =>
  (a: Tensor, params: Params = none): Results =>
    bind(primitive(name), [a], params) as Results;

/** [factors, permutation, sign, info]. */
export const lu = factorisation<[Tensor, Tensor, Tensor, Tensor]>('lu');

/** [q, r]. */
export const qr = factorisation<[Tensor, Tensor]>('qr');

export function luSolve(a: Tensor, factors: Tensor, permutation: Tensor, b: Tensor, transpose = false): Tensor {
  return bind1(primitive('luSolve'), [a, factors, permutation, b], { transpose });
}

/** value, whose dependents fail when an element of `info` is not 0; `op` is to blame. */
export function checked(value: Tensor, info: Tensor, op: string): Tensor {
  return bind1(primitive('check'), [value, info], { op });
}
