import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type DataArray, readSafetensors, writeSafetensors } from '../../lib/data/index.js';
import { failureOf, fixture, scratchFolder } from './helpers.js';

const folder = scratchFolder();

const reference: Readonly<Record<string, DataArray>> = {
  weight: { data: Float32Array.of(-0.5, -0.25, 0, 0.25, 0.5, 0.75), shape: [2, 3], dtype: 'float32' },
  bias: { data: Float64Array.of(1.5, -2), shape: [2], dtype: 'float64' },
  count: { data: Int32Array.of(7), shape: [], dtype: 'int32' },
  mask: { data: Uint8Array.of(1, 0, 1), shape: [3], dtype: 'bool' },
  ids: { data: Uint32Array.of(1, 2 ** 32 - 1), shape: [2, 1], dtype: 'uint32' },
};

/** A file with this header and this many bytes of zeros after it. */
function file(header: unknown, dataBytes: number): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([prefix, json, Buffer.alloc(dataBytes)]);
}

const f32 = (shape: unknown, offsets: unknown) => ({ dtype: 'F32', shape, data_offsets: offsets });

describe('safetensors', () => {
  it('reads what the reference implementation wrote', async () => {
    const { tensors, metadata } = await readSafetensors(fixture('reference.safetensors'));
    expect(Object.fromEntries(tensors)).toEqual(reference);
    expect(metadata).toEqual({ format: 'cotangent', note: 'é' });
  });

  it('reads back what it wrote, whatever the names', async () => {
    const path = join(folder, 'model.safetensors');
    const empty: DataArray = { data: new Float32Array(0), shape: [0, 4], dtype: 'float32' };
    const tensors = new Map([
      ...Object.entries(reference),
      ['__proto__', reference.bias],
      ['é "q"', reference.mask],
      ['', empty],
    ]);
    await writeSafetensors(path, tensors as Map<string, DataArray>, { kind: 'test' });
    const read = await readSafetensors(path);
    expect(read.metadata).toEqual({ kind: 'test' });
    expect(new Map([...read.tensors].sort())).toEqual(new Map([...(tensors as Map<string, DataArray>)].sort()));
    expect(await readSafetensors(readFileSync(path))).toEqual(read);
  });

  it('starts the data, and every array in it, at a multiple of the element size', async () => {
    const path = join(folder, 'aligned.safetensors');
    await writeSafetensors(path, reference);
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE());
    expect(length % 8).toBe(0);
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
    for (const { dtype, data_offsets: offsets } of Object.values<{ dtype: string; data_offsets: number[] }>(header)) {
      const size = { F64: 8, BOOL: 1 }[dtype] ?? 4;
      expect(offsets[0] % size).toBe(0);
    }
  });

  it('replaces a file only when the new one is complete', async () => {
    const path = join(folder, 'kept.safetensors');
    await writeSafetensors(path, reference);
    const before = readFileSync(path);
    const wrong: DataArray = { data: new Float32Array(3), shape: [2], dtype: 'float32' };
    expect((await failureOf(writeSafetensors(path, { wrong }))).code).toBe('ERR_SHAPE');
    expect((await failureOf(writeSafetensors(path, { __metadata__: reference.bias }))).message).toMatch(/__metadata__/);
    expect(readFileSync(path).equals(before)).toBe(true);
    const missing = join(folder, 'none', 'x.safetensors');
    expect((await failureOf(writeSafetensors(missing, reference))).message).toMatch(/writable file/);
    expect(existsSync(missing)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /at least 8 bytes .*received 0/],
    [
      'a header longer than the file',
      file('{}', 0).map((byte, k) => (k === 1 ? 1 : byte)),
      /header of at most 2 bytes .*258.*truncated, or not safetensors/,
    ],
    ['an absurd header length', new Uint8Array(16).fill(255), /header of at most 8 bytes/],
    ['no JSON', file('{"x":', 0), /JSON header/],
    [
      'text that is not UTF-8',
      Buffer.concat([file('{"', 0), Buffer.of(0xff)]).map((byte, k) => (k === 0 ? 3 : byte)),
      /JSON header/,
    ],
    ['a list', file([], 0), /JSON object/],
    ['an entry that is no object', file({ x: 1 }, 0), /dtype, shape and data_offsets for tensor "x".*received 1/],
    ['no dtype', file({ x: { shape: [1], data_offsets: [0, 4] } }, 4), /Expected a dtype for tensor "x"/],
    ['a negative dimension', file({ x: f32([-1], [0, 4]) }, 4), /shape .*received \[-1\]/],
    ['rank 9', file({ x: f32([1, 1, 1, 1, 1, 1, 1, 1, 1], [0, 4]) }, 4), /at most 8/],
    ['offsets that do not fit the shape', file({ x: f32([2], [0, 4]) }, 4), /data_offsets 8 bytes apart for F32 \[2\]/],
    ['descending offsets', file({ x: f32([1], [4, 0]) }, 4), /ascending data_offsets/],
    ['one offset', file({ x: f32([1], [0]) }, 4), /ascending data_offsets/],
    [
      'overlapping tensors',
      file({ x: f32([2], [0, 8]), y: f32([1], [4, 8]) }, 8),
      /tensor "y" .*at offset 8, received 4: it overlaps/,
    ],
    [
      'a hole',
      file({ x: f32([1], [0, 4]), y: f32([1], [8, 12]) }, 12),
      /tensor "y" .*at offset 4, received 8: there is a hole/,
    ],
    [
      'a tensor named twice',
      file(
        '{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
        8,
      ),
      /hole/,
    ],
    ['data cut short', file({ x: f32([2], [0, 8]) }, 7), /Expected 8 bytes of data .*received 7: it is truncated/],
    ['bytes after the data', file({ x: f32([2], [0, 8]) }, 9), /received 9: it has bytes too many/],
    ['metadata that is not text', file({ __metadata__: { n: 1 } }, 0), /strings in __metadata__/],
  ])('refuses %s', async (_, bytes, message) => {
    const error = await failureOf(readSafetensors(bytes));
    expect(error.code).toBe('ERR_DOMAIN');
    expect(error.message).toMatch(message);
  });

  it('refuses other dtypes, bad bools and missing files', async () => {
    const half = await failureOf(readSafetensors(fixture('half.safetensors')));
    expect([half.code, half.message]).toEqual(['ERR_DTYPE', expect.stringMatching(/F32, F64, .*"half".*received F16/)]);
    const bools = file({ x: { dtype: 'BOOL', shape: [2], data_offsets: [0, 2] } }, 2);
    bools[bools.length - 1] = 9;
    expect((await failureOf(readSafetensors(bools))).message).toMatch(/bools .*tensor "x", received 9/);
    const path = join(folder, 'short.safetensors');
    writeFileSync(path, file({ x: f32([2], [0, 8]) }, 3));
    const short = await failureOf(readSafetensors(path));
    expect([short.message, short.details]).toEqual([expect.stringMatching(/received 3: it is truncated/), { path }]);
    expect((await failureOf(readSafetensors(join(folder, 'none.safetensors')))).message).toMatch(/no such file/);
  });
});
