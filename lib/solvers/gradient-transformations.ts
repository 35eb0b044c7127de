/**
 * The parts that optimisers are made of: pure maps from gradients to updates with a state that travels along (in the manner of
 * optax). `chain` joins them; `lib/solvers/optimizers.ts` has the usual combinations.
 */
import { beside } from '../core/concrete.js';
import { full } from '../core/ops/arrays.js';
import { add, cast, clamp, div, maximum, mul, pow, sqrt, square, sub, zerosLike } from '../core/ops/elementwise.js';
import { sum } from '../core/ops/reductions.js';
import { Tensor } from '../core/tensor.js';
import type { TensorLike } from '../core/tracing.js';
import { mapTree, treeLeaves } from '../core/tree.js';
import { checkFraction, checkPositive } from './options.js';
import type { Schedule } from './schedules.js';

/** `P` is a tree of parameters; the state is a tree of tensors too, so that both can be carried by loops. */
export interface Optimizer<S> {
  init<P>(parameters: P): S;
  /** What to add to the parameters, and the next state. Usable under jit and in loops. */
  update<P>(gradients: P, state: S, parameters: P): { updates: P; state: S };
}

/** A step size: a number, a scalar tensor (traced: an argument of the jitted step), or a schedule. */
export type LearningRate = number | Tensor | Schedule;

const leavesOf = (tree: unknown): Tensor[] => treeLeaves(tree);
const zerosFor = (parameters: unknown): Tensor[] => leavesOf(parameters).map(zerosLike);
const counter = (parameters: unknown): Tensor => beside(leavesOf(parameters)[0], () => full([], 0, { dtype: 'int32' }));

/** parameters + updates. */
export function applyUpdates<P>(parameters: P, updates: P): P {
  const steps = treeLeaves(updates);
  return mapTree(parameters, (value, k) => add(value, steps[k] as Tensor));
}

/** One after the other: each takes the updates of the one before for its gradients. The state is the list of their states. */
export function chain<S extends readonly unknown[]>(
  ...parts: { readonly [K in keyof S]: Optimizer<S[K]> }
): Optimizer<S> {
  const list = parts as readonly Optimizer<unknown>[];
  return {
    init: (parameters) => list.map((part) => part.init(parameters)) as unknown as S,
    update: (gradients, state, parameters) => {
      let updates = gradients;
      const next = list.map((part, k) => {
        const step = part.update(updates, state[k], parameters);
        updates = step.updates;
        return step.state;
      });
      return { updates, state: next as unknown as S };
    },
  };
}

/** A part without a state. */
function stateless(update: <P>(gradients: P, parameters: P) => P): Optimizer<readonly []> {
  return {
    init: () => [],
    update: (gradients, state, parameters) => ({ updates: update(gradients, parameters), state }),
  };
}

export interface MomentumOptions {
  /** Look one step ahead (Nesterov; Sutskever et al., 2013). Default: false. */
  readonly nesterov?: boolean;
}

/**
 * m <- decay m + g; returns m, or g + decay m with Nesterov's look-ahead. PyTorch's form: the gradient is not damped.
 * @throws {DomainError} decay outside [0, 1).
 */
export function scaleByMomentum(decay: number, { nesterov = false }: MomentumOptions = {}): Optimizer<Tensor[]> {
  checkFraction('scaleByMomentum', 'decay', decay);
  return {
    init: zerosFor,
    update: (gradients, state) => {
      const next = leavesOf(gradients).map((g, k) => add(mul(state[k] as Tensor, decay), g));
      const ahead = (g: Tensor, k: number): Tensor => add(g, mul(next[k] as Tensor, decay));
      return { updates: mapTree(gradients, (g, k) => (nesterov ? ahead(g, k) : (next[k] as Tensor))), state: next };
    },
  };
}

export interface AdamOptions {
  /** Decay of the first moment. Default: 0.9. */
  readonly beta1?: number;
  /** Decay of the second moment. Default: 0.999. */
  readonly beta2?: number;
  /** Added to the root of the second moment. Default: 1e-8. */
  readonly epsilon?: number;
}

