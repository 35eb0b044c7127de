/** Elementwise operations, with NumPy broadcasting. Numbers take the dtype of the tensor they meet. */
import { beside } from '../concrete.js';
import { checkDType, type DType } from '../dtype.js';
import { DTypeError } from '../errors.js';
import { broadcast, cast as castPrimitive, full, select } from '../primitives/lax.js';
import { Tensor } from '../tensor.js';
import { commonDType, type TensorLike } from '../tracing.js';
import { broadcastShapes, sameShape } from '../types.js';
import { binary, elementwise, fit, shapeOf, unary } from './broadcasting.js';

/** -x. */
export const neg = unary('neg');
/** |x|; its derivative at 0 is 0. */
export const abs = unary('abs');
/** -1, 0 or 1. */
export const sign = unary('sign');
export const exp = unary('exp');
/** exp(x) - 1, exact for small x. */
export const expm1 = unary('expm1');
export const log = unary('log');
/** log(1 + x), exact for small x. */
export const log1p = unary('log1p');
export const sqrt = unary('sqrt');
/** 1 / sqrt(x). */
export const rsqrt = unary('rsqrt');
export const square = unary('square');
export const reciprocal = unary('reciprocal');
export const tanh = unary('tanh');
/** 1 / (1 + exp(-x)). */
export const sigmoid = unary('logistic', 'sigmoid');
/** log(1 + exp(x)), without overflow. */
export const softplus = unary('softplus');
export const sin = unary('sin');
export const cos = unary('cos');
export const floor = unary('floor');
export const ceil = unary('ceil');
/** To the nearest whole number, halves to even. */
export const round = unary('round');
/** bool: neither infinite nor NaN. */
export const isFinite = unary('isFinite');
export const logicalNot = unary('not', 'logicalNot');

export const add = binary('add');
export const sub = binary('sub');
export const mul = binary('mul');
/** a / b; for integers truncated, and 0 where b is 0. */
export const div = binary('div');
/** Larger of the two, NaN if either is; at ties the derivative is shared evenly. */
export const maximum = binary('max', 'maximum');
/** Smaller of the two, NaN if either is; at ties the derivative is shared evenly. */
export const minimum = binary('min', 'minimum');
export const equal = binary('eq', 'equal');
export const notEqual = binary('ne', 'notEqual');
export const less = binary('lt', 'less');
export const lessEqual = binary('le', 'lessEqual');
export const greater = binary('gt', 'greater');
export const greaterEqual = binary('ge', 'greaterEqual');
export const logicalAnd = binary('and', 'logicalAnd');
export const logicalOr = binary('or', 'logicalOr');

/** Exactly one of two bools. */
export function logicalXor(a: TensorLike, b: TensorLike): Tensor {
  for (const operand of [a, b]) {
    if (operand instanceof Tensor ? operand.dtype !== 'bool' : typeof operand !== 'boolean')
      throw new DTypeError(
        'logicalXor',
        `Expected bool, received ${operand instanceof Tensor ? operand.dtype : operand}`,
      );
  }
  return notEqual(a, b);
}

/** a^b; for b = 2, 1, 0.5, -1 the cheaper operation that it is. */
export function pow(a: TensorLike, b: TensorLike): Tensor {
  if (a instanceof Tensor) {
    if (b === 2) return square(a);
    if (b === 1) return a;
    if (b === 0.5) return sqrt(a);
    if (b === -1) return reciprocal(a);
  }
  return elementwise('pow', 'pow', [a, b]);
}

/** max(x, 0); its derivative at 0 is 0. */
export function relu(x: Tensor): Tensor {
  return where(greater(x, 0), x, 0);
}

/** x moved into [low, high]. */
export function clamp(x: Tensor, low: TensorLike, high: TensorLike): Tensor {
  return minimum(maximum(x, low), high);
}

/**
 * condition ? a : b, elementwise with broadcasting. Both sides are computed; a NaN in the side not taken does not reach the
 * result, but may reach a derivative.
 * @throws {DTypeError} `condition` is not bool, or a and b disagree.
 */
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  const dtype = commonDType('where', [a, b]);
  const shapes = [condition, a, b].map(shapeOf);
  const shape = broadcastShapes('where', shapes);
  const [c, x, y] = [condition, a, b].map((operand) => fit(operand, shape)) as [Tensor, TensorLike, TensorLike];
  const result = select(c, x, y, dtype);
  return sameShape(result.shape, shape) ? result : broadcast(result, shape, []);
}

/**
 * `x` in another dtype. Float to integer truncates and saturates, NaN becomes 0; to bool is `x != 0`.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  return castPrimitive(x, checkDType('cast', dtype));
}

/** Zeros of the shape and dtype of `x`, where `x` lives. */
export function zerosLike(x: Tensor): Tensor {
  return beside(x, () => full(x.type, 0));
}

/** Ones of the shape and dtype of `x`, where `x` lives. */
export function onesLike(x: Tensor): Tensor {
  return beside(x, () => full(x.type, 1));
}
