import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readCsv } from '../../lib/data/index.js';
import { failureOf, scratchFolder, text } from './helpers.js';

const folder = scratchFolder();

describe('readCsv', () => {
  it('reads numbers without a header', async () => {
    const table = await readCsv(text('1,2.5\n-3e1,.25\n'));
    expect(table).toEqual({
      data: Float32Array.of(1, 2.5, -30, 0.25),
      shape: [2, 2],
      dtype: 'float32',
      columns: ['column1', 'column2'],
    });
  });

  it('takes the first row as header when none of its cells is a number, or when told', async () => {
    expect((await readCsv(text('a,b\n1,2\n'))).columns).toEqual(['a', 'b']);
    const told = await readCsv(text('2020,2021\n1,2\n'), { header: true });
    expect([told.columns, told.shape]).toEqual([
      ['2020', '2021'],
      [1, 2],
    ]);
  });

  it('drops spaces, empty lines, a byte order mark, quotes and carriage returns', async () => {
    const { data, columns } = await readCsv(text('\ufeffage, "size, cm"\r\n\r\n 1 ,"2"\r\n3,4'));
    expect([Array.from(data), columns]).toEqual([
      [1, 2, 3, 4],
      ['age', 'size, cm'],
    ]);
  });

  it('separates a label column by name, by index and from the end', async () => {
    const csv = text('kind,x,y\n7,1,2\n9,3,4\n');
    for (const label of ['kind', 0, -3]) {
      const { data, columns, labels, classes } = await readCsv(csv, { label });
      expect([Array.from(data), columns, classes]).toEqual([[1, 2, 3, 4], ['x', 'y'], undefined]);
      expect(labels).toEqual({ data: Float32Array.of(7, 9), shape: [2], dtype: 'float32' });
    }
  });

  it('turns labels that are names into indices of sorted classes', async () => {
    const table = await readCsv(text('1,versicolor\n2,setosa\n3,versicolor\n'), { label: -1 });
    expect(table.classes).toEqual(['setosa', 'versicolor']);
    expect(table.labels).toEqual({ data: Int32Array.of(1, 0, 1), shape: [3], dtype: 'int32' });
  });

  it('keeps float64 exactly', async () => {
    const { data, dtype } = await readCsv(text('0.1,1e300\n'), { dtype: 'float64' });
    expect([dtype, Array.from(data)]).toEqual(['float64', [0.1, 1e300]]);
  });

  it('reads files, gzip, and tabs by the ending .tsv', async () => {
    writeFileSync(join(folder, 'plain.csv'), '1,2\n');
    writeFileSync(join(folder, 'packed.csv.gz'), gzipSync('1,2\n'));
    writeFileSync(join(folder, 'tabs.tsv'), '1\t2\n');
    for (const name of ['plain.csv', 'packed.csv.gz', 'tabs.tsv']) {
      expect(Array.from((await readCsv(join(folder, name))).data)).toEqual([1, 2]);
    }
    expect(Array.from((await readCsv(text('1;2\n'), { delimiter: ';' })).data)).toEqual([1, 2]);
  });

  it('returns what was written, for any table of doubles', async () => {
    const tables = fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 40 })).chain(([columns, rows]) =>
      fc.array(
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: columns, maxLength: columns }),
        {
          minLength: rows,
          maxLength: rows,
        },
      ),
    );
    await fc.assert(
      fc.asyncProperty(tables, async (rows) => {
        const csv = rows.map((row) => row.join()).join('\n');
        const table = await readCsv(text(csv), { dtype: 'float64' });
        expect(table.shape).toEqual([rows.length, rows[0].length]);
        // Text has no negative zero.
        expect(Array.from(table.data)).toEqual(rows.flat().map((value) => value + 0));
      }),
      { numRuns: 50 },
    );
  });

  it('lets the event loop turn while it reads a large table', async () => {
    const csv = text('1,2,3,4,5,6,7,8,9,10\n'.repeat(100_000));
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const { shape } = await readCsv(csv);
    clearInterval(timer);
    expect(shape).toEqual([100_000, 10]);
    expect(turns).toBeGreaterThan(10);
  });

  it.each([
    [
      'a ragged row',
      '1,2\n3,4\n5\n',
      /Expected 2 cells at line 3 of the buffer, as in the first row, received 1/,
      { line: 3 },
    ],
    ['a long row', 'a,b\n1,2,3\n', /Expected 2 cells at line 2 .*received 3/, { line: 2 }],
    [
      'a word',
      'a,b\n1,2\n\n3,x\n',
      /finite float32 number at line 4, column 2 \(b\) .*received "x"/,
      { line: 4, column: 'b', received: 'x' },
    ],
    [
      'NaN',
      '1,2\nNaN,4\n',
      /line 2, column 1 \(column1\) .*received "NaN"/,
      { line: 2, column: 'column1', received: 'NaN' },
    ],
    ['infinity', '1\n-Infinity\n', /line 2.*"-Infinity"/, { line: 2, column: 'column1', received: '-Infinity' }],
    ['an empty cell', '1,2\n3,\n', /line 2, column 2 .*received ""/, { line: 2, column: 'column2', received: '' }],
    ['a hexadecimal number', '1\n0x10\n', /received "0x10"/, { line: 2, column: 'column1', received: '0x10' }],
    [
      'overflow of float32',
      '1e39\n',
      /finite float32 number .*"1e39"/,
      { line: 1, column: 'column1', received: '1e39' },
    ],
    ['an open quote', '1,"2\n3,4\n', /well-formed CSV .*Quote Not Closed/, { line: 2 }],
  ])('refuses %s and says where', async (_, csv, message, details) => {
    const error = await failureOf(readCsv(text(csv)));
    expect(error.code).toBe('ERR_DOMAIN');
    expect(error.message).toMatch(message);
    expect(error.details).toMatchObject(details);
  });

  it('refuses labels that are missing or not finite, and columns that are not there', async () => {
    expect((await failureOf(readCsv(text('1,a\n2,\n'), { label: -1 }))).message).toMatch(/a label at line 2, column 2/);
    expect((await failureOf(readCsv(text('1,2\n2,nan\n'), { label: -1 }))).message).toMatch(
      /class names, received nan/,
    );
    expect((await failureOf(readCsv(text('x,y\n2,3\n'), { label: 'z' }))).message).toMatch(
      /Expected the label to be one of the 2 columns, received "z". Hint: the columns are x, y/,
    );
    expect((await failureOf(readCsv(text('1,2\n'), { label: 2 }))).message).toMatch(/received 2/);
  });

  it('refuses empty input, a header without rows, a missing file, a folder, and broken gzip', async () => {
    expect((await failureOf(readCsv(text('')))).message).toMatch(/at least one row/);
    expect((await failureOf(readCsv(text('a,b\n')))).message).toMatch(/at least one row/);
    const missing = await failureOf(readCsv(join(folder, 'missing.csv')));
    expect(missing.message).toMatch(/Expected a readable file at .*missing.csv, received: no such file/);
    expect(missing.details).toEqual({ path: join(folder, 'missing.csv') });
    expect((await failureOf(readCsv(folder))).message).toMatch(/received: a directory/);
    const packed = gzipSync('1,2\n'.repeat(1000));
    expect((await failureOf(readCsv(packed.subarray(0, packed.length - 9)))).message).toMatch(/intact gzip/);
    expect((await failureOf(readCsv(Buffer.concat([packed.subarray(0, 12), Buffer.alloc(9, 255)])))).message).toMatch(
      /intact gzip/,
    );
  });
});
