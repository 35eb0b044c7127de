/** Tensor: what users hold. Either a value on the device, or (inside a traced function) the name of a value to come. */
import type { Device, DeviceLike } from './device.js';
import type { DType, TypedArray } from './dtype.js';
import type { Shape, TensorType } from './types.js';

/** Numbers or booleans, nested as the shape says. */
export type NestedArray = number | boolean | readonly NestedArray[];

export abstract class Tensor {
  constructor(
    /** dtype and shape. */
    readonly type: TensorType,
  ) {}

  /** Where the value lives. @throws {TracingError} inside a traced function. */
  abstract get device(): Device;

  /**
   * A copy on another device, enqueued; on the same device a handle of its own to the same value, without a copy.
   * @throws {DeviceError} the device cannot be used.  {TracingError} inside a traced function: it runs where its arguments live.
   */
  abstract to(device: DeviceLike): Tensor;

  get dtype(): DType {
    return this.type.dtype;
  }

  get shape(): Shape {
    return this.type.shape;
  }

  /** Number of dimensions. */
  get rank(): number {
    return this.type.rank;
  }

  /** Number of elements. */
  get size(): number {
    return this.type.size;
  }

  /**
   * The elements in row-major order, copied, once they are computed. Bools are bytes, 0 or 1.
   * @throws {DisposedError} after `dispose()`.  {TracingError} inside a traced function.  Whatever the computation failed with.
   */
  abstract data(): Promise<TypedArray>;

  /** `data()` that blocks the thread: for scripts. */
  abstract dataSync(): TypedArray;

  /** Frees the value; harmless when repeated. Reads that were issued before still succeed. */
  abstract dispose(): void;

  abstract get disposed(): boolean;

  /** The elements as nested arrays; a number or boolean for rank 0. */
  async array(): Promise<NestedArray> {
    return nest(await this.data(), this.type);
  }

  arraySync(): NestedArray {
    return nest(this.dataSync(), this.type);
  }

  /** The only element. @throws {ShapeError} there are none or several. */
  abstract item(): Promise<number>;

  abstract itemSync(): number;

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function nest(data: TypedArray, type: TensorType): NestedArray {
  const convert = type.dtype === 'bool' ? (value: number) => value !== 0 : (value: number) => value;
  const build = (axis: number, at: number, stride: number): NestedArray => {
    if (axis === type.rank) return convert(data[at] as number);
    const dim = type.shape[axis] as number;
    const inner = dim === 0 ? 0 : stride / dim;
    return Array.from({ length: dim }, (_, k) => build(axis + 1, at + k * inner, inner));
  };
  return build(0, 0, type.size);
}
