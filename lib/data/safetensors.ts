/**
 * The safetensors format: eight bytes with the header's length, a JSON header, then the raw little-endian data.
 *
 * Own reader and writer: no maintained npm package does this for Node.
 */
import { open, rename, rm } from 'node:fs/promises';
import { type DType, dtypeSize, viewOf } from '../core/dtype.js';
import { DTypeError } from '../core/errors.js';
import { MAX_RANK, type Shape, showShape, sizeOf } from '../core/types.js';
import { type DataArray, dataArray } from './data-array.js';
import { checkBools, fileFailure, malformed, RandomAccess, type Source, sourceName } from './internal/source.js';

/** Named arrays with free-form notes. */
export interface Safetensors {
  readonly tensors: ReadonlyMap<string, DataArray>;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly begin: number;
  readonly end: number;
}

const READ = 'readSafetensors';
const WRITE = 'writeSafetensors';
/** The format's own limit, against headers made to exhaust memory. */
const MAX_HEADER = 100_000_000;

const names: Readonly<Record<DType, string>> = {
  float32: 'F32',
  float64: 'F64',
  int32: 'I32',
  uint32: 'U32',
  bool: 'BOOL',
};
const dtypes = new Map(Object.entries(names).map(([dtype, name]) => [name, dtype as DType]));

/**
 * Reads a safetensors file; F32, F64, I32, U32 and BOOL.
 *
 * @param source  a path, or the file's content.
 * @throws {DomainError} no such file, truncated, or a malformed header: not JSON, offsets that overlap, leave holes, reach beyond
 *   the data, or do not fit dtype and shape; a bool that is neither 0 nor 1.
 * @throws {DTypeError} a tensor of another dtype (F16, BF16, I64, ...).
 */
export async function readSafetensors(source: Source): Promise<Safetensors> {
  const file = await RandomAccess.open(READ, source);
  try {
    const { entries, metadata, start } = await readHeader(file, source);
    const tensors = new Map<string, DataArray>();
    for (const { name, dtype, shape, begin, end } of entries) {
      const buffer = new ArrayBuffer(end - begin);
      await file.read(new Uint8Array(buffer), start + begin);
      const data = viewOf(dtype, buffer);
      if (data instanceof Uint8Array) await checkBools(READ, source, `tensor ${JSON.stringify(name)}`, data);
      tensors.set(name, { data, shape, dtype });
    }
    return { tensors, metadata };
  } finally {
    await file.close();
  }
}