export interface AdamState {
  readonly first: Tensor[];
  readonly second: Tensor[];
  /** Steps so far, int32 scalar. */
  readonly step: Tensor;
}

/**
 * Adam's direction (Kingma and Ba, 2015, algorithm 1), with bias correction.
 * @throws {DomainError} epsilon <= 0, or a decay outside [0, 1).
 */
export function scaleByAdam({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamOptions = {}): Optimizer<AdamState> {
  const op = 'scaleByAdam';
  checkFraction(op, 'beta1', beta1);
  checkFraction(op, 'beta2', beta2);
  checkPositive(op, 'epsilon', epsilon);
  return {
    init: (parameters) => ({ first: zerosFor(parameters), second: zerosFor(parameters), step: counter(parameters) }),
    update: (gradients, state) => {
      const leaves = leavesOf(gradients);
      const step = add(state.step, 1);
      const first = leaves.map((g, k) => add(mul(state.first[k] as Tensor, beta1), mul(g, 1 - beta1)));
      const second = leaves.map((g, k) => add(mul(state.second[k] as Tensor, beta2), mul(square(g), 1 - beta2)));
      // 1 − βᵗ in float64: in float32 the first corrections of a β close to 1 would lose half their digits.
      const count = cast(step, 'float64');
      const [correction1, correction2] = [beta1, beta2].map((decay) => sub(1, pow(decay, count))) as [Tensor, Tensor];
      const updates = mapTree(gradients, (g, k) => {
        const scale = add(sqrt(div(second[k] as Tensor, cast(correction2, g.dtype))), epsilon);
        return div(div(first[k] as Tensor, cast(correction1, g.dtype)), scale);
      });
      return { updates, state: { first, second, step } };
    },
  };
}

export interface AdagradOptions {
  /** Added to the root of the sum. Default: 1e-10. */
  readonly epsilon?: number;
  /** Where the sum of squares starts. Default: 0. */
  readonly initialAccumulator?: number;
}

/** g / (sqrt(Σ g²) + epsilon) (Duchi, Hazan and Singer, 2011, diagonal form). @throws {DomainError} epsilon <= 0, initialAccumulator < 0. */
export function scaleByAdagrad({ epsilon = 1e-10, initialAccumulator = 0 }: AdagradOptions = {}): Optimizer<Tensor[]> {
  checkPositive('scaleByAdagrad', 'epsilon', epsilon);
  checkPositive('scaleByAdagrad', 'initialAccumulator', initialAccumulator, { zero: true });
  return {
    init: (parameters) =>
      leavesOf(parameters).map((p) => beside(p, () => full(p.shape, initialAccumulator, { dtype: p.dtype }))),
    update: (gradients, state) => {
      const next = leavesOf(gradients).map((g, k) => add(state[k] as Tensor, square(g)));
      const updates = mapTree(gradients, (g, k) => div(g, add(sqrt(next[k] as Tensor), epsilon)));
      return { updates, state: next };
    },
  };
}

export interface RmsPropOptions {
  /** Decay of the mean square. Default: 0.99. */
  readonly decay?: number;
  /** Added to the root. Default: 1e-8. */
  readonly epsilon?: number;
  /** Subtract the squared mean: the variance instead of the second moment. Default: false. */
  readonly centered?: boolean;
}

export interface RmsPropState {
  readonly second: Tensor[];
  /** Means of the gradients; empty unless centred. */
  readonly mean: Tensor[];
}

/**
 * g / (sqrt(mean square) + epsilon) (Tieleman and Hinton, 2012, lecture 6.5; centred: Graves, 2013, eq. 38-45).
 * @throws {DomainError} a decay outside [0, 1), or epsilon <= 0.
 */
export function scaleByRmsProp({
  decay = 0.99,
  epsilon = 1e-8,
  centered = false,
}: RmsPropOptions = {}): Optimizer<RmsPropState> {
  checkFraction('scaleByRmsProp', 'decay', decay);
  checkPositive('scaleByRmsProp', 'epsilon', epsilon);
  const average = (old: Tensor, now: Tensor): Tensor => add(mul(old, decay), mul(now, 1 - decay));
  return {
    init: (parameters) => ({ second: zerosFor(parameters), mean: centered ? zerosFor(parameters) : [] }),
    update: (gradients, state) => {
      const leaves = leavesOf(gradients);
      const second = leaves.map((g, k) => average(state.second[k] as Tensor, square(g)));
      const mean = centered ? leaves.map((g, k) => average(state.mean[k] as Tensor, g)) : [];
      const updates = mapTree(gradients, (g, k) => {
        const moment = second[k] as Tensor;
        // The difference is a variance, which rounding may push below zero.
        const spread = centered ? maximum(sub(moment, square(mean[k] as Tensor)), 0) : moment;
        return div(g, add(sqrt(spread), epsilon));
      });
      return { updates, state: { second, mean } };
    },
  };
}

/** Adds decay · parameters: weight decay, coupled before a scaling by moments and decoupled behind it. @throws {DomainError} decay < 0. */
export function addDecayedWeights(decay: number): Optimizer<readonly []> {
  checkPositive('addDecayedWeights', 'decay', decay, { zero: true });
  return stateless((gradients, parameters) => {
    const weights = leavesOf(parameters);
    return mapTree(gradients, (g, k) => add(g, mul(weights[k] as Tensor, decay)));
  });
}

/**
 * Shortens all gradients together so that their common Euclidean norm is at most `limit` (Pascanu, Mikolov and Bengio, 2013,
 * algorithm 1). Exact, where PyTorch divides by norm + 1e-6. NaN stays NaN.
 * @throws {DomainError} limit <= 0.
 */
export function clipByGlobalNorm(limit: number): Optimizer<readonly []> {
  checkPositive('clipByGlobalNorm', 'limit', limit);
  return stateless((gradients) => {
    const norm = globalNorm(gradients);
    const scale = div(limit, maximum(norm, limit));
    return mapTree(gradients, (g) => mul(g, cast(scale, g.dtype)));
  });
}

/** Every element of the gradients moved into [−limit, limit]. @throws {DomainError} limit <= 0. */
export function clipByValue(limit: number): Optimizer<readonly []> {
  checkPositive('clipByValue', 'limit', limit);
  return stateless((gradients) => mapTree(gradients, (g) => clamp(g, -limit, limit)));
}

/** Euclidean norm of all leaves of a tree together; float64 when dtypes differ. */
export function globalNorm(tree: unknown): Tensor {
  const squares = leavesOf(tree).map((leaf) => sum(square(leaf)));
  const [first] = squares;
  if (!first) return full([], 0);
  const mixed = squares.some((value) => value.dtype !== first.dtype);
  return sqrt((mixed ? squares.map((value) => cast(value, 'float64')) : squares).reduce((a, b) => add(a, b)));
}

/**
 * Multiplies by −rate: the last part of a chain. A schedule counts its own steps.
 * @throws {DomainError} a number <= 0.
 */
export function scaleByLearningRate(rate: LearningRate): Optimizer<readonly Tensor[]> {
  if (typeof rate === 'number') checkPositive('scaleByLearningRate', 'learningRate', rate);
  const scaled = <P>(gradients: P, value: TensorLike): P =>
    mapTree(gradients, (g) => mul(g, value instanceof Tensor ? cast(value.neg(), g.dtype) : -value));
  if (typeof rate !== 'function') return stateless((gradients) => scaled(gradients, rate));
  return {
    init: (parameters) => [counter(parameters)],
    update: (gradients, state) => {
      const [step] = state as readonly [Tensor];
      return { updates: scaled(gradients, rate(cast(step, 'float64'))), state: [add(step, 1)] };
    },
  };
}
