/** Layers, losses and initialisers, as plain functions over parameters. */

import type { DType } from '../core/dtype.js';
import { DTypeError, ShapeError } from '../core/errors.js';
import { oneHot, zeros } from '../core/ops/arrays.js';
import { mul, sub } from '../core/ops/elementwise.js';
import { matmul } from '../core/ops/linalg.js';
import { normal } from '../core/ops/random.js';
import { logSumExp, mean, sum } from '../core/ops/reductions.js';
import type { Tensor } from '../core/tensor.js';

/** Parameters of a dense layer: weight [inputs, outputs], bias [outputs]. */
export type DenseParameters = { weight: Tensor; bias: Tensor };

/** x w + b for x [n, inputs]. */
export function dense({ weight, bias }: DenseParameters, x: Tensor): Tensor {
  return matmul(x, weight).add(bias);
}

/** He initialisation for layers before a ReLU: normal with variance 2 / inputs (He et al., 2015, eq. 10); bias zero. */
export function heDense(
  key: Tensor,
  inputs: number,
  outputs: number,
  { dtype = 'float32' }: { dtype?: DType } = {},
): DenseParameters {
  return {
    weight: mul(normal(key, [inputs, outputs], { dtype }), Math.sqrt(2 / inputs)),
    bias: zeros([outputs], { dtype }),
  };
}

/** Half the sum of squared errors. */
export function squaredLoss(prediction: Tensor, target: Tensor): Tensor {
  return mul(sum(sub(prediction, target).square()), 0.5);
}

/**
 * Mean softmax cross-entropy of logits [n, classes] against labels (int32 [n]), without overflow.
 * @throws {ShapeError | DTypeError}
 */
export function softmaxCrossEntropy(logits: Tensor, labels: Tensor): Tensor {
  if (labels.dtype !== 'int32')
    throw new DTypeError('softmaxCrossEntropy', `Expected int32 labels, received ${labels.dtype}`);
  if (logits.rank !== 2 || labels.rank !== 1 || logits.shape[0] !== labels.shape[0]) {
    throw new ShapeError(
      'softmaxCrossEntropy',
      `Expected logits [n, classes] and labels [n], received ${logits.type} and ${labels.type}`,
    );
  }
  const picked = sum(mul(logits, oneHot(labels, logits.shape[1] as number, { dtype: logits.dtype })), 1);
  return mean(sub(logSumExp(logits, 1), picked));
}

export * from './convolution.js';
