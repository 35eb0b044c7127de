/** NPZ, Parquet and Arrow: files that NumPy and Arrow have written (fixtures/generate-tables.py), and what is refused. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Decimal, Float16, makeData, Table, tableToIPC, Vector, vectorFromArray } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { dataArray, parquetBlocks, readArrow, readNpz, readParquet, writeNpz } from '../../lib/data/index.js';
import { optionalPackage } from '../../lib/data/internal/optional.js';
import { failureOf, fixture, scratchFolder } from './helpers.js';

const folder = scratchFolder();

describe('npz', () => {
  it('reads what NumPy has stored, from a path and from bytes', async () => {
    for (const source of [fixture('stored.npz'), readFileSync(fixture('stored.npz'))]) {
      const arrays = await readNpz(source);
      expect([...arrays.keys()]).toEqual(['weight', 'bias', 'count']);
      expect(arrays.get('weight')).toEqual(dataArray(Float32Array.of(-0.5, -0.25, 0, 0.25, 0.5, 0.75), [2, 3]));
      expect(arrays.get('bias')).toEqual(dataArray(Float64Array.of(1.5, -2), [2]));
      expect(arrays.get('count')).toEqual(dataArray(Int32Array.of(7), []));
    }
  });

  it('reads from a URL, whatever its characters', async () => {
    const path = join(folder, 'a b%20ü.npz');
    writeFileSync(path, readFileSync(fixture('stored.npz')));
    expect([...(await readNpz(pathToFileURL(path))).keys()]).toEqual(['weight', 'bias', 'count']);
  });

  it('reads deflated members', async () => {
    const arrays = await readNpz(fixture('deflated.npz'));
    expect(arrays.get('weight')?.shape).toEqual([40, 50]);
    expect(arrays.get('weight')?.data.every((value) => value === 0)).toBe(true);
    expect(arrays.get('mask')).toEqual(dataArray(Uint8Array.of(1, 0), [2], 'bool'));
  });

  it.each([true, false])('writes what it reads (compress: %s), the same bytes each time', async (compress) => {
    const arrays = {
      a: dataArray(
        Float64Array.from({ length: 1000 }, (_, k) => k % 7),
        [10, 100],
      ),
      'b.c': dataArray(Uint32Array.of(2 ** 32 - 1), [1]),
      empty: dataArray(new Float32Array(0), [0, 3]),
    };
    const [path, again] = [join(folder, `${compress}.npz`), join(folder, `${compress}-again.npz`)];
    await writeNpz(path, arrays, { compress });
    await writeNpz(again, new Map(Object.entries(arrays)), { compress });
    expect(Object.fromEntries(await readNpz(path))).toEqual(arrays);
    expect(readFileSync(again).equals(readFileSync(path))).toBe(true);
    expect(readFileSync(path).length < 8000).toBe(compress);
  });

  it('refuses what is not an intact archive of .npy files, and names the member', async () => {
    const bytes = readFileSync(fixture('stored.npz'));
    const half = await failureOf(readNpz(fixture('half.npz')));
    expect(half.message).toMatch(/\[readNpz\] Expected an intact .npz archive at half.npy of .*received .*<f2/);
    expect(half.details).toMatchObject({ path: fixture('half.npz'), member: 'half.npy' });
    expect((await failureOf(readNpz(bytes.subarray(0, bytes.length - 30)))).code).toBe('ERR_DOMAIN');
    expect((await failureOf(readNpz(Buffer.from('not a zip archive, but long enough')))).code).toBe('ERR_DOMAIN');
    const missing = await failureOf(readNpz(join(folder, 'none.npz')));
    expect(missing.message).toMatch(/Expected a readable file at .*received: no such file or folder/);
    // One bit of the data of the first member: the checksum tells.
    const flipped = Buffer.from(bytes);
    flipped[flipped.indexOf('NUMPY') + 128] ^= 1;
    expect((await failureOf(readNpz(flipped))).details).toMatchObject({ member: 'weight.npy' });
    expect(
      (await failureOf(writeNpz(join(folder, 'x.npz'), { '../x': dataArray(Float32Array.of(1), [1]) }))).message,
    ).toMatch(/names without slashes, received "..\/x"/);
    expect((await failureOf(writeNpz(join(folder, 'no', 'x.npz'), {}))).message).toMatch(/writable file/);
  });
});

const expected = {
  data: Float64Array.of(31, 1.8, 1, 29, 1.55, 0, 50, 1.7, 1, 44, 1.62, 1, 8, 1.2, 0),
  shape: [5, 3],
  dtype: 'float64',
  columns: ['age', 'height', 'member'],
};
const options = { columns: expected.columns, label: 'target', dtype: 'float64' } as const;

describe.each([
  ['readParquet', readParquet, 'people.parquet'],
  ['readArrow', readArrow, 'people.arrow'],
  ['readArrow', readArrow, 'people.arrows'],
] as const)('%s of %s', (op, read, file) => {
  it(`reads ${file}: numbers, integers, bools, labels`, async () => {
    for (const source of [fixture(file), readFileSync(fixture(file))]) {
      const { labels, ...table } = await read(source, options);
      expect(table).toEqual(expected);
      expect(labels).toEqual(dataArray(Float64Array.of(0.5, 1, -2, 3, 4), [5]));
    }
  });

  it('makes classes of names', async () => {
    const { labels, classes } = await read(fixture(file), { columns: ['age'], label: 'species' });
    expect(classes).toEqual(['a', 'b', 'c']);
    expect(labels).toEqual(dataArray(Int32Array.of(1, 0, 1, 2, 0), [5]));
  });

  it('refuses unknown columns, text as features, and files of another kind', async () => {
    const unknown = await failureOf(read(fixture(file), { columns: ['weight'] }));
    expect(unknown.message).toMatch(/Expected a column 'weight' in .* Hint: the columns are age, height, member/);
    const words = await failureOf(read(fixture(file)));
    expect(words.message).toMatch(
      new RegExp(`\\[${op}\\] Expected a finite float32 number at row 1, column species .*received "b"`),
    );
    expect(words.details).toMatchObject({ row: 1, column: 'species' });
    const path = join(folder, 'other.bin');
    writeFileSync(path, 'name,age\nthis is a table of another kind\n');
    expect((await failureOf(read(path))).code).toBe('ERR_DOMAIN');
    expect((await failureOf(read(join(folder, 'none')))).message).toMatch(/no such file or folder/);
    const bytes = readFileSync(fixture(file));
    expect((await failureOf(read(bytes.subarray(0, bytes.length >> 1)))).code).toBe('ERR_DOMAIN');
  });
});

describe('columnar files', () => {
  it('name the row of a missing value', async () => {
    for (const failing of [readParquet(fixture('missing.parquet')), readArrow(fixture('missing.arrow'))]) {
      const { message, details } = await failureOf(failing);
      expect(message).toMatch(/at row 2, column a of .*received (null|undefined)/);
      expect(details).toMatchObject({ row: 2, column: 'a' });
    }
  });

  it('read half precision as the numbers that it stands for', async () => {
    const halves = [0.5, -2, 65504, 2 ** -24, 0];
    const bytes = tableToIPC(new Table({ half: vectorFromArray(halves, new Float16()) }));
    expect(await readArrow(bytes)).toMatchObject({ data: Float32Array.from(halves), shape: [5, 1] });
    const labelled = new Table({
      half: vectorFromArray(halves, new Float16()),
      y: vectorFromArray(halves, new Float16()),
    });
    const { labels } = await readArrow(tableToIPC(labelled), { label: 'y', dtype: 'float64' });
    expect(labels).toEqual(dataArray(Float64Array.from(halves), [5]));
  });

  it('refuse decimals instead of reading the words that they are stored in', async () => {
    const words = Uint32Array.of(125, 0, 0, 0, 250, 0, 0, 0);
    const type = new Decimal(2, 10, 128);
    const table = new Table({ price: new Vector([makeData({ type, length: 2, nullCount: 0, data: words })]) });
    for (const options of [{}, { label: 'price', columns: [] }]) {
      const { message, code, details } = await failureOf(readArrow(tableToIPC(table), options));
      expect(code).toBe('ERR_DOMAIN');
      expect(message).toMatch(/Expected a finite float32 number at row 1, column price/);
      expect(details).toMatchObject({ row: 1, column: 'price' });
    }
  });

  it('in blocks count the rows of errors from the start of the file', async () => {
    // Row groups of two rows; the fourth row has no number.
    for (const options of [{ columns: ['a'] }, { columns: ['b'], label: 'a' }]) {
      const seen: number[] = [];
      const reading = (async () => {
        for await (const { x } of parquetBlocks(fixture('late.parquet'), options)) seen.push(x.shape[0] as number);
      })();
      const { op, message, details } = await failureOf(reading);
      expect(op).toBe('parquetBlocks');
      expect(seen).toEqual([2]);
      expect(message).toMatch(/at row 4, column a /);
      expect(details).toMatchObject({ row: 4, column: 'a' });
    }
  });

  it('say what they cannot unpack', async () => {
    expect((await failureOf(readParquet(fixture('zstd.parquet')))).message).toMatch(/Hint: .*hyparquet-compressors/);
    expect((await failureOf(readArrow(fixture('lz4.arrow')))).code).toBe('ERR_DOMAIN');
    expect((await failureOf(readParquet(fixture('nested.parquet')))).message).toMatch(/flat columns .*nested column a/);
  });

  it('name the package that is missing', async () => {
    const absent = 'cotangent-package-that-is-not-there';
    const { message, details, code } = await failureOf(optionalPackage('readX', absent, () => import(absent)));
    expect(code).toBe('ERR_DOMAIN');
    expect(message).toBe(
      `[readX] Expected the package ${absent} to be installed, received none. Hint: npm install ${absent}.`,
    );
    expect(details).toEqual({ package: absent });
  });

  it('come in row groups', async () => {
    const blocks = [];
    for await (const block of parquetBlocks(fixture('people.parquet'), options)) blocks.push(block);
    expect(blocks.map(({ x }) => x.shape)).toEqual([
      [2, 3],
      [2, 3],
      [1, 3],
    ]);
    expect(blocks.flatMap(({ x }) => [...x.data])).toEqual([...expected.data]);
    expect(blocks.flatMap(({ y }) => [...(y?.data ?? [])])).toEqual([0.5, 1, -2, 3, 4]);
    const names = parquetBlocks(fixture('people.parquet'), { columns: ['age'], label: 'species' });
    await expect(names.next()).rejects.toThrow(/numeric labels/);
  });
});
