/**
 * NumPy's .npy files.
 *
 * Own reader: the maintained npm package neither checks the length of the data nor orders Fortran arrays, and brings a network client.
 */
import { writeFile } from 'node:fs/promises';
import { type DType, type TypedArray, viewOf } from '../core/dtype.js';
import { DomainError } from '../core/errors.js';
import { checkShape, type Shape, showShape, sizeOf } from '../core/types.js';
import type { DataArray } from './data-array.js';
import {
  breathe,
  checkBools,
  fileFailure,
  malformed,
  RandomAccess,
  type Source,
  sourceName,
} from './internal/source.js';

const WRITE = 'writeNpy';

/** A dtype that is read: the array that holds the file's elements, and the dtype they become. */
interface Format {
  readonly bytes: number;
  readonly dtype: DType;
  readonly view?: (buffer: ArrayBuffer) => Integers;
}

const formats: Readonly<Record<string, Format>> = {
  '<f4': { bytes: 4, dtype: 'float32' },
  '<f8': { bytes: 8, dtype: 'float64' },
  '<i4': { bytes: 4, dtype: 'int32' },
  '<u4': { bytes: 4, dtype: 'uint32' },
  '|b1': { bytes: 1, dtype: 'bool' },
  '|u1': { bytes: 1, dtype: 'int32', view: (buffer) => new Uint8Array(buffer) },
  '|i1': { bytes: 1, dtype: 'int32', view: (buffer) => new Int8Array(buffer) },
  '<i8': { bytes: 8, dtype: 'int32', view: (buffer) => new BigInt64Array(buffer) },
};

type Integers = Uint8Array | Int8Array | BigInt64Array;

interface Header {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: Shape;
  readonly start: number;
}

/**
 * Reads an .npy file (versions 1 to 3, little endian).
 *
 * dtypes: f4, f8, i4, u4 and b1 become float32, float64, int32, uint32 and bool; u1, i1 and i8 (NumPy's default integer) become
 * int32 when every element fits. Arrays in Fortran order are brought into C order, so the result is always row-major.
 *
 * @param source  a path, or the file's content.
 * @throws {DomainError} no such file, wrong magic string, malformed header, another dtype (float16, big endian, structured, text),
 *   an i8 element outside int32, a bool that is neither 0 nor 1, or data shorter or longer than the shape says.
 */
export async function readNpy(source: Source): Promise<DataArray> {
  const op = 'readNpy';
  const file = await RandomAccess.open(op, source);
  try {
    const { header, format } = await open(op, file, source);
    let data = await readData(op, file, source, format, sizeOf(header.shape), header.start);
    if (header.fortran && header.shape.length > 1) data = await toRowMajor(data, header.shape);
    return { data, shape: header.shape, dtype: format.dtype };
  } finally {
    await file.close();
  }
}

/** Header and format, after checks of dtype and size. */
async function open(op: string, file: RandomAccess, source: Source): Promise<{ header: Header; format: Format }> {
  const header = await readHeader(op, file, source);
  const format = formats[header.descr];
  if (!format) {
    const hint = "save it with x.astype('<f4') or another dtype of the list";
    const names = Object.keys(formats).join(', ');
    throw malformed(op, source, `Expected a dtype out of ${names} in ${sourceName(source)}, received ${header.descr}`, {
      hint,
    });
  }
  const expected = header.start + sizeOf(header.shape) * format.bytes;
  if (file.size !== expected) {
    const verdict = file.size < expected ? 'it is truncated' : 'it has bytes too many';
    throw malformed(
      op,
      source,
      `Expected ${expected} bytes for shape ${showShape(header.shape)} in ${sourceName(source)}, received ${file.size}: ${verdict}`,
    );
  }
  return { header, format };
}

/** `count` elements from `position`, in the dtype that they become. */
async function readData(
  op: string,
  file: RandomAccess,
  source: Source,
  format: Format,
  count: number,
  position: number,
): Promise<TypedArray> {
  const buffer = new ArrayBuffer(count * format.bytes);
  await file.read(new Uint8Array(buffer), position);
  const data = format.view ? await narrow(op, format.view(buffer), source) : viewOf(format.dtype, buffer);
  if (data instanceof Uint8Array) await checkBools(op, source, sourceName(source), data);
  return data;
}

/**
 * Writes an .npy file (version 1, little endian, C order).
 * @throws {DomainError} the file cannot be written.
 */
export async function writeNpy(path: string | URL, array: DataArray): Promise<void> {
  try {
    await writeFile(path, npyParts(array));
  } catch (cause) {
    throw fileFailure(WRITE, 'writable', path, cause);
  }
}

/** An .npy file as one buffer. */
export function npyBytes(array: DataArray): Buffer {
  return Buffer.concat(npyParts(array));
}

