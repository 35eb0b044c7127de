import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DataArray, readNpy, writeNpy } from '../../lib/data/index.js';
import { failureOf, fixture, scratchFolder } from './helpers.js';

const folder = scratchFolder();
const quarters = [-0.5, -0.25, 0, 0.25, 0.5, 0.75];

describe('readNpy of files that NumPy wrote', () => {
  it.each<[string, DataArray]>([
    ['f4', { data: Float32Array.from(quarters), shape: [2, 3], dtype: 'float32' }],
    ['f8', { data: Float64Array.from(quarters), shape: [2, 3], dtype: 'float64' }],
    ['i4', { data: Int32Array.of(-2, -1, 0, 1, 2, 3), shape: [3, 2], dtype: 'int32' }],
    ['u4', { data: Uint32Array.of(0, 1, 2 ** 32 - 1), shape: [3], dtype: 'uint32' }],
    ['b1', { data: Uint8Array.of(1, 0, 0, 1), shape: [2, 2], dtype: 'bool' }],
    ['i8', { data: Int32Array.of(-(2 ** 31), 7, 2 ** 31 - 1), shape: [3], dtype: 'int32' }],
    ['u1', { data: Int32Array.of(0, 255), shape: [2], dtype: 'int32' }],
    ['fortran', { data: Float32Array.from({ length: 24 }, (_, k) => k), shape: [2, 3, 4], dtype: 'float32' }],
    ['scalar', { data: Float64Array.of(2.5), shape: [], dtype: 'float64' }],
    ['empty', { data: new Float32Array(0), shape: [0, 3], dtype: 'float32' }],
    ['version2', { data: Float64Array.from(quarters), shape: [2, 3], dtype: 'float64' }],
  ])('%s', async (name, expected) => {
    const path = fixture(`${name}.npy`);
    expect(await readNpy(path)).toEqual(expected);
    // From memory, at an odd address.
    const shifted = Buffer.concat([Buffer.alloc(1), readFileSync(path)]).subarray(1);
    expect(await readNpy(shifted)).toEqual(expected);
  });

  it.each([
    ['f2', /dtype out of <f4, .* received <f2. Hint: save it with/],
    ['big-endian', /received >f4/],
    ['structured', /received \[\('a', '<f4'\), \('b', '<i4'\)\]/],
    ['i8-wide', /elements that fit int32 .*received 2147483648/],
  ])('refuses %s', async (name, message) => {
    expect((await failureOf(readNpy(fixture(`${name}.npy`)))).message).toMatch(message);
  });
});

describe('writeNpy', () => {
  it('writes what NumPy writes, byte for byte', async () => {
    for (const name of ['f4', 'f8', 'i4', 'u4', 'b1', 'scalar', 'empty']) {
      const path = join(folder, `${name}.npy`);
      await writeNpy(path, await readNpy(fixture(`${name}.npy`)));
      expect(readFileSync(path).equals(readFileSync(fixture(`${name}.npy`))), name).toBe(true);
    }
  });

  it('is undone by readNpy, NaN and infinities included', async () => {
    const path = join(folder, 'round-trip.npy');
    await fc.assert(
      fc.asyncProperty(fc.float64Array({ maxLength: 40 }), async (data) => {
        const array: DataArray = { data, shape: [data.length], dtype: 'float64' };
        await writeNpy(path, array);
        expect(await readNpy(path)).toEqual(array);
      }),
      { numRuns: 30 },
    );
  });

  it('refuses a path in a folder that does not exist', async () => {
    const array: DataArray = { data: new Float32Array(1), shape: [1], dtype: 'float32' };
    expect((await failureOf(writeNpy(join(folder, 'none/x.npy'), array))).message).toMatch(
      /writable file at .*no such file/,
    );
  });
});

describe('readNpy of damaged files', () => {
  const intact = readFileSync(fixture('f4.npy'));
  const replaced = (from: string, to: string) => Buffer.from(intact.toString('latin1').replace(from, to), 'latin1');

  it.each([
    ['truncated data', intact.subarray(0, -1), /Expected 152 bytes for shape \[2, 3\] .*received 151: it is truncated/],
    ['a byte too many', Buffer.concat([intact, Buffer.alloc(1)]), /received 153: it has bytes too many/],
    ['a truncated header', intact.subarray(0, 60), /header of 118 bytes .*received 50: it is truncated/],
    ['a wrong magic string', replaced('NUMPY', 'NUMPI'), /magic string of .npy/],
    ['nothing', Buffer.alloc(0), /magic string .*0 bytes/],
    [
      'version 9',
      Buffer.concat([intact.subarray(0, 6), Buffer.of(9, 0), intact.subarray(8)]),
      /version 1, 2 or 3 .*received 9/,
    ],
    ['a header without shape', replaced("'shape'", "'shop' "), /descr, fortran_order and shape/],
    ['a negative dimension', replaced('(2, 3)', '(-2,3)'), /descr, fortran_order and shape/],
    ['a dimension too long for the file', replaced('(2, 3), }', '(2, 99),}'), /Expected 920 bytes .*truncated/],
  ])('refuses %s', async (_, bytes, message) => {
    expect((await failureOf(readNpy(bytes))).message).toMatch(message);
  });

  it('refuses bools other than 0 and 1, a missing file and a folder', async () => {
    const bools = Buffer.from(readFileSync(fixture('b1.npy')));
    bools[bools.length - 1] = 2;
    expect((await failureOf(readNpy(bools))).message).toMatch(/bools \(bytes 0 or 1\) .*received 2/);
    expect((await failureOf(readNpy(join(folder, 'missing.npy')))).message).toMatch(/no such file/);
    expect((await failureOf(readNpy(folder))).message).toMatch(/a directory/);
  });
});
