/** Primitives that the interpreter handles itself: failure as data, progress, and time. */
import { DTypeError, ShapeError } from '../errors.js';
import { definePrimitive, type Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { bind1 } from '../tracing.js';
import { TensorType } from '../types.js';
import { primitive } from './lax.js';

interface CheckParams extends Params {
  /** The primitive to blame. */
  readonly op: string;
}

/**
 * value, info -> value; a non-zero info fails whatever depends on the result. Tangents pass and are checked like the value: the
 * derivative of what has failed has failed.
 */
export const checkPrimitive = definePrimitive<CheckParams>({
  name: 'check',
  effect: true,
  infer: ([value, info]) => {
    if (info?.dtype !== 'int32') throw new DTypeError('check', `Expected int32 info, received ${info}`);
    return [value as TensorType];
  },
  jvp: ({ inputs: [, info], tangents: [t], params }) => [
    t ? bind1(primitive('check'), [t, info as Tensor], params) : null,
  ],
  transpose: ({ cotangents: [ct], operands: [, info], params }) => {
    if (!ct || !info || info.linear) return [null, null];
    return [bind1(primitive('check'), [ct, info.value], params), null];
  },
  encode: ({ op }, name) => [name(op)],
});

interface EmitParams extends Params {
  readonly tag: string;
  readonly names: readonly string[];
}

export const emitPrimitive = definePrimitive<EmitParams>({
  name: 'emit',
  effect: true,
  infer: (inputs) => {
    for (const type of inputs) if (type.rank !== 0) throw new ShapeError('emit', `Expected scalars, received ${type}`);
    return [];
  },
  encode: ({ tag, names }, name) => [name(tag), ...names.map(name)],
});

/** Seconds since the stream was created, read once its operand is there. */
export const clockPrimitive = definePrimitive<Record<string, never>>({
  name: 'clock',
  infer: () => [TensorType.of('float64', [])],
});
