/** Tensors that hold a value: a slot of the addon. */

import { currentDevice, type Device, type DeviceLike, onDevice, toDevice } from './device.js';
import {
  allocate,
  checkDType,
  checkNumber,
  type DType,
  dtypeCode,
  dtypeOfArray,
  type TypedArray,
  viewOf,
} from './dtype.js';
import { addon, fromNative, readSlot, readSlotSync, releaseSlot, returnSlot, takeSlot } from './environment.js';
import { DeviceError, DisposedError, DTypeError, ShapeError } from './errors.js';
import { formatTensor } from './format.js';
import { streamOn } from './stream.js';
import { type NestedArray, Tensor } from './tensor.js';
import { checkShape, type Shape, showShape, sizeOf, TensorType } from './types.js';

/** What the garbage collector hands back: kept apart from the tensor so that it can outlive it. */
class SlotReference {
  constructor(public slot: number) {}
  free(): void {
    if (this.slot >= 0) releaseSlot(this.slot);
    this.slot = -1;
  }
}

const collected = new FinalizationRegistry<SlotReference>((reference) => reference.free());

/**
 * Tensors made in this microtask. Registration costs as much as a small operation, for the collector, too, and most tensors are disposed
 * before it pays. Nothing lives longer for the delay: the registry would not call back sooner.
 */
let young: ConcreteTensor[] = [];
const YOUNG_LIMIT = 256;

function registerYoung(): void {
  const born = young;
  young = [];
  for (const tensor of born) tensor.register(collected);
}

/** What a scope, or a long call, will dispose of. */
export type TensorOwner = Set<Tensor>;

/** The owner of the tensors that are made now. */
let currentOwner: TensorOwner | undefined;

export class ConcreteTensor extends Tensor {
  private readonly reference: SlotReference;
  private owner: TensorOwner | undefined;

  constructor(
    type: TensorType,
    slot: number,
    readonly device: Device,
    /** Made from a plain number, which belongs to no device: it follows the tensors that it meets. */
    readonly weak = false,
  ) {
    super(type);
    this.reference = new SlotReference(slot);
    if (young.push(this) === 1) queueMicrotask(registerYoung);
    else if (young.length === YOUNG_LIMIT) registerYoung();
    this.moveTo(currentOwner);
  }

  /** Lets the collector hand the slot back, unless that is done. */
  register(registry: FinalizationRegistry<SlotReference>): void {
    if (!this.disposed) registry.register(this, this.reference);
  }

  /** Hands the tensor over to another owner, or to nobody. */
  moveTo(owner: TensorOwner | undefined): void {
    this.owner?.delete(this);
    this.owner = owner;
    owner?.add(this);
  }

  /** The slot. @throws {DisposedError} */
  slot(op: string): number {
    const { slot } = this.reference;
    if (slot < 0) {
      throw new DisposedError(op, `Expected a live tensor, received a disposed ${this.type}`, {
        hint: 'it was disposed, donated to a jitted function, or its scope has ended',
      });
    }
    return slot;
  }

  get disposed(): boolean {
    return this.reference.slot < 0;
  }

  dispose(): void {
    this.reference.free();
    this.moveTo(undefined);
  }

  /** Marks the tensor disposed when its slot has been consumed by a run that it was donated to. */
  consume(): void {
    if (this.reference.slot >= 0) returnSlot(this.reference.slot);
    this.reference.slot = -1;
    this.moveTo(undefined);
  }

  to(device: DeviceLike): ConcreteTensor {
    const target = toDevice(device);
    const from = this.slot('to');
    const slot = takeSlot();
    try {
      addon().copy(streamOn(target), from, slot);
    } catch (thrown) {
      returnSlot(slot);
      throw fromNative(thrown);
    }
    return new ConcreteTensor(this.type, slot, target);
  }

  async data(): Promise<TypedArray> {
    return viewOf(this.dtype, await readSlot(this.slot('data')));
  }

  dataSync(): TypedArray {
    return viewOf(this.dtype, readSlotSync(this.slot('dataSync')));
  }

  async item(): Promise<number> {
    this.checkSingle('item');
    return (await this.data())[0] as number;
  }

  itemSync(): number {
    this.checkSingle('itemSync');
    return this.dataSync()[0] as number;
  }

  private checkSingle(op: string): void {
    if (this.size !== 1)
      throw new ShapeError(op, `Expected a tensor of one element, received shape ${showShape(this.shape)}`);
  }

