/** The factorisations as functions, without broadcasting or option checks; see lax.ts. */
import type { Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { bind, bind1 } from '../tracing.js';
import { type None, primitive } from './lax.js';

/** The functions of symmetric matrices, in the order of the addon. `softThreshold` has threshold 1. */
export const spectralFunctions = ['sqrt', 'inverseSqrt', 'log', 'exp', 'relu', 'softThreshold', 'sign'] as const;
export type SpectralFunction = (typeof spectralFunctions)[number];

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

/** [w, v, info]. */
export const eigh = factorisation<[Tensor, Tensor, Tensor]>('eigh');

/** [w, info]. */
export const eigenvalues = factorisation<[Tensor, Tensor]>('eigenvalues');

/** The derivative of f(a) along `directions` (f(a) itself along none), given eigenvalues and eigenvectors of a. */
export function spectralFunction(
  name: SpectralFunction,
  a: Tensor,
  w: Tensor,
  v: Tensor,
  directions: readonly Tensor[] = [],
): Tensor {
  return bind1(primitive('spectralFunction'), [a, w, v, ...directions], { function: name });
}

/** [u, s, vt, info]. */
export const svd = factorisation<[Tensor, Tensor, Tensor, Tensor]>('svd');

/** [s, info]. */
export const singularValues = factorisation<[Tensor, Tensor]>('singularValues');

/** u, s, vt of a matrix, taken for constants. */
export type SingularParts = readonly [Tensor, Tensor, Tensor];

export function singularFunction(name: SpectralFunction, a: Tensor, parts: SingularParts): Tensor {
  return bind1(primitive('singularFunction'), [a, ...parts], { function: name });
}

export function pseudoInverse(a: Tensor, parts: SingularParts, tolerance: number): Tensor {
  return bind1(primitive('pseudoInverse'), [a, ...parts], { tolerance });
}

export function nuclearNorm(a: Tensor, parts: SingularParts): Tensor {
  return bind1(primitive('nuclearNorm'), [a, ...parts], none);
}

export function choleskyInverse(l: Tensor): Tensor {
  return bind1(primitive('choleskyInverse'), [l], none);
}

export function luSolve(a: Tensor, factors: Tensor, permutation: Tensor, b: Tensor, transpose = false): Tensor {
  return bind1(primitive('luSolve'), [a, factors, permutation, b], { transpose });
}

/** value, whose dependents fail when an element of `info` is not 0; `op` is to blame. */
export function checked(value: Tensor, info: Tensor, op: string): Tensor {
  return bind1(primitive('check'), [value, info], { op });
}
