/** Blocks of rows from files, batches in memory, and shuffling through a buffer. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  arrayBatches,
  csvBlocks,
  type DataArray,
  dataArray,
  npyBlocks,
  readCsv,
  readNpy,
  streamBatches,
  writeNpy,
} from '../../lib/data/index.js';
import { failureOf, fixture, scratchFolder, text } from './helpers.js';

const folder = scratchFolder();

async function collect<T>(items: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
const numbers = (blocks: readonly { x: DataArray }[]): number[] => blocks.flatMap(({ x }) => [...x.data]);

describe('csvBlocks', () => {
  const rows = Array.from({ length: 1000 }, (_, k) => `${k},${k / 4},${k % 3}`);
  const source = text(`a,b,label\n${rows.join('\n')}\n`);

  it('gives the table of readCsv in pieces', async () => {
    const whole = await readCsv(source, { label: 'label' });
    for (const size of [1, 7, 333, 1000, 5000]) {
      const blocks = await collect(csvBlocks(source, { label: 'label', rows: size }));
      expect(blocks.length).toBe(Math.ceil(1000 / size));
      expect(blocks[0].x.shape).toEqual([Math.min(size, 1000), 2]);
      expect(numbers(blocks)).toEqual([...whole.data]);
      expect(blocks.flatMap(({ y }) => [...(y?.data ?? [])])).toEqual([...(whole.labels?.data ?? [])]);
    }
  });

  it('encodes the classes it is told, and refuses others', async () => {
    const named = text('x,kind\n1,cat\n2,dog\n3,cat\n');
    const blocks = await collect(csvBlocks(named, { label: 'kind', classes: ['cat', 'dog'], rows: 2 }));
    expect(blocks.map(({ y }) => y)).toEqual([dataArray(Int32Array.of(0, 1), [2]), dataArray(Int32Array.of(0), [1])]);
    expect((await failureOf(collect(csvBlocks(named, { label: 'kind' })))).message).toMatch(
      /labels that are numbers .*classes/,
    );
    const unknown = await failureOf(collect(csvBlocks(named, { label: 'kind', classes: ['cat'] })));
    expect(unknown.message).toMatch(/^\[csvBlocks\] Expected labels out of cat, received dog/);
    expect(unknown.details).toMatchObject({ row: 2, column: 'kind' });
  });

  it('counts the rows of labels from the start of the file', async () => {
    const late = text('x,kind\n1,cat\n2,dog\n3,cat\n4,cow\n5,cat\n');
    const options = { label: 'kind', classes: ['cat', 'dog'], rows: 2 };
    expect((await failureOf(collect(csvBlocks(late, options)))).details).toMatchObject({ row: 4, column: 'kind' });
    const infinite = text('x,y\n1,2\n2,3\n3,inf\n');
    const { op, details } = await failureOf(collect(csvBlocks(infinite, { label: 'y', rows: 2 })));
    expect([op, details]).toMatchObject(['csvBlocks', { row: 3, column: 'y' }]);
  });

  it('fails at the place, after the blocks before it; may be left early; refuses no rows', async () => {
    const bad = text(`${rows.slice(0, 10).join('\n')}\n1,x,2\n`);
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { x } of csvBlocks(bad, { rows: 4 })) seen.push(x.shape[0]);
    })();
    expect((await failureOf(reading)).details).toMatchObject({ line: 11, column: 'column2' });
    expect(seen).toEqual([4, 4]);
    for await (const { x } of csvBlocks(source, { rows: 10 })) {
      expect(x.shape).toEqual([10, 3]);
      break;
    }
    expect((await failureOf(collect(csvBlocks(text('a,b\n'))))).message).toMatch(/at least one row/);
    expect((await failureOf(collect(csvBlocks(join(folder, 'none.csv'))))).message).toMatch(/no such file/);
    expect((await failureOf(collect(csvBlocks(source, { rows: 0 })))).message).toMatch(/rows >= 1, received 0/);
  });
});

describe('npyBlocks', () => {
  it('gives the rows of readNpy in pieces', async () => {
    const array = dataArray(
      Float32Array.from({ length: 60 }, (_, k) => k),
      [10, 2, 3],
    );
    const path = join(folder, 'x.npy');
    await writeNpy(path, array);
    for (const rows of [1, 3, 10, 11]) {
      const blocks = await collect(npyBlocks(path, { rows }));
      expect(blocks.flatMap(({ data }) => [...data])).toEqual([...array.data]);
      expect(blocks[0]).toMatchObject({ shape: [Math.min(rows, 10), 2, 3], dtype: 'float32' });
    }
    const wide = await collect(npyBlocks(fixture('i8.npy'), { rows: 2 }));
    expect(wide.flatMap(({ data }) => [...data])).toEqual([...(await readNpy(fixture('i8.npy'))).data]);
  });

  it('refuses what has no rows in order, and truncated files', async () => {
    expect((await failureOf(collect(npyBlocks(fixture('fortran.npy'))))).message).toMatch(/rows in C order/);
    expect((await failureOf(collect(npyBlocks(fixture('scalar.npy'))))).message).toMatch(/received a scalar/);
    const path = join(folder, 'short.npy');
    await writeNpy(path, dataArray(Float32Array.of(1, 2), [2]));
    writeFileSync(path, (await import('node:fs')).readFileSync(path).subarray(0, 132));
    expect((await failureOf(collect(npyBlocks(path)))).message).toMatch(/^\[npyBlocks\] .*truncated/);
  });
});

describe('streamBatches', () => {
  const blocksOf = (n: number, size: number): { x: DataArray; y: DataArray }[] => {
    const blocks = [];
    for (let at = 0; at < n; at += size) {
      const rows = Math.min(size, n - at);
      const x = Float32Array.from({ length: 2 * rows }, (_, k) => 2 * at + k);
      blocks.push({
        x: dataArray(x, [rows, 2]),
        y: dataArray(
          Int32Array.from({ length: rows }, (_, k) => at + k),
          [rows],
        ),
      });
    }
    return blocks;
  };

  it('gives every row once, whole, for any sizes', async () => {
    const size = fc.integer({ min: 1, max: 40 });
    const property = fc.asyncProperty(
      size,
      size,
      size,
      fc.nat(50),
      fc.nat(),
      async (n, block, batchSize, buffer, seed) => {
        const list = await collect(streamBatches(blocksOf(n, block), { batchSize, buffer, seed }));
        const ids = list.flatMap(({ y }) => [...y.data]);
        expect([...ids].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, k) => k));
        for (const { x, y } of list) y.data.forEach((id, k) => expect(x.data[2 * k]).toBe(2 * id));
        expect(list.slice(0, -1).every(({ y }) => y.shape[0] === batchSize)).toBe(true);
        if (buffer < 2) expect(ids).toEqual(Array.from({ length: n }, (_, k) => k));
        // No row comes before it can have been read.
        ids.forEach((id, k) => expect(id).toBeLessThanOrEqual(k + Math.max(1, buffer)));
        const dropped = await collect(streamBatches(blocksOf(n, block), { batchSize, buffer, seed, dropLast: true }));
        expect(dropped.length).toBe(Math.floor(n / batchSize));
      },
    );
    await fc.assert(property, { numRuns: 60, seed: 7 });
  });

  it('shuffles evenly when the buffer holds everything, and by the seed', async () => {
    const order = async (seed: number) =>
      (await collect(streamBatches(blocksOf(10, 3), { batchSize: 4, buffer: 100, seed }))).flatMap(({ y }) => [
        ...y.data,
      ]);
    expect(await order(1)).toEqual(await order(1));
    expect(await order(1)).not.toEqual(await order(2));
    const runs = 2000;
    const firsts = new Array<number>(10).fill(0);
    for (let seed = 0; seed < runs; seed++) firsts[(await order(seed))[0]]++;
    // Five standard deviations of a binomial count.
    for (const count of firsts) expect(Math.abs(count - runs / 10)).toBeLessThan(5 * Math.sqrt(runs * 0.09));
  });

  it('lets go of the blocks that it has copied, the first one included', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const seen: WeakRef<object>[] = [];
    const blocks = function* (): Generator<{ x: DataArray }> {
      for (let k = 0; k < 4; k++) {
        const data = new Float32Array(1000);
        seen.push(new WeakRef(data));
        yield { x: dataArray(data, [1000, 1]) };
      }
    };
    const batches = streamBatches(blocks(), { batchSize: 100, buffer: 10 });
    for (let k = 0; k < 35; k++) await batches.next();
    expect(seen.length).toBe(4);
    // A weak reference holds its target until the end of the job that made it or read it.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(seen.slice(0, 2).map((block) => block.deref())).toEqual([undefined, undefined]);
    expect((await batches.next()).value?.x.shape).toEqual([100, 1]);
  });

  it('refuses blocks that change, and options out of range', async () => {
    const [first] = blocksOf(3, 3);
    const other = { x: first.x, y: dataArray(Int32Array.of(1, 2), [2]) };
    expect((await failureOf(collect(streamBatches([first, other])))).message).toMatch(/blocks like the first/);
    expect((await failureOf(collect(streamBatches([first], { buffer: -1 })))).message).toMatch(/buffer >= 0/);
    expect((await failureOf(collect(streamBatches([first], { batchSize: 0 })))).message).toMatch(/batchSize >= 1/);
    expect(await collect(streamBatches([]))).toEqual([]);
  });
});

describe('arrayBatches', () => {
  const x = dataArray(
    Float32Array.from({ length: 20 }, (_, k) => k),
    [10, 2],
  );
  const y = dataArray(
    Int32Array.from({ length: 10 }, (_, k) => k),
    [10],
  );

  it('gives every row once an epoch, in another order in each, the same whenever asked again', async () => {
    const epochs = arrayBatches({ x, y }, { batchSize: 4, seed: 1 });
    const ids = (epoch?: number) => [...epochs(epoch)].flatMap((batch) => [...batch.y.data]);
    expect([...ids(1)].sort((a, b) => a - b)).toEqual([...y.data]);
    expect(ids(1)).toEqual(ids(1));
    expect(ids()).toEqual(ids(1));
    expect(ids(1)).not.toEqual(ids(2));
    expect([...epochs(1)].map((batch) => batch.x.shape)).toEqual([
      [4, 2],
      [4, 2],
      [2, 2],
    ]);
    expect(
      [...arrayBatches({ y }, { batchSize: 4, shuffle: false, dropLast: true })()].map((b) => [...b.y.data]),
    ).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
    ]);
  });

  it('refuses different numbers of rows', () => {
    expect(() => arrayBatches({ x, y: dataArray(Int32Array.of(1), [1]) })).toThrow(
      /same number of rows, received x \[10, 2\], y \[1\]/,
    );
    expect(() => arrayBatches({})).toThrow(/received none/);
  });
});
