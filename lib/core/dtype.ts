/** Element types, and how they map to JavaScript's typed arrays. */
import { DTypeError } from './errors.js';
import type { DTypeCode } from './native.js';

export type DType = 'float32' | 'float64' | 'int32' | 'uint32' | 'bool';

/** The typed array that holds a dtype; bools are bytes, 0 or 1. */
export type TypedArray = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array;

export const dtypes: readonly DType[] = ['float32', 'float64', 'int32', 'uint32', 'bool'];

const codes: Readonly<Record<DType, DTypeCode>> = { float32: 0, float64: 1, int32: 2, uint32: 3, bool: 4 };
const sizes: Readonly<Record<DType, number>> = { float32: 4, float64: 8, int32: 4, uint32: 4, bool: 1 };

export function dtypeCode(dtype: DType): DTypeCode {
  return codes[dtype];
}

/** Bytes of one element. */
export function dtypeSize(dtype: DType): number {
  return sizes[dtype];
}

export function isFloat(dtype: DType): boolean {
  return dtype === 'float32' || dtype === 'float64';
}

/** Spacing of a float dtype at 1. */
export function epsilonOf(dtype: DType): number {
  return dtype === 'float32' ? 2 ** -23 : 2 ** -52;
}

export function isInteger(dtype: DType): boolean {
  return dtype === 'int32' || dtype === 'uint32';
}

/** A typed array over `buffer`. */
export function viewOf(dtype: DType, buffer: ArrayBuffer): TypedArray {
  switch (dtype) {
    case 'float32':
      return new Float32Array(buffer);
    case 'float64':
      return new Float64Array(buffer);
    case 'int32':
      return new Int32Array(buffer);
    case 'uint32':
      return new Uint32Array(buffer);
    case 'bool':
      return new Uint8Array(buffer);
  }
}

/** A new typed array of `length` zeros. */
export function allocate(dtype: 'float32' | 'float64', length: number): Float32Array | Float64Array;
export function allocate(dtype: DType, length: number): TypedArray;
export function allocate(dtype: DType, length: number): TypedArray {
  return viewOf(dtype, new ArrayBuffer(length * sizes[dtype]));
}

/** The dtype that a typed array stands for, or undefined when it needs to be said (bytes, 16-bit, BigInt). */
export function dtypeOfArray(array: ArrayBufferView): DType | undefined {
  if (array instanceof Float32Array) return 'float32';
  if (array instanceof Float64Array) return 'float64';
  if (array instanceof Int32Array) return 'int32';
  if (array instanceof Uint32Array) return 'uint32';
  return undefined;
}

/** @throws {DTypeError} `dtype` is not one of ours. */
export function checkDType(op: string, dtype: unknown): DType {
  if (typeof dtype === 'string' && Object.hasOwn(codes, dtype)) return dtype as DType;
  throw new DTypeError(op, `Expected a dtype out of ${dtypes.join(', ')}, received ${String(dtype)}`);
}

/**
 * The value a JavaScript number takes in `dtype`.
 * @throws {DTypeError} a fraction for an integer dtype, or a number out of its range.
 */
export function checkNumber(op: string, value: number | boolean, dtype: DType): number {
  const number = Number(value);
  if (isFloat(dtype)) return number;
  if (dtype === 'bool') {
    if (number === 0 || number === 1) return number;
    throw new DTypeError(op, `Expected a bool (true, false, 0 or 1), received ${value}`);
  }
  const [low, high] = dtype === 'int32' ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
  if (Number.isInteger(number) && number >= low && number <= high) return number;
  throw new DTypeError(op, `Expected a whole number from ${low} to ${high} for ${dtype}, received ${value}`, {
    hint: `cast the tensor to float32 first, or round the number`,
  });
}
