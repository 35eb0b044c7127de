/** Plain arrays for reference implementations: float64 values, row-major, index arithmetic spelled out. */
import type { DType, Shape } from '../../lib/index.js';

/** Values of any dtype as float64 (bools as 0 and 1); each is exactly representable in `dtype`. */
export interface Values {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly values: Float64Array;
}

/** A reference result. `scale`: what the rounding error of each element is proportional to; its own magnitude by default. */
export interface Expected extends Values {
  readonly scale?: Float64Array;
}

export type Index = readonly number[];

export function sizeOf(shape: Shape): number {
  return shape.reduce((size, dim) => size * dim, 1);
}

/** Position of a multi-index in row-major order. */
export function flatten(index: Index, shape: Shape): number {
  return index.reduce((position, k, axis) => position * (shape[axis] as number) + k, 0);
}

/** The multi-index at a position in row-major order. */
export function unflatten(position: number, shape: Shape): number[] {
  const index = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const dim = shape[axis] as number;
    index[axis] = position % dim;
    position = Math.floor(position / dim);
  }
  return index;
}

/** All multi-indices of a shape, in row-major order. */
export function* indices(shape: Shape): Generator<number[]> {
  const size = sizeOf(shape);
  for (let position = 0; position < size; position++) yield unflatten(position, shape);
}

export function at(array: Values, index: Index): number {
  return array.values[flatten(index, array.shape)] as number;
}

/** The element that NumPy's broadcasting pairs with `index` of a wider shape. */
export function atBroadcast(array: Values, index: Index): number {
  const offset = index.length - array.shape.length;
  return at(
    array,
    array.shape.map((dim, axis) => (dim === 1 ? 0 : (index[axis + offset] as number))),
  );
}

/** An array from a function of the multi-index. */
export function build(dtype: DType, shape: Shape, f: (index: number[]) => number): Values {
  const values = new Float64Array(sizeOf(shape));
  for (let position = 0; position < values.length; position++) values[position] = f(unflatten(position, shape));
  return { dtype, shape, values };
}

/** NumPy's broadcast of shapes known to agree. */
export function broadcastShape(shapes: readonly Shape[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const dims = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    return dims.find((dim) => dim !== 1) ?? 1;
  });
}

/** `x` as `dtype` holds it, by the rules of arithmetic: floats round, integers wrap. */
export function represent(dtype: DType, x: number): number {
  switch (dtype) {
    case 'float64':
      return x;
    case 'float32':
      return Math.fround(x);
    case 'int32':
      return x | 0;
    case 'uint32':
      return x >>> 0;
    case 'bool':
      return x ? 1 : 0;
  }
}

/** Spacing of the dtype at 1; 0 where results are exact. */
export function epsilonOf(dtype: DType): number {
  return dtype === 'float32' ? 2 ** -23 : dtype === 'float64' ? 2 ** -52 : 0;
}

/** The smallest positive number of a float dtype. */
export function smallestOf(dtype: DType): number {
  return dtype === 'float32' ? 2 ** -149 : dtype === 'float64' ? 2 ** -1074 : 0;
}

export function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64';
}
