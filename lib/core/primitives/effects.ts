/** Primitives that the interpreter handles itself: failure as data, progress, and time. */
import { isFloat } from '../dtype.js';
import { DTypeError, ShapeError } from '../errors.js';
import { definePrimitive, type Params } from '../primitive.js';
import type { Tensor } from '../tensor.js';
import { bind, bind1 } from '../tracing.js';
import { TensorType } from '../types.js';
import { carryBatch } from './batching.js';
import { broadcast, cast, div, full, primitive, reduceSum, select } from './lax.js';

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
  // One failure fails them all: which lane it was is in the info. Lanes that do not count do not fail.
  batch: ({ inputs: [value, info], batched, size, mask, params }) => {
    const [x, status] = [carryBatch(value as Tensor, batched[0] as boolean, size), info as Tensor];
    const counted = mask && batched[1] ? select(broadcast(mask, status.shape, [0]), status, 0, status.dtype) : status;
    return [bind1(primitive('check'), [x, counted], params)];
  },
  encode: ({ op }, name) => [name(op)],
});

function report(lanes: Tensor, mask: Tensor | null): Tensor {
  const { dtype } = lanes;
  if (lanes.size === 0) return full(TensorType.of(dtype, []), 0);
  if (!isFloat(dtype)) {
    const counted = mask ? select(mask, lanes, reduceLanes('reduceMin', lanes), dtype) : lanes;
    return reduceLanes('reduceMax', counted);
  }
  if (!mask) return div(reduceSum(lanes, [0]), lanes.size);
  return div(reduceSum(select(mask, lanes, 0, dtype), [0]), reduceSum(cast(mask, dtype), [0]));
}

const reduceLanes = (name: string, x: Tensor): Tensor => bind1(primitive(name), [x], { axes: [0] });

interface EmitParams extends Params {
  readonly tag: string;
  readonly names: readonly string[];
  /** A bool follows the scalars: whether to report. Default: false, always. */
  readonly conditional?: boolean;
}

export const emitPrimitive = definePrimitive<EmitParams>({
  name: 'emit',
  effect: true,
  infer: (inputs, { conditional }) => {
    const last = inputs.at(-1);
    if (conditional && last?.dtype !== 'bool')
      throw new DTypeError('emit', `Expected a bool to decide on, received ${last}`);
    for (const type of inputs) if (type.rank !== 0) throw new ShapeError('emit', `Expected scalars, received ${type}`);
    return [];
  },
  // One report for all lanes: the mean over those that count; for whole numbers the largest (iterations), for bools whether any is.
  batch: ({ inputs, batched, mask, params }) => {
    const reports = inputs.map((x, k) => (batched[k] ? report(x, mask) : x));
    return bind(primitive('emit'), reports, params);
  },
  encode: ({ tag, names }, name) => [name(tag), ...names.map(name)],
});

/** Seconds since the stream was created, read once its operand is there. */
export const clockPrimitive = definePrimitive<Record<string, never>>({
  name: 'clock',
  infer: () => [TensorType.of('float64', [])],
  // One reading for all lanes, once the operand of each is there.
  batchJoint: ({ inputs: [x] }) => {
    const lanes = x as Tensor;
    const all = reduceSum(lanes.dtype === 'bool' ? cast(lanes, 'int32') : lanes, [0]);
    return { outputs: bind(primitive('clock'), [all], {}), batched: [false] };
  },
});
