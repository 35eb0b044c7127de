/**
 * Learning rates that change with the number of steps: traced functions of a counter, so that a changing rate is a value and
 * compiles nothing anew.
 */
import { beside } from '../core/concrete.js';
import { DomainError } from '../core/errors.js';
import { full } from '../core/ops/arrays.js';
import { add, cos, div, floor, less, minimum, mul, pow, where } from '../core/ops/elementwise.js';
import type { Tensor } from '../core/tensor.js';
import type { TensorLike } from '../core/tracing.js';
import { checkCount, checkPositive } from './options.js';

/** From the number of steps made before (a float64 scalar, 0 at first) to the rate of this step. */
export type Schedule = (step: Tensor) => TensorLike;

/** The same rate always. */
export function constant(value: number): Schedule {
  checkPositive('schedules.constant', 'value', value, { zero: true });
  return () => value;
}

export interface LinearSchedule {
  readonly from: number;
  readonly to: number;
  /** Steps from one to the other; afterwards `to` stays. */
  readonly steps: number;
}

/** A straight line from one rate to another. @throws {DomainError} a negative rate, or steps < 1. */
export function linear({ from, to, steps }: LinearSchedule): Schedule {
  const op = 'schedules.linear';
  checkPositive(op, 'from', from, { zero: true });
  checkPositive(op, 'to', to, { zero: true });
  checkCount(op, 'steps', steps);
  return (step) => add(mul(fraction(step, steps), to - from), from);
}

export interface CosineSchedule {
  readonly initial: number;
  /** Steps until `final` is reached, which stays. */
  readonly steps: number;
  /** Default: 0. */
  readonly final?: number;
}

/**
 * Half a cosine from `initial` down to `final` (Loshchilov and Hutter, 2017, eq. 5, one period).
 * @throws {DomainError} a negative rate, or steps < 1.
 */
export function cosine({ initial, steps, final = 0 }: CosineSchedule): Schedule {
  const op = 'schedules.cosine';
  checkPositive(op, 'initial', initial, { zero: true });
  checkPositive(op, 'final', final, { zero: true });
  checkCount(op, 'steps', steps);
  return (step) => add(mul(add(cos(mul(fraction(step, steps), Math.PI)), 1), (initial - final) / 2), final);
}

export interface ExponentialSchedule {
  readonly initial: number;
  /** Factor over `every` steps, in (0, 1] to decay. */
  readonly rate: number;
  /** Default: 1. */
  readonly every?: number;
  /** In stairs of `every` steps instead of smoothly. Default: false. */
  readonly staircase?: boolean;
}

/** initial · rate^(step / every). @throws {DomainError} a rate <= 0, or every < 1. */
export function exponential({ initial, rate, every = 1, staircase = false }: ExponentialSchedule): Schedule {
  const op = 'schedules.exponential';
  checkPositive(op, 'initial', initial, { zero: true });
  checkPositive(op, 'rate', rate);
  checkCount(op, 'every', every);
  return (step) => {
    const periods = div(step, every);
    return mul(pow(rate, staircase ? floor(periods) : periods), initial);
  };
}

/**
 * Rises in a straight line over the first `steps` steps from `from` (default: 0) to what `after` starts with, then follows `after`,
 * whose own counter starts there.
 * @throws {DomainError} steps < 1, or a negative rate.
 */
export function warmUp(
  after: Schedule,
  { steps, from = 0 }: { readonly steps: number; readonly from?: number },
): Schedule {
  const op = 'schedules.warmUp';
  checkCount(op, 'steps', steps);
  checkPositive(op, 'from', from, { zero: true });
  return (step) => {
    const top = after(mul(step, 0));
    const done = fraction(step, steps);
    const rising = add(mul(done, top), mul(add(mul(done, -1), 1), from));
    return where(less(step, steps), rising, after(add(step, -steps)));
  };
}

/**
 * values[k] from step boundaries[k − 1] (inclusive) up to boundaries[k].
 * @throws {DomainError} not one value more than boundaries, boundaries that do not ascend, or a negative rate.
 */
export function piecewise(boundaries: readonly number[], values: readonly number[]): Schedule {
  const op = 'schedules.piecewise';
  if (values.length !== boundaries.length + 1) {
    throw new DomainError(
      op,
      `Expected one value more than the ${boundaries.length} boundaries, received ${values.length}`,
    );
  }
  boundaries.forEach((boundary, k) => checkCount(op, `boundaries[${k}]`, boundary, (boundaries[k - 1] ?? 0) + 1));
  values.forEach((value, k) => checkPositive(op, `values[${k}]`, value, { zero: true }));
  return (step) => {
    // A tensor of the counter's dtype: two numbers alone would make float32 of the rate.
    const last: Tensor = beside(step, () => full([], values[values.length - 1] as number, { dtype: step.dtype }));
    return boundaries.reduceRight((rest, boundary, k) => where(less(step, boundary), values[k] as number, rest), last);
  };
}

/** step / steps, at most 1. */
function fraction(step: Tensor, steps: number): Tensor {
  return minimum(div(step, steps), 1);
}
