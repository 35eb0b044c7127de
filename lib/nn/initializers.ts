/** Initial weights: functions of a key and a shape. */
import { beside } from '../core/concrete.js';
import type { DType } from '../core/dtype.js';
import { DTypeError, ShapeError } from '../core/errors.js';
import { full } from '../core/ops/arrays.js';
import { add, mul } from '../core/ops/elementwise.js';
import { normal as standardNormal, uniform as unitUniform } from '../core/ops/random.js';
import type { Tensor } from '../core/tensor.js';
import { checkAxis, type Shape, showShape } from '../core/types.js';
import { checkPositive } from '../solvers/options.js';

export interface InitializerOptions {
  /** float32 or float64. Default: 'float32'. */
  readonly dtype?: DType;
}

/** Weights of a shape from a key (uint32 [2]). */
export type Initializer = (key: Tensor, shape: Shape, options?: InitializerOptions) => Tensor;

export interface FanOptions {
  /** Axis along which inputs are counted. Default: −2: [.., inputs, outputs]. For kernels [outputs, inputs, ...]: 1. */
  readonly inputAxis?: number;
  /** Axis along which outputs are counted. Default: −1. For kernels [outputs, inputs, ...]: 0. */
  readonly outputAxis?: number;
}

/** Connections into and out of a unit: inputs (outputs) times the size of the other axes, the receptive field. */
function fans(op: string, shape: Shape, { inputAxis = -2, outputAxis = -1 }: FanOptions): { in: number; out: number } {
  if (shape.length < 2) {
    throw new ShapeError(op, `Expected a shape of at least two dimensions, received ${showShape(shape)}`);
  }
  const size = shape.reduce((product, dim) => product * dim, 1);
  const input = shape[checkAxis(op, inputAxis, shape.length)] as number;
  const output = shape[checkAxis(op, outputAxis, shape.length)] as number;
  return { in: Math.max(1, size / Math.max(1, output)), out: Math.max(1, size / Math.max(1, input)) };
}

function checkFloat(op: string, dtype: DType): DType {
  if (dtype === 'float32' || dtype === 'float64') return dtype;
  throw new DTypeError(op, `Expected float32 or float64, received ${dtype}`);
}

/** The same value everywhere; of the key only its device is used. */
export function constant(value: number): Initializer {
  return (key, shape, { dtype = 'float32' } = {}) => beside(key, () => full(shape, value, { dtype }));
}

/** Normal with mean 0. @param deviation  > 0. */
export function normal(deviation: number): Initializer {
  checkPositive('initializers.normal', 'deviation', deviation);
  return (key, shape, { dtype = 'float32' } = {}) =>
    mul(standardNormal(key, shape, { dtype: checkFloat('initializers.normal', dtype) }), deviation);
}

/** Uniform in [−limit, limit). @param limit  > 0. */
export function uniform(limit: number): Initializer {
  checkPositive('initializers.uniform', 'limit', limit);
  return (key, shape, { dtype = 'float32' } = {}) =>
    add(mul(unitUniform(key, shape, { dtype: checkFloat('initializers.uniform', dtype) }), 2 * limit), -limit);
}

const byFan =
  (op: string, make: (scale: number) => Initializer, scale: (fan: { in: number; out: number }) => number) =>
  (options: FanOptions = {}): Initializer =>
  (key, shape, rest) =>
    make(scale(fans(op, shape, options)))(key, shape, rest);

/** Uniform with variance 2 / (fanIn + fanOut) (Glorot and Bengio, 2010, eq. 16): for tanh, sigmoid and linear layers. */
export const glorotUniform = byFan('initializers.glorotUniform', uniform, (fan) => Math.sqrt(6 / (fan.in + fan.out)));
/** Normal with variance 2 / (fanIn + fanOut). */
export const glorotNormal = byFan('initializers.glorotNormal', normal, (fan) => Math.sqrt(2 / (fan.in + fan.out)));
/** Uniform with variance 2 / fanIn (He et al., 2015, eq. 10): for layers before a ReLU. */
export const heUniform = byFan('initializers.heUniform', uniform, (fan) => Math.sqrt(6 / fan.in));
/** Normal with variance 2 / fanIn. */
export const heNormal = byFan('initializers.heNormal', normal, (fan) => Math.sqrt(2 / fan.in));
/** Normal with variance 1 / fanIn (LeCun et al., 1998, section 4.6). */
export const lecunNormal = byFan('initializers.lecunNormal', normal, (fan) => Math.sqrt(1 / fan.in));
