/** Activations: elementwise, but for softmax and its logarithm. */
import {
  add,
  div,
  exp,
  expm1,
  greater,
  isFinite,
  log,
  maximum,
  minimum,
  mul,
  relu,
  sigmoid,
  softplus,
  sub,
  tanh,
  where,
} from '../core/ops/elementwise.js';
import { max, stopGradient, sum } from '../core/ops/reductions.js';
import type { Tensor } from '../core/tensor.js';
import { checkPositive } from '../solvers/options.js';

export { relu, sigmoid, softplus, tanh };

/** x where x > 0, slope · x elsewhere. @param slope  Default: 0.01. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  return where(greater(x, 0), x, mul(x, slope));
}

/** x where x > 0, α (exp(x) − 1) elsewhere (Clevert, Unterthiner and Hochreiter, 2016). @param alpha  Default: 1. */
export function elu(x: Tensor, alpha = 1): Tensor {
  // The minimum keeps the branch not taken finite, so that its derivative cannot be 0 times infinity.
  return where(greater(x, 0), x, mul(expm1(minimum(x, 0)), alpha));
}

/** Scaled ELU with the constants that keep mean 0 and variance 1 (Klambauer et al., 2017, eq. 14). */
export function selu(x: Tensor): Tensor {
  return mul(elu(x, 1.6732632423543772), 1.0507009873554805);
}

/** x · sigmoid(x), also called swish (Ramachandran, Zoph and Le, 2017). */
export function silu(x: Tensor): Tensor {
  return mul(x, sigmoid(x));
}

/** x · tanh(softplus(x)) (Misra, 2020). */
export function mish(x: Tensor): Tensor {
  return mul(x, tanh(softplus(x)));
}

/**
 * x Φ(x) in the tanh form, x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks and Gimpel, 2016): within 5e-4 of the one with the
 * error function. PyTorch: `gelu(approximate='tanh')`.
 */
export function gelu(x: Tensor): Tensor {
  const cubic = mul(add(mul(mul(x, x), 0.044715), 1), x);
  return mul(mul(x, 0.5), add(tanh(mul(cubic, Math.sqrt(2 / Math.PI))), 1));
}

/** x moved into [−1, 1]. */
export function hardTanh(x: Tensor): Tensor {
  return minimum(maximum(x, -1), 1);
}

export interface SoftmaxOptions {
  /** Default: −1, the last one. */
  readonly axis?: number;
  /** Divides x before; > 0. Default: 1. */
  readonly temperature?: number;
}

/** x / temperature moved so that the largest along the axis is 0: without derivative, since the shift cancels. */
function shifted(op: string, x: Tensor, { axis = -1, temperature = 1 }: SoftmaxOptions): [Tensor, number] {
  checkPositive(op, 'temperature', temperature);
  const scaled = temperature === 1 ? x : div(x, temperature);
  const peak = max(scaled, axis, { keepDims: true });
  return [sub(scaled, stopGradient(where(isFinite(peak), peak, 0))), axis];
}

/**
 * exp(x) / Σ exp(x) along an axis, without overflow.
 * @throws {ShapeError} no such axis.  {DomainError} temperature <= 0.
 */
export function softmax(x: Tensor, options: SoftmaxOptions = {}): Tensor {
  const [z, axis] = shifted('softmax', x, options);
  const e = exp(z);
  return div(e, sum(e, axis, { keepDims: true }));
}

/** log(softmax(x)), without overflow, and exact where softmax is close to 0. @throws as `softmax`. */
export function logSoftmax(x: Tensor, options: SoftmaxOptions = {}): Tensor {
  const [z, axis] = shifted('logSoftmax', x, options);
  return sub(z, log(sum(exp(z), axis, { keepDims: true })));
}