/** Header and data; the data is not copied. */
function npyParts(array: DataArray): [head: Buffer, body: Buffer] {
  const descr = { float32: '<f4', float64: '<f8', int32: '<i4', uint32: '<u4', bool: '|b1' }[array.dtype];
  const shape = array.shape.length === 1 ? `(${array.shape[0]},)` : `(${array.shape.join(', ')})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  // The header ends with a newline and fills a multiple of 64 bytes, so that the data can be mapped aligned.
  const padded = text.padEnd(64 * Math.ceil((10 + text.length + 1) / 64) - 11) + '\n';
  const head = Buffer.alloc(10 + padded.length);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(padded.length, 8);
  head.write(padded, 10, 'latin1');
  return [head, Buffer.from(array.data.buffer, array.data.byteOffset, array.data.byteLength)];
}

/**
 * The rows of an .npy file [n, ...] in blocks, in order: for files larger than memory. Every block is read when it is asked for.
 *
 * @param source  a path, or the file's content; C order.
 * @param options.rows  rows a block. Default: 4096.
 * @throws {DomainError} as `readNpy`; Fortran order, or a scalar.
 */
export async function* npyBlocks(source: Source, options: { readonly rows?: number } = {}): AsyncGenerator<DataArray> {
  const { rows = 4096 } = options;
  const op = 'npyBlocks';
  if (!Number.isInteger(rows) || rows < 1)
    throw new DomainError(op, `Expected a whole number rows >= 1, received ${rows}`);
  const file = await RandomAccess.open(op, source);
  try {
    const { header, format } = await open(op, file, source);
    const [count] = header.shape;
    if (count === undefined || (header.fortran && header.shape.length > 1)) {
      const received = count === undefined ? 'a scalar' : 'Fortran order, whose rows are scattered';
      throw malformed(op, source, `Expected rows in C order in ${sourceName(source)}, received ${received}`, {
        hint: 'read it whole with readNpy()',
      });
    }
    const width = sizeOf(header.shape.slice(1));
    for (let at = 0; at < count; at += rows) {
      const shape = [Math.min(rows, count - at), ...header.shape.slice(1)];
      const data = await readData(op, file, source, format, sizeOf(shape), header.start + at * width * format.bytes);
      yield { data, shape, dtype: format.dtype };
    }
  } finally {
    await file.close();
  }
}

async function readHeader(op: string, file: RandomAccess, source: Source): Promise<Header> {
  const name = sourceName(source);
  const head = new Uint8Array(Math.min(12, file.size));
  await file.read(head, 0);
  if (head.length < 12 || Buffer.from(head.subarray(0, 6)).toString('latin1') !== '\x93NUMPY') {
    throw malformed(
      op,
      source,
      `Expected the magic string of .npy in ${name}, received a file of ${file.size} bytes without it`,
    );
  }
  const major = head[6];
  if (major < 1 || major > 3) {
    throw malformed(op, source, `Expected .npy version 1, 2 or 3 in ${name}, received ${major}`);
  }
  const view = new DataView(head.buffer);
  const [lengthAt, length] = major === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const start = lengthAt + length;
  if (start > file.size) {
    throw malformed(
      op,
      source,
      `Expected a header of ${length} bytes in ${name}, received ${file.size - lengthAt}: it is truncated`,
    );
  }
  const raw = new Uint8Array(length);
  await file.read(raw, lengthAt);
  const text = Buffer.from(raw).toString(major === 3 ? 'utf8' : 'latin1');
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1] ?? /'descr'\s*:\s*(\[.*?\])/.exec(text)?.[1];
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const dims = /'shape'\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1];
  if (descr === undefined || fortran === undefined || dims === undefined) {
    throw malformed(
      op,
      source,
      `Expected descr, fortran_order and shape in the header of ${name}, received ${JSON.stringify(text.trim())}`,
    );
  }
  const shape = dims
    .split(',')
    .filter((dim) => dim.trim() !== '')
    .map((dim) => Number.parseInt(dim, 10));
  return { descr, fortran: fortran === 'True', shape: checkShape(op, shape), start };
}

const STEP = 1 << 18;

async function narrow(op: string, wide: Integers, source: Source): Promise<Int32Array> {
  const data = new Int32Array(wide.length);
  for (let k = 0; k < wide.length; k++) {
    const value = Number(wide[k]);
    if (value !== (value | 0)) {
      throw malformed(op, source, `Expected elements that fit int32 in ${sourceName(source)}, received ${value}`, {
        element: k,
      });
    }
    data[k] = value;
    if ((k + 1) % STEP === 0) await breathe();
  }
  return data;
}

/** The same array, whose first index runs fastest in `from`, with the last index running fastest. */
async function toRowMajor(from: TypedArray, shape: Shape): Promise<TypedArray> {
  const to = new (from.constructor as new (length: number) => TypedArray)(from.length);
  const strides: number[] = [];
  shape.reduce((stride, dim, k) => {
    strides[k] = stride;
    return stride * dim;
  }, 1);
  const index = new Array<number>(shape.length).fill(0);
  let at = 0;
  for (let k = 0; k < to.length; k++) {
    to[k] = from[at];
    // Counts `index` up like an odometer whose last digit runs fastest, and `at` along with it.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= shape[axis] * strides[axis];
      index[axis] = 0;
    }
    if ((k + 1) % STEP === 0) await breathe();
  }
  return to;
}
