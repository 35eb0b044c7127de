/**
 * Adversarial examples in an l_inf ball: the fast gradient sign method (Goodfellow, Shlens and Szegedy, 2015) and projected gradient
 * descent (Madry et al., 2018), both along the gradient of the MARGIN. A loss that saturates, as the hinge does beyond margin 1, has no
 * gradient just where a network looks safest, and an attack along it would leave such rows alone.
 */
import { scalar } from '../../core/concrete.js';
import type { DType } from '../../core/dtype.js';
import { full } from '../../core/ops/arrays.js';
import {
  add,
  cast,
  clamp,
  greaterEqual,
  maximum,
  minimum,
  mul,
  neg,
  sign,
  sub,
  where,
} from '../../core/ops/elementwise.js';
import { key, uniform } from '../../core/ops/random.js';
import { max, sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { checkCount, checkKeys, checkPositive } from '../../solvers/options.js';
import { grad } from '../../transforms/differentiate.js';
import { jit } from '../../transforms/jit.js';
import { whileLoop } from '../../transforms/loops.js';
import { perKey } from './losses.js';
import { forward, type NetworkParameters } from './network.js';
import { type Task, withBias } from './targets.js';

interface Ball {
  /** Radius ε of the l_inf ball around each row, in the unit of x, at least 0. Required. */
  readonly epsilon: number;
  /** Where features can lie, such as [0, 1] for pixels: rows stay inside. Default: anywhere. */
  readonly range?: readonly [low: number, high: number];
}

/** One step of size ε. Exact for networks that are linear in the ball, as those of method 'robust' are on their training rows. */
export interface FgsmOptions extends Ball {
  readonly method: 'fgsm';
}

/** Many small steps, each followed by projection onto the ball. */
export interface PgdOptions extends Ball {
  readonly method?: 'pgd';
  /** Default: 40. */
  readonly steps?: number;
  /** Default: epsilon / 30. */
  readonly stepSize?: number;
  /** Start from a uniform point of the ball instead of its centre. Default: false. */
  readonly randomStart?: boolean;
  /** Of the random start. Default: 0. */
  readonly seed?: number;
}

export type AttackOptions = FgsmOptions | PgdOptions;

interface Network {
  readonly task: Task;
  readonly bias: boolean;
}

/**
 * What the adversary lowers, summed over rows. One output with targets −1/+1: y f(x). Several: the own class's output over the largest
 * other one. Regression: minus the distance of f(x) to y, pushed on to whichever side it lies.
 */
function margin({ task, bias }: Network, parameters: NetworkParameters, x: Tensor, y: Tensor): Tensor {
  const f = forward(parameters, bias ? withBias(x) : x);
  if (task === 'regression') return sum(mul(f, sub(1, mul(cast(greaterEqual(f, y), f.dtype), 2))));
  if (y.shape[1] === 1) return sum(mul(f, y));
  const own = greaterEqual(y, 0);
  return sub(sum(where(own, f, 0)), sum(max(where(own, Number.NEGATIVE_INFINITY, f), 1)));
}

type Numbers<T> = Readonly<Record<'epsilon' | 'step' | 'low' | 'high' | 'steps', T>>;

/** The numbers of an attack as scalars, by `make`. */
function scalarsOf(
  { epsilon, step, low, high, steps }: Numbers<number>,
  dtype: DType,
  make: (value: number, dtype: DType) => Tensor,
): Numbers<Tensor> {
  const real = (value: number): Tensor => make(value, dtype);
  return { epsilon: real(epsilon), step: real(step), low: real(low), high: real(high), steps: make(steps, 'int32') };
}

/** Rows of x moved from `start` along the margin's gradient, each step followed by projection. Traceable. */
function moveRows(
  network: Network,
  parameters: NetworkParameters,
  x: Tensor,
  y: Tensor,
  start: Tensor,
  { epsilon, step, low, high, steps }: Numbers<Tensor>,
): Tensor {
  const inside = (point: Tensor): Tensor => {
    const near = add(x, clamp(sub(point, x), neg(epsilon), epsilon));
    return minimum(maximum(near, low), high);
  };
  return whileLoop(
    ({ k }) => k.less(steps),
    ({ k, at }) => {
      const downhill = grad((point: Tensor) => margin(network, parameters, point, y))(at);
      return { k: k.add(1), at: inside(sub(at, mul(sign(downhill), step))) };
    },
    { k: full([], 0, { dtype: 'int32' }), at: inside(start) },
  ).at;
}

const attackOf = perKey(
  (network: Network) =>
    jit((parameters: NetworkParameters, x: Tensor, y: Tensor, start: Tensor, numbers: Numbers<Tensor>) =>
      moveRows(network, parameters, x, y, start, numbers),
    ),
  ({ task, bias }) => `${task}, ${bias}`,
);

/** A point of the ball around each row. */
const randomPoint = (x: Tensor, from: Tensor, epsilon: number): Tensor =>
  add(x, mul(sub(mul(uniform(from, x.shape, { dtype: x.dtype }), 2), 1), epsilon));

/**
 * Rows of x moved against the network as it stands: a part of a training step, to be traced with it.
 * @param from  key of the random start, if there is one.
 */
export function adversary(
  network: Network,
  parameters: NetworkParameters,
  x: Tensor,
  y: Tensor,
  { seed, ...numbers }: ReturnType<typeof resolveAttack>,
  from: Tensor,
): Tensor {
  const start = seed === undefined ? x : randomPoint(x, from, numbers.epsilon);
  const scalars = scalarsOf(numbers, x.dtype, (value, dtype) => full([], value, { dtype }));
  return moveRows(network, parameters, x, y, start, scalars);
}

/** Options with their defaults. @throws {DomainError} an option out of range. */
export function resolveAttack(op: string, options: AttackOptions) {
  const common = ['method', 'epsilon', 'range'];
  const isFgsm = options.method === 'fgsm';
  checkKeys(op, options, isFgsm ? common : [...common, 'steps', 'stepSize', 'randomStart', 'seed']);
  const epsilon = checkPositive(op, 'epsilon', options.epsilon, { zero: true });
  const [low, high] = options.range ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  if (options.range) checkPositive(op, 'range[1] - range[0]', high - low);
  if (options.method === 'fgsm') return { epsilon, low, high, steps: 1, step: epsilon, seed: undefined };
  const { steps = 40, stepSize, randomStart = false, seed = 0 } = options;
  checkCount(op, 'steps', steps);
  checkCount(op, 'seed', seed, 0);
  const step = stepSize === undefined ? epsilon / 30 : checkPositive(op, 'stepSize', stepSize);
  return { epsilon, low, high, steps, step, seed: randomStart ? seed : undefined };
}

/** Rows of x moved against the network, within the ball. @param y  targets [n, C] in the dtype of x. */
export function attack(
  network: Network,
  parameters: NetworkParameters,
  x: Tensor,
  y: Tensor,
  { seed, ...numbers }: ReturnType<typeof resolveAttack>,
): Tensor {
  const { dtype, device } = x;
  const scalars = scalarsOf(numbers, dtype, (value, as) => scalar(value, as, { device }));
  const start = seed === undefined ? x : randomPoint(x, key(seed, { device }), numbers.epsilon);
  return attackOf({ task: network.task, bias: network.bias })(parameters, x, y, start, scalars);
}
