/** Losses: how far predictions are from targets. */
import { DomainError, DTypeError, ShapeError } from '../core/errors.js';
import { oneHot } from '../core/ops/arrays.js';
import { abs, equal, greater, log, minimum, mul, relu, softplus, square, sub, where } from '../core/ops/elementwise.js';
import { logSumExp, mean, sum } from '../core/ops/reductions.js';
import type { Tensor } from '../core/tensor.js';
import { sameShape } from '../core/types.js';
import { checkPositive } from '../solvers/options.js';

export interface LossOptions {
  /** What becomes of the single losses: their mean, their sum, or themselves. Default: 'mean', but for squaredLoss. */
  readonly reduction?: 'mean' | 'sum' | 'none';
}

function reduce(op: string, losses: Tensor, { reduction = 'mean' }: LossOptions): Tensor {
  switch (reduction) {
    case 'mean':
      return mean(losses);
    case 'sum':
      return sum(losses);
    case 'none':
      return losses;
    default:
      throw new DomainError(op, `Expected reduction 'mean', 'sum' or 'none', received '${String(reduction)}'`);
  }
}

/** Equal shapes: a [n] against [n, 1] would broadcast to [n, n], which is never meant. */
function checkPair(op: string, prediction: Tensor, target: Tensor): void {
  if (!sameShape(prediction.shape, target.shape)) {
    throw new ShapeError(
      op,
      `Expected predictions and targets of one shape, received ${prediction.type} and ${target.type}`,
    );
  }
}

/** Half the squared errors; their sum by default. @throws {ShapeError} shapes differ. */
export function squaredLoss(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkPair('squaredLoss', prediction, target);
  const squares = square(sub(prediction, target));
  const { reduction = 'sum' } = options;
  if (reduction === 'none') return mul(squares, 0.5);
  return mul(reduce('squaredLoss', squares, { reduction }), 0.5);
}

/** Mean of the squared errors. @throws {ShapeError} shapes differ. */
export function meanSquaredError(prediction: Tensor, target: Tensor): Tensor {
  checkPair('meanSquaredError', prediction, target);
  return mean(square(sub(prediction, target)));
}

/** |error|; its derivative at 0 is 0. @throws {ShapeError} shapes differ. */
export function absoluteLoss(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkPair('absoluteLoss', prediction, target);
  return reduce('absoluteLoss', abs(sub(prediction, target)), options);
}

export interface HuberOptions extends LossOptions {
  /** Where the parabola goes over into the line; > 0. Default: 1. */
  readonly delta?: number;
}

/** e²/2 for |e| <= δ, δ (|e| − δ/2) beyond (Huber, 1964). @throws {ShapeError} shapes differ.  {DomainError} delta <= 0. */
export function huberLoss(prediction: Tensor, target: Tensor, { delta = 1, ...options }: HuberOptions = {}): Tensor {
  checkPair('huberLoss', prediction, target);
  checkPositive('huberLoss', 'delta', delta);
  const size = abs(sub(prediction, target));
  // q = min(|e|, δ): q²/2 + δ (|e| − q) is both cases at once, without a branch that is not taken.
  const inner = minimum(size, delta);
  return reduce('huberLoss', mul(square(inner), 0.5).add(mul(sub(size, inner), delta)), options);
}

function checkLabels(op: string, logits: Tensor, labels: Tensor): number {
  if (labels.dtype !== 'int32') throw new DTypeError(op, `Expected int32 labels, received ${labels.dtype}`);
  if (logits.rank === 0 || !sameShape(labels.shape, logits.shape.slice(0, -1))) {
    throw new ShapeError(
      op,
      `Expected logits [.., classes] and labels [..], received ${logits.type} and ${labels.type}`,
    );
  }
  return logits.shape[logits.rank - 1] as number;
}

export interface CrossEntropyOptions extends LossOptions {
  /** Part of each label that is spread evenly over all classes, in [0, 1). Default: 0. */
  readonly labelSmoothing?: number;
}

/**
 * Softmax cross-entropy of logits [.., classes] (usually [n, classes]) against labels (int32 [..]), without overflow:
 * logsumexp(z) − z[label], whose gradient is softmax(z) − onehot. A label outside the classes counts as no class.
 * @throws {ShapeError} shapes disagree.  {DTypeError} labels are not int32.  {DomainError} labelSmoothing outside [0, 1).
 */
export function softmaxCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  { labelSmoothing = 0, ...options }: CrossEntropyOptions = {},
): Tensor {
  const op = 'softmaxCrossEntropy';
  const classes = checkLabels(op, logits, labels);
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
    throw new DomainError(op, `Expected labelSmoothing in [0, 1), received ${labelSmoothing}`);
  }
  const axis = logits.rank - 1;
  const picked = sum(mul(logits, oneHot(labels, classes, { dtype: logits.dtype })), axis);
  const target =
    labelSmoothing === 0 ? picked : mul(picked, 1 - labelSmoothing).add(mul(mean(logits, axis), labelSmoothing));
  return reduce(op, sub(logSumExp(logits, axis), target), options);
}

/** −log p[label] of log-probabilities [.., classes] against labels (int32 [..]). @throws {ShapeError | DTypeError} as softmaxCrossEntropy. */
export function negativeLogLikelihood(logProbabilities: Tensor, labels: Tensor, options: LossOptions = {}): Tensor {
  const op = 'negativeLogLikelihood';
  const classes = checkLabels(op, logProbabilities, labels);
  // Selecting, since 0 times −infinity would be NaN.
  const chosen = equal(oneHot(labels, classes, { dtype: 'int32' }), 1);
  return reduce(op, sum(where(chosen, logProbabilities, 0), logProbabilities.rank - 1).neg(), options);
}

/**
 * Cross-entropy of Bernoulli logits against targets in [0, 1] of the same shape and dtype: softplus(z) − y z, without overflow.
 * @throws {ShapeError} shapes differ.
 */
export function binaryCrossEntropy(logits: Tensor, targets: Tensor, options: LossOptions = {}): Tensor {
  checkPair('binaryCrossEntropy', logits, targets);
  return reduce('binaryCrossEntropy', sub(softplus(logits), mul(logits, targets)), options);
}

/** max(0, 1 − y z) for targets y of −1 and +1. @throws {ShapeError} shapes differ. */
export function hingeLoss(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkPair('hingeLoss', prediction, target);
  return reduce('hingeLoss', relu(sub(1, mul(prediction, target))), options);
}

/** max(0, 1 − y z)² for targets y of −1 and +1. @throws {ShapeError} shapes differ. */
export function squaredHingeLoss(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkPair('squaredHingeLoss', prediction, target);
  return reduce('squaredHingeLoss', square(relu(sub(1, mul(prediction, target)))), options);
}

/**
 * Kullback-Leibler divergence Σ p (log p − log q) over the last axis, for log-probabilities log q and probabilities p; 0 log 0 is 0.
 * @throws {ShapeError} shapes differ, or are scalars.
 */
export function klDivergence(logProbabilities: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  const op = 'klDivergence';
  checkPair(op, logProbabilities, target);
  if (target.rank === 0)
    throw new ShapeError(op, `Expected distributions along the last axis, received ${target.type}`);
  const positive = greater(target, 0);
  // Both selections: the logarithm of 0 must reach neither the value nor, times 0, the derivative.
  const safe = where(positive, target, 1);
  const terms = where(positive, mul(target, sub(log(safe), logProbabilities)), 0);
  return reduce(op, sum(terms, target.rank - 1), options);
}
