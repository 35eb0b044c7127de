import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readLibsvm } from '../../lib/data/index.js';
import { failureOf, text } from './helpers.js';

const sample = text('# two features of three\n+1 1:0.5 3:-2\n\n-1 2:1e1 # the second\r\n-1\n');

describe('readLibsvm', () => {
  it('reads a dense matrix', async () => {
    expect(await readLibsvm(sample)).toEqual({
      data: Float32Array.of(0.5, 0, -2, 0, 10, 0, 0, 0, 0),
      shape: [3, 3],
      dtype: 'float32',
      labels: { data: Float32Array.of(1, -1, -1), shape: [3], dtype: 'float32' },
    });
  });

  it('reads compressed rows', async () => {
    expect(await readLibsvm(sample, { format: 'csr', features: 5, dtype: 'float64' })).toEqual({
      values: Float64Array.of(0.5, -2, 10),
      indices: Int32Array.of(0, 2, 1),
      offsets: Int32Array.of(0, 2, 3, 3),
      shape: [3, 5],
      dtype: 'float64',
      labels: { data: Float64Array.of(1, -1, -1), shape: [3], dtype: 'float64' },
    });
  });

  it('counts from zero when told, and unpacks gzip', async () => {
    const { data, shape } = await readLibsvm(gzipSync('2.5 0:1 1:2\n'), { zeroBased: true });
    expect([Array.from(data), shape]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  it('reads lines that lie across the pieces of a large file', async () => {
    const rows = 20_000;
    const { data, shape, labels } = await readLibsvm(
      text(Array.from({ length: rows }, (_, k) => `${k % 2} 1:${k} 2:0.5`).join('\n')),
    );
    expect(shape).toEqual([rows, 2]);
    for (let k = 0; k < rows; k++) {
      if (data[2 * k] !== k || data[2 * k + 1] !== 0.5 || labels.data[k] !== k % 2) throw new Error(`row ${k}`);
    }
  });

  it.each([
    ['a label that is no number', 'x 1:1\n', /finite float32 label at line 1 .*"x"/, { line: 1, column: 0 }],
    ['a NaN label', 'nan 1:1\n', /label .*"nan"/, { line: 1, column: 0 }],
    ['a pair without colon', '1 1:1\n1 5\n', /index:value .* at line 2 .*"5"/, { line: 2, column: 1 }],
    ['a NaN value', '1 1:1 2:nan\n', /index:value .*"2:nan"/, { line: 1, column: 2 }],
    ['a missing value', '1 1:\n', /index:value .*"1:"/, { line: 1, column: 1 }],
    ['a fractional index', '1 1.5:2\n', /index:value .*"1.5:2"/, { line: 1, column: 1 }],
    ['index 0', '1 0:2\n', /index from 1 to .*"0:2"/, { line: 1, column: 1 }],
    ['descending indices', '1 2:1 1:1\n', /index above 2 .*"1:1"/, { line: 1, column: 2 }],
    ['a repeated index', '1 2:1 2:1\n', /index above 2/, { line: 1, column: 2 }],
    ['a query number', '1 qid:3 1:1\n', /index:value .*"qid:3"/, { line: 1, column: 1 }],
  ])('refuses %s and says where', async (_, content, message, details) => {
    const error = await failureOf(readLibsvm(text(content)));
    expect(error.code).toBe('ERR_DOMAIN');
    expect(error.message).toMatch(message);
    expect(error.details).toMatchObject(details);
  });

  it('refuses an index beyond `features`, and empty input', async () => {
    expect((await failureOf(readLibsvm(text('1 4:1\n'), { features: 3 }))).message).toMatch(/index from 1 to 3/);
    expect((await failureOf(readLibsvm(text('# nothing\n')))).message).toMatch(/at least one example/);
    expect((await failureOf(readLibsvm('/missing.svm'))).message).toMatch(/no such file/);
  });
});
