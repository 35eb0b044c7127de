/** Random tensors from explicit keys: the same key gives the same numbers, on every device. */
import { beside, tensor } from '../concrete.js';
import type { DeviceLike } from '../device.js';
import { DomainError, ShapeError } from '../errors.js';
import * as lax from '../primitives/lax.js';
import { primitive } from '../primitives/lax.js';
import { Tensor } from '../tensor.js';
import { bind1, type TensorLike } from '../tracing.js';
import { checkShape, type Shape, TensorType } from '../types.js';
import { arange, broadcastTo, type DTypeOptions, reshape, slice, take } from './arrays.js';
import { add, cast, floor, less, log, log1p, maximum, mul, neg } from './elementwise.js';
import { argSort } from './ordering.js';
import { argMax } from './reductions.js';

/**
 * The key of a seed: a whole number from 0 to 2^53 - 1. Keys are uint32 [2]; what is drawn from one is made where it lives.
 * @param options.device  Default: the default device.
 */
export function key(seed: number, options: { readonly device?: DeviceLike } = {}): Tensor {
  const { device } = options;
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new DomainError('random.key', `Expected a seed that is a whole number from 0 to 2^53 - 1, received ${seed}`);
  }
  return tensor(Uint32Array.of(seed % 2 ** 32, Math.floor(seed / 2 ** 32)), device === undefined ? {} : { device });
}

/** `count` keys that are independent of each other and of `key`, which must not be used again. */
export function split(from: Tensor, count = 2): Tensor[] {
  const all = bits(from, [count, 2]);
  return Array.from({ length: count }, (_, k) => reshape(slice(all, [k, 0], [k + 1, 2]), [2]));
}

/** 32 random bits an element, uint32. */
export function bits(from: Tensor, shape: Shape): Tensor {
  return bind1(primitive('randomBits'), [from], { shape: checkShape('random.bits', shape), dtype: 'uint32' });
}

/** Uniform in [0, 1). */
export function uniform(from: Tensor, shape: Shape, { dtype = 'float32' }: DTypeOptions = {}): Tensor {
  return bind1(primitive('randomUniform'), [from], { shape: checkShape('random.uniform', shape), dtype });
}

/** Standard normal. */
export function normal(from: Tensor, shape: Shape, { dtype = 'float32' }: DTypeOptions = {}): Tensor {
  return bind1(primitive('randomNormal'), [from], { shape: checkShape('random.normal', shape), dtype });
}

/** Exponential with mean 1. */
export function exponential(from: Tensor, shape: Shape, { dtype = 'float32' }: DTypeOptions = {}): Tensor {
  // In float64, whose 53 bits leave neither tail empty; never 0, so that its logarithm is finite.
  const u = uniform(from, shape, { dtype: 'float64' });
  return cast(neg(log1p(neg(maximum(u, 2 ** -54)))), dtype);
}

/** Standard Gumbel: -log of an exponential. */
export function gumbel(from: Tensor, shape: Shape, { dtype = 'float32' }: DTypeOptions = {}): Tensor {
  return cast(neg(log(exponential(from, shape, { dtype: 'float64' }))), dtype);
}

/** bool, true with probability `p`: a number or a float tensor that broadcasts to `shape`. */
export function bernoulli(from: Tensor, p: TensorLike, shape: Shape): Tensor {
  const dtype = p instanceof Tensor ? p.dtype : 'float32';
  return less(uniform(from, shape, { dtype }), p);
}

/**
 * Whole numbers from `low` to `high` - 1, int32, each as probable as the others to 2^-21.
 * @throws {DomainError} not whole numbers of int32 with low < high.
 */
export function randint(from: Tensor, shape: Shape, low: number, high: number): Tensor {
  const valid = [low, high].every(Number.isInteger) && low >= -(2 ** 31) && high <= 2 ** 31 && low < high;
  if (!valid) {
    throw new DomainError('random.randint', `Expected whole numbers low < high of int32, received ${low} and ${high}`);
  }
  return cast(add(floor(mul(uniform(from, shape, { dtype: 'float64' }), high - low)), low), 'int32');
}

/**
 * A permutation of 0 .. n - 1 (int32), or `x` with its slices along axis 0 permuted. All orders are equally probable, but for
 * the chance that random words are equal. The same on every device.
 */
export function permutation(from: Tensor, x: number | Tensor): Tensor {
  const n = typeof x === 'number' ? x : (x.shape[0] ?? 0);
  if (x instanceof Tensor && x.rank === 0)
    throw new ShapeError('random.permutation', `Expected a number or a tensor of rank at least 1, received ${x.type}`);
  // Sorted by random words; once more while equal words are likely: each round lowers the chance by n / 2^32.
  const rounds = Math.max(1, Math.ceil((3 * Math.log(Math.max(n, 2))) / (32 * Math.LN2)));
  let order = beside(from, () => arange(n, { dtype: 'int32' }));
  for (const round of rounds === 1 ? [from] : split(from, rounds)) order = take(order, argSort(bits(round, [n])));
  return x instanceof Tensor ? take(x, order) : order;
}

/**
 * `count` of the numbers 0 .. n - 1, int32 [count].
 * @param options.replace  whether a number may come again. Default: false.
 * @throws {DomainError} without replacement, more than n.
 */
export function choice(from: Tensor, n: number, count: number, options: { readonly replace?: boolean } = {}): Tensor {
  const { replace = false } = options;
  if (replace) return randint(from, [count], 0, n);
  if (count > n) {
    throw new DomainError('random.choice', `Expected at most ${n} numbers without replacement, received ${count}`, {
      hint: 'pass { replace: true }',
    });
  }
  return slice(permutation(from, n), [0], checkShape('random.choice', [count]));
}

/**
 * Indices along an axis with probabilities in proportion to exp(logits), by the Gumbel maximum. int32, the shape of `logits`
 * without the axis.
 * @param axis  Default: the last.
 */
export function categorical(from: Tensor, logits: Tensor, axis = -1): Tensor {
  return argMax(add(logits, gumbel(from, logits.shape, { dtype: logits.dtype })), axis);
}

/**
 * Gamma variables of scale 1, one for each shape parameter.
 *
 * Every element takes counters of its own, so that one which is rejected on one device and not on another changes nothing
 * else. The derivative in `alpha` is that of the variable whose probability is held, dz/dα = -(∂F/∂α) / (∂F/∂z), so that gradients of
 * means over many variables are unbiased (implicit reparameterisation). It exists to first order; asking for more is a TracingError.
 * @param alpha  shape parameters > 0, float32 or float64 (NaN where not), or a number for all of `options.shape`.
 * @see G. Marsaglia and W. W. Tsang, A simple method for generating gamma variables, ACM TOMS 26 (2000); M. Figurnov, S. Mohamed and
 * A. Mnih, Implicit reparameterization gradients, NeurIPS 2018, section 4.
 */
export function gamma(
  from: Tensor,
  alpha: Tensor | number,
  { shape, dtype = 'float32' }: DTypeOptions & { readonly shape?: Shape } = {},
): Tensor {
  const full =
    typeof alpha === 'number'
      ? beside(from, () => lax.full(TensorType.of(dtype, checkShape('random.gamma', shape ?? [])), alpha))
      : alpha;
  return bind1(primitive('randomGamma'), [from, shape ? broadcastTo(full, shape) : full], {});
}
