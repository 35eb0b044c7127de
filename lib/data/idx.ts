/** The IDX format of MNIST: a big-endian header, then unsigned bytes. */
import { allocate } from '../core/dtype.js';
import { checkShape, showShape, sizeOf } from '../core/types.js';
import type { DataArray } from './data-array.js';
import { breathe, malformed, readAll, type Source, sourceName } from './internal/source.js';

export interface IdxOptions {
  /** Default: 'float32'. */
  readonly dtype?: 'float32' | 'float64' | 'int32' | 'uint32';
  /** Every byte is multiplied by this (float dtypes only); 1 / 255 brings pixels into [0, 1]. Default: 1. */
  readonly scale?: number;
}

const OP = 'readIdx';
const UNSIGNED_BYTE = 0x08;

/** The bytes of an IDX file, not converted. */
export async function readIdxBytes(
  source: Source,
): Promise<{ readonly data: Uint8Array; readonly shape: readonly number[] }> {
  return parseIdx(await readAll(OP, source), source);
}

/** Parses IDX content that is already in memory; the result is a view. */
export function parseIdx(
  bytes: Uint8Array,
  source: Source,
): { readonly data: Uint8Array; readonly shape: readonly number[] } {
  const name = sourceName(source);
  if (bytes.length < 4) {
    throw malformed(
      OP,
      source,
      `Expected an IDX header of at least 4 bytes in ${name}, received ${bytes.length} bytes`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [type, rank] = [bytes[2], bytes[3]];
  if (view.getUint16(0) !== 0 || rank === 0) {
    const magic = view.getUint32(0);
    throw malformed(OP, source, `Expected an IDX magic number such as 2049 or 2051 in ${name}, received ${magic}`, {
      magic,
    });
  }
  if (type !== UNSIGNED_BYTE) {
    throw malformed(
      OP,
      source,
      `Expected IDX elements of type 0x08 (unsigned bytes) in ${name}, received 0x${type.toString(16).padStart(2, '0')}`,
    );
  }
  const start = 4 + 4 * rank;
  if (bytes.length < start) {
    throw malformed(
      OP,
      source,
      `Expected ${rank} dimensions in the IDX header of ${name}, received a file of ${bytes.length} bytes: it is truncated`,
    );
  }
  const shape = checkShape(
    OP,
    Array.from({ length: rank }, (_, k) => view.getUint32(4 + 4 * k)),
  );
  const count = sizeOf(shape);
  if (bytes.length - start !== count) {
    const verdict = bytes.length - start < count ? 'it is truncated' : 'it has bytes too many';
    throw malformed(
      OP,
      source,
      `Expected ${count} bytes for shape ${showShape(shape)} in ${name}, received ${bytes.length - start}: ${verdict}`,
      {
        expected: count,
        received: bytes.length - start,
      },
    );
  }
  return { data: bytes.subarray(start), shape };
}

/**
 * Reads an IDX file of unsigned bytes (the only kind in use), gzip or not.
 *
 * @param source  a path, or the file's content.
 * @returns numbers of the asked dtype, shape as in the file: [n, rows, columns] for images, [n] for labels.
 * @throws {DomainError} no such file, wrong magic number, another element type, or too few or too many bytes.
 */
export async function readIdx(source: Source, options: IdxOptions = {}): Promise<DataArray> {
  const { data: bytes, shape } = await readIdxBytes(source);
  const { dtype = 'float32', scale = 1 } = options;
  if (dtype === 'int32' || dtype === 'uint32') {
    return { data: dtype === 'int32' ? Int32Array.from(bytes) : Uint32Array.from(bytes), shape, dtype };
  }
  const data = allocate(dtype, bytes.length);
  await scaleBytes(bytes, scale, data);
  return { data, shape, dtype };
}

/** `target[k] = scale * bytes[k]`, with a turn of the event loop every quarter of a million. */
export async function scaleBytes(bytes: Uint8Array, scale: number, target: Float32Array | Float64Array): Promise<void> {
  const step = 1 << 18;
  for (let start = 0; start < bytes.length; start += step) {
    const end = Math.min(start + step, bytes.length);
    for (let k = start; k < end; k++) target[k] = scale * bytes[k];
    await breathe();
  }
}
