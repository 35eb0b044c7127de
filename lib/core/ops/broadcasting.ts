/** Elementwise operations with NumPy broadcasting, made from the primitives, which do not broadcast. */
import { broadcast, primitive } from '../primitives/lax.js';
import { Tensor } from '../tensor.js';
import { bind1, commonDType, type TensorLike } from '../tracing.js';
import { broadcastShapes, type Shape, sameShape } from '../types.js';

/** `x` in `shape`: operands of rank 0 stay as they are, the kernels stretch them. */
export function fit(x: TensorLike, shape: Shape): TensorLike {
  if (!(x instanceof Tensor) || x.rank === 0 || sameShape(x.shape, shape)) return x;
  const offset = shape.length - x.rank;
  return broadcast(
    x,
    shape,
    [...x.shape.keys()].map((k) => k + offset),
  );
}

export const shapeOf = (x: TensorLike): Shape => (x instanceof Tensor ? x.shape : []);

export function elementwise(name: string, op: string, operands: readonly TensorLike[]): Tensor {
  const dtype = commonDType(op, operands);
  const shapes = operands.map(shapeOf);
  const [first, ...rest] = shapes as [Shape];
  const equal = rest.every((shape) => sameShape(shape, first));
  const fitted = equal ? operands : fitAll(op, operands, shapes);
  return bind1(primitive(name), fitted, {}, dtype);
}

function fitAll(op: string, operands: readonly TensorLike[], shapes: readonly Shape[]): TensorLike[] {
  const shape = broadcastShapes(op, shapes);
  return operands.map((x) => fit(x, shape));
}

export const unary =
  (name: string, op = name) =>
  (x: TensorLike): Tensor =>
    elementwise(name, op, [x]);
export const binary =
  (name: string, op = name) =>
  (a: TensorLike, b: TensorLike): Tensor =>
    elementwise(name, op, [a, b]);
