/** First-order optimisers as pure functions: a state that travels along, and an update that returns what to add. */

import { scalar } from '../core/concrete.js';
import { add, div, mul, pow, sqrt, square, sub, zerosLike } from '../core/ops/elementwise.js';
import type { Tensor } from '../core/tensor.js';
import { mapTree, treeLeaves } from '../core/tree.js';
import { checkPositive } from './options.js';

/** `P` is a tree of parameters; the state is a tree of tensors too, so that both can be carried by loops. */
export interface Optimizer<S> {
  init<P>(parameters: P): S;
  /** What to add to the parameters, and the next state. Usable under jit and in loops. */
  update<P>(gradients: P, state: S, parameters: P): { updates: P; state: S };
}

/** parameters + updates. */
export function applyUpdates<P>(parameters: P, updates: P): P {
  const steps = treeLeaves(updates);
  return mapTree(parameters, (value, k) => add(value, steps[k] as Tensor));
}

export interface SgdOptions {
  /** Fraction of the previous step that is kept. Default: 0. */
  readonly momentum?: number;
}

/**
 * Stochastic gradient descent: m <- momentum m + g, x <- x - learningRate m (Polyak's heavy ball, in PyTorch's form).
 * @throws {DomainError} learningRate <= 0, or momentum < 0.
 */
export function sgd(learningRate: number, { momentum = 0 }: SgdOptions = {}): Optimizer<Tensor[]> {
  checkPositive('sgd', 'learningRate', learningRate);
  checkPositive('sgd', 'momentum', momentum, { zero: true });
  return {
    init: (parameters) => (momentum === 0 ? [] : treeLeaves(parameters).map(zerosLike)),
    update: (gradients, state) => {
      if (momentum === 0) return { updates: mapTree(gradients, (g) => mul(g, -learningRate)), state };
      const next = treeLeaves(gradients).map((g, k) => add(mul(state[k] as Tensor, momentum), g));
      return { updates: mapTree(gradients, (_, k) => mul(next[k] as Tensor, -learningRate)), state: next };
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

interface AdamState {
  readonly first: Tensor[];
  readonly second: Tensor[];
  /** Steps so far, float scalar. */
  readonly step: Tensor;
}

/**
 * Adam (Kingma and Ba, 2015, algorithm 1), with bias correction.
 * @throws {DomainError} learningRate or epsilon <= 0, or a decay outside [0, 1).
 */
export function adam(learningRate: number, options: AdamOptions = {}): Optimizer<AdamState> {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  checkPositive('adam', 'learningRate', learningRate);
  checkPositive('adam', 'epsilon', epsilon);
  checkPositive('adam', '1 - beta1', 1 - beta1);
  checkPositive('adam', '1 - beta2', 1 - beta2);
  return {
    init: (parameters) => {
      const leaves = treeLeaves(parameters);
      const dtype = leaves[0]?.dtype ?? 'float32';
      return { first: leaves.map(zerosLike), second: leaves.map(zerosLike), step: scalar(0, dtype) };
    },
    update: (gradients, state) => {
      const leaves = treeLeaves(gradients);
      const step = add(state.step, 1);
      const first = leaves.map((g, k) => add(mul(state.first[k] as Tensor, beta1), mul(g, 1 - beta1)));
      const second = leaves.map((g, k) => add(mul(state.second[k] as Tensor, beta2), mul(square(g), 1 - beta2)));
      const [correction1, correction2] = [beta1, beta2].map((decay) => sub(1, pow(decay, step))) as [Tensor, Tensor];
      const updates = mapTree(gradients, (_, k) => {
        const scale = add(sqrt(div(second[k] as Tensor, correction2)), epsilon);
        const direction = div(div(first[k] as Tensor, correction1), scale);
        return mul(direction, -learningRate);
      });
      return { updates, state: { first, second, step } };
    },
  };
}
