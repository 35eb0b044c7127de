/** First-order optimisers as pure functions: the usual chains of gradient transformations. */
import type { Tensor } from '../core/tensor.js';
import {
  type AdagradOptions,
  type AdamOptions,
  type AdamState,
  addDecayedWeights,
  chain,
  type LearningRate,
  type MomentumOptions,
  type Optimizer,
  type RmsPropOptions,
  type RmsPropState,
  scaleByAdagrad,
  scaleByAdam,
  scaleByLearningRate,
  scaleByMomentum,
  scaleByRmsProp,
} from './gradient-transformations.js';
import { checkFraction, checkKeys, checkPositive } from './options.js';

export { type AdamOptions, applyUpdates, type LearningRate, type Optimizer } from './gradient-transformations.js';

function checkRate(op: string, rate: LearningRate): LearningRate {
  return typeof rate === 'number' ? checkPositive(op, 'learningRate', rate) : rate;
}

/** Without momentum no buffer is kept. */
function heavyBall(momentum: number, options: MomentumOptions = {}): Optimizer<readonly Tensor[]> {
  if (momentum > 0) return scaleByMomentum(momentum, options) as Optimizer<readonly Tensor[]>;
  return { init: () => [], update: (gradients, state) => ({ updates: gradients, state }) };
}

export interface SgdOptions extends MomentumOptions {
  /** Fraction of the previous step that is kept, in [0, 1). Default: 0. */
  readonly momentum?: number;
}

/**
 * Stochastic gradient descent: m <- momentum m + g, x <- x − learningRate m (Polyak's heavy ball, in PyTorch's form), or with
 * `nesterov` x <- x − learningRate (g + momentum m).
 * @param learningRate  a number, a scalar tensor, or a schedule.
 * @throws {DomainError} learningRate <= 0, momentum outside [0, 1), or an unknown option.
 */
export function sgd(
  learningRate: LearningRate,
  options: SgdOptions = {},
): Optimizer<readonly [readonly Tensor[], readonly Tensor[]]> {
  checkKeys('sgd', options, ['momentum', 'nesterov']);
  checkRate('sgd', learningRate);
  const { momentum = 0, nesterov } = options;
  checkFraction('sgd', 'momentum', momentum);
  return chain(heavyBall(momentum, { nesterov }), scaleByLearningRate(learningRate));
}

/**
 * Adam (Kingma and Ba, 2015, algorithm 1), with bias correction.
 * @param learningRate  a number, a scalar tensor, or a schedule.
 * @throws {DomainError} learningRate or epsilon <= 0, a decay outside [0, 1), or an unknown option.
 */
export function adam(
  learningRate: LearningRate,
  options: AdamOptions = {},
): Optimizer<readonly [AdamState, readonly Tensor[]]> {
  checkKeys('adam', options, ['beta1', 'beta2', 'epsilon']);
  checkRate('adam', learningRate);
  return chain(scaleByAdam(options), scaleByLearningRate(learningRate));
}

export interface AdamWOptions extends AdamOptions {
  /** λ: every step also takes learningRate · λ · x away. Default: 0.01. */
  readonly weightDecay?: number;
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019, algorithm 2, in PyTorch's form: the decay follows the rate).
 * @throws as `adam`; {DomainError} weightDecay < 0.
 */
export function adamW(
  learningRate: LearningRate,
  options: AdamWOptions = {},
): Optimizer<readonly [AdamState, readonly [], readonly Tensor[]]> {
  checkKeys('adamW', options, ['beta1', 'beta2', 'epsilon', 'weightDecay']);
  checkRate('adamW', learningRate);
  const { weightDecay = 0.01, ...rest } = options;
  return chain(scaleByAdam(rest), addDecayedWeights(weightDecay), scaleByLearningRate(learningRate));
}

/**
 * AdaGrad (Duchi, Hazan and Singer, 2011, diagonal form).
 * @throws {DomainError} learningRate or epsilon <= 0, initialAccumulator < 0, or an unknown option.
 */
export function adagrad(
  learningRate: LearningRate,
  options: AdagradOptions = {},
): Optimizer<readonly [Tensor[], readonly Tensor[]]> {
  checkKeys('adagrad', options, ['epsilon', 'initialAccumulator']);
  checkRate('adagrad', learningRate);
  return chain(scaleByAdagrad(options), scaleByLearningRate(learningRate));
}

export interface RmsPropMomentumOptions extends RmsPropOptions {
  /** Heavy ball over the scaled gradients, in [0, 1). Default: 0. */
  readonly momentum?: number;
}

/**
 * RMSProp (Tieleman and Hinton, 2012), in PyTorch's form: epsilon outside the root, momentum behind the scaling.
 * @throws {DomainError} learningRate or epsilon <= 0, a decay outside [0, 1), or an unknown option.
 */
export function rmsProp(
  learningRate: LearningRate,
  options: RmsPropMomentumOptions = {},
): Optimizer<readonly [RmsPropState, readonly Tensor[], readonly Tensor[]]> {
  checkKeys('rmsProp', options, ['decay', 'epsilon', 'centered', 'momentum']);
  checkRate('rmsProp', learningRate);
  const { momentum = 0, ...rest } = options;
  checkFraction('rmsProp', 'momentum', momentum);
  return chain(scaleByRmsProp(rest), heavyBall(momentum), scaleByLearningRate(learningRate));
}