  /** The values when they are computed already, otherwise the type and state: it never waits. */
  override toString(): string {
    if (this.disposed) return `Tensor(disposed ${this.type})`;
    const state = addon().state(this.reference.slot);
    if (state === 1) return formatTensor(this.type, this.dataSync());
    return `Tensor(${state === 0 ? 'pending' : 'failed'} ${this.type})`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/**
 * Runs `f` and disposes every tensor made meanwhile, but for those in what it returns.
 * @throws {DisposedError} `f` is asynchronous: work after an `await` would not be covered.
 */
export function scope<T>(f: () => T): T {
  return scopeInto(currentOwner, f);
}

/** `scope`, with an owner for the tensors in what `f` returns. */
export function scopeInto<T>(owner: TensorOwner | undefined, f: () => T): T {
  const outer = currentOwner;
  const inner: TensorOwner = new Set();
  currentOwner = inner;
  let result: T;
  let kept: (tensor: Tensor) => boolean = () => false;
  try {
    result = f();
    if (result instanceof Promise) {
      result.catch(() => {});
      throw new DisposedError('scope', 'Expected a synchronous function, received one that returns a promise', {
        hint: 'compute inside the scope, await the results outside',
      });
    }
    kept = isKept(result);
  } finally {
    currentOwner = outer;
    for (const tensor of inner) {
      if (!kept(tensor)) tensor.dispose();
      else if (tensor instanceof ConcreteTensor) tensor.moveTo(owner);
    }
  }
  return result;
}

/** Calls `f`; the tensors it makes belong to no scope: what is kept for later calls must not end with this one. */
export function unowned<T>(f: () => T): T {
  const outer = currentOwner;
  currentOwner = undefined;
  try {
    return f();
  } finally {
    currentOwner = outer;
  }
}

/** Whether a tensor is part of a result: in arrays, objects, maps and sets, at any depth. */
export function isKept(result: unknown): (tensor: Tensor) => boolean {
  const seen = new Set<unknown>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    if (value instanceof Tensor || ArrayBuffer.isView(value)) return;
    const children = value instanceof Map || value instanceof Set ? value.values() : Object.values(value);
    for (const child of children) visit(child);
  };
  visit(result);
  return (tensor) => seen.has(tensor);
}

function flattenNested(data: NestedArray): { values: (number | boolean)[]; shape: number[] } {
  const shape: number[] = [];
  for (let level = data; Array.isArray(level); level = level[0] as NestedArray) shape.push(level.length);
  const values: (number | boolean)[] = [];
  const visit = (node: NestedArray, axis: number, path: string): void => {
    const isArray = Array.isArray(node);
    if (isArray !== axis < shape.length || (isArray && node.length !== shape[axis])) {
      const received = isArray ? `an array of ${node.length}` : typeof node;
      const expected = axis < shape.length ? `an array of ${shape[axis]}` : 'a number';
      throw new ShapeError(
        'tensor',
        `Expected ${expected} at data${path} as at data${'[0]'.repeat(axis)}, received ${received}`,
        {
          hint: 'nested arrays must not be ragged',
        },
      );
    }
    if (isArray)
      node.forEach((child: NestedArray, k: number) => {
        visit(child, axis + 1, `${path}[${k}]`);
      });
    else if (typeof node === 'number' || typeof node === 'boolean') values.push(node);
    else throw new DTypeError('tensor', `Expected numbers or booleans, received ${typeof node} at data${path}`);
  };
  visit(data, 0, '');
  return { values, shape };
}

/**
 * A tensor from numbers.
 *
 * @param data  a number, nested arrays, or a typed array (copied). Plain numbers become float32, booleans bool, typed arrays keep
 *   their dtype; Uint8Array, Int8Array, Int16Array, Uint16Array need `dtype`.
 * @param options.dtype  convert to this dtype.
 * @param options.device  where it goes. Default: the default device.
 * @param options.shape  row-major shape; default: the nesting, or [length] for a typed array.
 * @throws {ShapeError} ragged nesting, or a shape that does not fit.  {DTypeError} fractions for an integer dtype.
 *   {DeviceError} the device cannot be used.
 */
export function tensor(
  data: NestedArray | ArrayBufferView,
  options: { dtype?: DType; shape?: Shape; device?: DeviceLike } = {},
): Tensor {
  let dtype = options.dtype === undefined ? undefined : checkDType('tensor', options.dtype);
  let array: TypedArray;
  let shape: Shape;
  if (ArrayBuffer.isView(data)) {
    const known = dtypeOfArray(data);
    if (data instanceof DataView || data instanceof BigInt64Array || data instanceof BigUint64Array) {
      throw new DTypeError('tensor', `Expected a typed array of numbers, received ${data.constructor.name}`);
    }
    dtype ??= known;
    if (dtype === undefined) {
      throw new DTypeError('tensor', `Expected options.dtype beside a ${data.constructor.name}, received none`, {
        hint: "pass { dtype: 'float32' }, or { dtype: 'bool' } for bytes 0 and 1",
      });
    }
    const source = data as unknown as ArrayLike<number>;
    array = known === dtype ? (data as TypedArray) : convert(source, dtype);
    shape = [source.length];
  } else {
    const nested = flattenNested(data);
    dtype ??=
      nested.values.length > 0 && nested.values.every((value) => typeof value === 'boolean') ? 'bool' : 'float32';
    array = convert(nested.values as ArrayLike<number>, dtype);
    shape = nested.shape;
  }
  if (options.shape !== undefined) shape = checkShape('tensor', options.shape);
  else checkShape('tensor', shape);
  if (sizeOf(shape) !== array.length) {
    throw new ShapeError(
      'tensor',
      `Expected ${sizeOf(shape)} elements for shape ${showShape(shape)}, received ${array.length}`,
    );
  }
  return write(TensorType.of(dtype, shape), array, options.device);
}

function convert(values: ArrayLike<number | boolean>, dtype: DType): TypedArray {
  const array = allocate(dtype, values.length);
  if (dtype === 'float32' || dtype === 'float64') for (let k = 0; k < values.length; k++) array[k] = Number(values[k]);
  else for (let k = 0; k < values.length; k++) array[k] = checkNumber('tensor', values[k] as number, dtype);
  return array;
}

/** Copies `array` into a new slot, on the current device unless one is named. */
export function write(type: TensorType, array: ArrayBufferView, device?: DeviceLike, weak = false): ConcreteTensor {
  const on = device === undefined ? currentDevice() : toDevice(device);
  const slot = takeSlot();
  try {
    addon().write(on.id, slot, dtypeCode(type.dtype), type.shape, array);
  } catch (thrown) {
    returnSlot(slot);
    throw fromNative(thrown);
  }
  return new ConcreteTensor(type, slot, on, weak);
}

function scalarArray(op: string, value: number | boolean, dtype: DType): TypedArray {
  const array = allocate(dtype, 1);
  array[0] = checkNumber(op, value, dtype);
  return array;
}

/** A tensor of rank 0, on the default device unless one is named. */
export function scalar(
  value: number | boolean,
  dtype: DType = 'float32',
  options: { readonly device?: DeviceLike } = {},
): Tensor {
  return write(TensorType.of(dtype, []), scalarArray('scalar', value, dtype), options.device);
}

/** A plain number as a tensor, which follows the tensors that it meets to their device. Default: float32, or bool. */
export function numberTensor(value: number | boolean, dtype?: DType, device?: Device): ConcreteTensor {
  const resolved = dtype ?? (typeof value === 'boolean' ? 'bool' : 'float32');
  return write(TensorType.of(resolved, []), scalarArray('scalar', value, resolved), device, true);
}

/**
 * The device that concrete tensors share; undefined when there are none but plain numbers.
 * @throws {DeviceError} they live on different ones.
 */
export function commonDevice(op: string, tensors: readonly unknown[]): Device | undefined {
  let first: ConcreteTensor | undefined;
  for (const tensor of tensors) {
    if (!(tensor instanceof ConcreteTensor) || tensor.weak) continue;
    first ??= tensor;
    if (tensor.device !== first.device) throw mixedDevices(op, first, tensor);
  }
  return first?.device;
}

/** Calls `f`; the constants that it makes beside a concrete `x` go where `x` lives. */
export function beside<T>(x: unknown, f: () => T): T {
  return x instanceof ConcreteTensor ? onDevice(x.device, f) : f();
}

function mixedDevices(op: string, first: ConcreteTensor, second: ConcreteTensor): DeviceError {
  const both = `${first.type} on ${first.device} and ${second.type} on ${second.device}`;
  return new DeviceError(op, `Expected tensors on one device, received ${both}`, {
    hint: `move one of them: x.to('${first.device}')`,
    details: { devices: [first.device.name, second.device.name] },
  });
}