/**
 * Writes a safetensors file. It appears under its name only when it is complete: a crash leaves the old file as it was.
 *
 * @param tensors  name to array; the order does not matter.
 * @param metadata  strings by name.
 * @throws {DomainError} the file cannot be written, or a tensor is called `__metadata__`.  {ShapeError} data and shape disagree.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, DataArray> | Readonly<Record<string, DataArray>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const list = [...(tensors instanceof Map ? tensors : Object.entries(tensors))] as [string, DataArray][];
  for (const [name, { data, shape, dtype }] of list) {
    if (name === '__metadata__')
      throw malformed(WRITE, path, 'Expected a tensor name other than __metadata__, received it');
    dataArray(data, shape, dtype);
  }
  // Wide elements first, so that each array starts at a multiple of its element size.
  list.sort(([p, a], [q, b]) => dtypeSize(b.dtype) - dtypeSize(a.dtype) || (p < q ? -1 : 1));
  const header = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) header.set('__metadata__', metadata);
  let offset = 0;
  for (const [name, { data, shape, dtype }] of list) {
    header.set(name, { dtype: names[dtype], shape, data_offsets: [offset, offset + data.byteLength] });
    offset += data.byteLength;
  }
  // Not an object: a tensor may be called `__proto__`.
  const json = [...header].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join();
  const text = Buffer.from(`{${json}}`);
  const head = Buffer.alloc(8 + 8 * Math.ceil(text.length / 8), ' ');
  head.writeBigUInt64LE(BigInt(head.length - 8));
  text.copy(head, 8);

  const draft = `${path}.${process.pid}.partial`;
  try {
    const file = await open(draft, 'w');
    try {
      await file.writeFile(head);
      for (const [, { data }] of list) await file.writeFile(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    throw fileFailure(WRITE, 'writable', path, cause);
  }
}

async function readHeader(
  file: RandomAccess,
  source: Source,
): Promise<{ entries: Entry[]; metadata: Record<string, string>; start: number }> {
  const place = sourceName(source);
  if (file.size < 8) {
    throw malformed(READ, source, `Expected at least 8 bytes in ${place}, received ${file.size}: it is truncated`);
  }
  const prefix = new Uint8Array(8);
  await file.read(prefix, 0);
  const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  if (length > MAX_HEADER || 8 + length > file.size) {
    const most = Math.min(MAX_HEADER, file.size - 8);
    throw malformed(
      READ,
      source,
      `Expected a header of at most ${most} bytes in ${place}, received a length of ${length}`,
      {
        hint: 'the file is truncated, or not safetensors',
      },
    );
  }
  const raw = new Uint8Array(length);
  await file.read(raw, 8);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw));
  } catch (cause) {
    throw malformed(READ, source, `Expected a JSON header in ${place}, received: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (!isRecord(header))
    throw malformed(
      READ,
      source,
      `Expected a JSON object as the header of ${place}, received ${JSON.stringify(header)}`,
    );
  const entries: Entry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') metadata = checkMetadata(value, source);
    else entries.push(checkEntry(name, value, source));
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let reached = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== reached) {
      const fault = begin < reached ? 'it overlaps its predecessor' : 'there is a hole before it';
      throw malformed(
        READ,
        source,
        `Expected tensor ${JSON.stringify(name)} of ${place} at offset ${reached}, received ${begin}: ${fault}`,
        {
          tensor: name,
        },
      );
    }
    reached = end;
  }
  const available = file.size - 8 - length;
  if (available !== reached) {
    const verdict = available < reached ? 'it is truncated' : 'it has bytes too many';
    throw malformed(READ, source, `Expected ${reached} bytes of data in ${place}, received ${available}: ${verdict}`);
  }
  return { entries, metadata, start: 8 + length };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkMetadata(value: unknown, source: Source): Record<string, string> {
  if (isRecord(value) && Object.values(value).every((text) => typeof text === 'string'))
    return value as Record<string, string>;
  throw malformed(
    READ,
    source,
    `Expected strings in __metadata__ of ${sourceName(source)}, received ${JSON.stringify(value)}`,
  );
}

function checkEntry(name: string, value: unknown, source: Source): Entry {
  const what = `tensor ${JSON.stringify(name)} of ${sourceName(source)}`;
  const fail = (expected: string, received: unknown) =>
    malformed(READ, source, `Expected ${expected} for ${what}, received ${JSON.stringify(received)}`, { tensor: name });
  if (!isRecord(value)) throw fail('dtype, shape and data_offsets', value);
  const { dtype: code, shape, data_offsets: offsets } = value;
  const dtype = dtypes.get(code as string);
  if (dtype === undefined) {
    if (typeof code !== 'string') throw fail('a dtype', code);
    throw new DTypeError(
      READ,
      `Expected a dtype out of ${[...dtypes.keys()].join(', ')} for ${what}, received ${code}`,
      {
        details: { path: sourceName(source), tensor: name },
      },
    );
  }
  if (!isIndexList(shape) || shape.length > MAX_RANK)
    throw fail(`a shape of at most ${MAX_RANK} whole numbers >= 0`, shape);
  if (!isIndexList(offsets) || offsets.length !== 2 || offsets[0] > offsets[1])
    throw fail('ascending data_offsets', offsets);
  const bytes = sizeOf(shape) * dtypeSize(dtype);
  if (offsets[1] - offsets[0] !== bytes)
    throw fail(`data_offsets ${bytes} bytes apart for ${code} ${showShape(shape)}`, offsets);
  return { name, dtype, shape, begin: offsets[0], end: offsets[1] };
}

function isIndexList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && entry >= 0);
}
