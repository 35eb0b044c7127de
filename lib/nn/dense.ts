/** Dense layers. */
import { beside } from '../core/concrete.js';
import type { DType } from '../core/dtype.js';
import { ShapeError } from '../core/errors.js';
import { reshape, zeros } from '../core/ops/arrays.js';
import { matmul } from '../core/ops/linalg.js';
import type { Tensor } from '../core/tensor.js';
import { glorotUniform, heNormal, type Initializer } from './initializers.js';

/** Parameters of a dense layer: weight [inputs, outputs], bias [outputs]. */
export type DenseParameters = { weight: Tensor; bias: Tensor };

/** x w + b for x [.., inputs]: [.., outputs]. @throws {ShapeError} inputs disagree. */
export function dense({ weight, bias }: DenseParameters, x: Tensor): Tensor {
  const inputs = x.shape[x.rank - 1];
  if (weight.rank !== 2 || inputs !== weight.shape[0]) {
    throw new ShapeError(
      'dense',
      `Expected x [.., inputs] for weight [inputs, outputs], received ${x.type} and ${weight.type}`,
    );
  }
  if (x.rank <= 2) return matmul(x, weight).add(bias);
  // One product of matrices, instead of one for each row of the leading dimensions with the weight repeated.
  const leading = x.shape.slice(0, -1);
  const rows = leading.reduce((product, dim) => product * dim, 1);
  const product = matmul(reshape(x, [rows, inputs]), weight).add(bias);
  return reshape(product, [...leading, weight.shape[1] as number]);
}

export interface DenseOptions {
  /** Default: Glorot's uniform one. */
  readonly weight?: Initializer;
  /** float32 or float64. Default: 'float32'. */
  readonly dtype?: DType;
}

/** A new dense layer, bias zero. */
export function initDense(
  key: Tensor,
  inputs: number,
  outputs: number,
  { weight = glorotUniform(), dtype = 'float32' }: DenseOptions = {},
): DenseParameters {
  return { weight: weight(key, [inputs, outputs], { dtype }), bias: beside(key, () => zeros([outputs], { dtype })) };
}

/** He initialisation for layers before a ReLU: normal with variance 2 / inputs (He et al., 2015, eq. 10); bias zero. */
export function heDense(
  key: Tensor,
  inputs: number,
  outputs: number,
  { dtype = 'float32' }: { dtype?: DType } = {},
): DenseParameters {
  return initDense(key, inputs, outputs, { weight: heNormal(), dtype });
}
