import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { lineFigure, renderSvg, writeFigure } from '../../lib/cli/figure.js';
import { createProgress } from '../../lib/cli/progress.js';
import { closestName } from '../../lib/cli/terminal.js';
import { formatBytes, formatNumber, renderTable } from '../../lib/cli/text.js';
import { scratchFolder } from './helpers.js';

const folder = scratchFolder();

describe('numbers', () => {
  it.each([
    [0, '0'],
    [12, '12'],
    [123456789, '123456789'],
    [0.123456, '0.1235'],
    [1234.5678, '1235'],
    [-2.5, '-2.5'],
    [1234567.8, '1.235e+6'],
    [0.00012345, '1.234e-4'],
    [1e-7, '1e-7'],
    [2e10, '2e+10'],
    [Number.NaN, 'NaN'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
  ])('%d is shown as %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [6.5 * 2 ** 30, '6.5 GiB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('renderTable', () => {
  it('aligns numbers to the right and the rest to the left', () => {
    const table = renderTable({
      title: 'T',
      columns: ['name', 'n', 'mixed'],
      rows: [
        ['a', 1, 'x'],
        ['long name', 1000, 2],
        ['b', null, true],
      ],
    });
    expect(table).toBe(
      [
        'T',
        '',
        '  name          n  mixed',
        '  ─────────  ────  ─────',
        '  a             1  x',
        '  long name  1000  2',
        '  b                yes',
      ].join('\n'),
    );
  });
});

describe('closestName', () => {
  it('finds what was meant, within two letters', () => {
    const names = ['relu-network', 'sinkhorn'];
    expect(closestName('relu-netwrok', names)).toBe('relu-network');
    expect(closestName('sinkorn', names)).toBe('sinkhorn');
    expect(closestName('lasso', names)).toBeUndefined();
    expect(closestName('x', [])).toBeUndefined();
  });
});

describe('progress', () => {
  function capture(isTTY: boolean) {
    const stream = Object.assign(new PassThrough(), { isTTY, columns: 80 });
    let text = '';
    stream.on('data', (piece: Buffer) => {
      text += piece;
    });
    return { stream, text: () => text };
  }

  it('writes at most one line every two seconds where there is no terminal', async () => {
    const { stream, text } = capture(false);
    let time = 0;
    const progress = createProgress(stream, () => time);
    for (; time <= 6000; time += 10) progress.update(time / 6000, `at ${time}`);
    progress.stop();
    time += 10_000;
    progress.update(1, 'late');
    await new Promise(setImmediate);
    expect(text()).toBe('  0 %  at 0\n 33 %  at 2000\n 66 %  at 4000\n100 %  at 6000\n');
  });

  it('survives fractions outside [0, 1]', async () => {
    const { stream, text } = capture(false);
    let time = 0;
    const progress = createProgress(stream, () => (time += 5000));
    for (const fraction of [-1, Number.NaN, 2]) progress.update(fraction, 'x');
    await new Promise(setImmediate);
    expect(text()).toBe('  0 %  x\n  0 %  x\n100 %  x\n');
  });

  it('draws a bar on a terminal and removes it at the end', async () => {
    const { stream, text } = capture(true);
    const progress = createProgress(stream);
    progress.update(0.4, 'solving');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(text()).toContain('████████████░░░░░░░░░░░░░░░░░░ 40 %  solving');
    progress.stop();
    await new Promise(setImmediate);
    // Cursor shown again, line erased.
    expect(text().slice(text().lastIndexOf('solving'))).toContain('\u001b[?25h');
    expect(text().slice(text().lastIndexOf('solving'))).toContain('\u001b[0K');
  });
});

describe('figures', () => {
  const figure = lineFigure({
    title: 'Objective against time',
    subtitle: 'two methods',
    x: { title: 'time (s)', scale: 'log' },
    y: { title: 'objective', scale: 'log' },
    series: [
      {
        name: 'convex',
        points: [
          [0, 9],
          [0.1, 5],
          [1, 1],
          [10, 0.1],
        ],
      },
      {
        name: 'SGD',
        points: [
          [0.1, 8],
          [1, Number.NaN],
          [10, 2],
        ],
      },
    ],
  });

  it('leaves out what cannot be drawn', () => {
    expect((figure as { data: { values: unknown[] } }).data.values).toEqual([
      { series: 'convex', x: 0.1, y: 5 },
      { series: 'convex', x: 1, y: 1 },
      { series: 'convex', x: 10, y: 0.1 },
      { series: 'SGD', x: 0.1, y: 8 },
      { series: 'SGD', x: 10, y: 2 },
    ]);
  });

  it('becomes an SVG with a curve for each series, through its points', async () => {
    const svg = await renderSvg(figure);
    for (const text of ['Objective against time', 'two methods', 'time (s)', 'objective', 'convex', 'SGD'])
      expect(svg).toContain(text);
    const curves = [
      ...svg.matchAll(/<path aria-label="[^"]*series: (\w+)[^"]*"[^>]* d="([^"]+)"[^>]*stroke="(#\w+)"/g),
    ];
    expect(curves.map(([, name, path, colour]) => [name, path.split('L').length, colour])).toEqual([
      ['convex', 3, '#3b6fb6'],
      ['SGD', 2, '#d9722b'],
    ]);
    // Log axis from 0.1 to 10 over 560 pixels: 1 lies in the middle.
    expect(curves[0][2]).toMatch(/^M0,[\d.]+L280,[\d.]+L560,340$/);
  });

  it('is written as SVG, PNG or its specification', async () => {
    const [svg, png, json] = ['x.svg', 'x.PNG', 'x.json'].map((name) => join(folder, name));
    await Promise.all([svg, json].map((path) => writeFigure(path, figure)));
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg/);
    const failure = await writeFigure(png, figure).catch((error: Error) => error);
    if (failure) {
      expect(failure.message).toMatch(/Expected a font on this machine/);
    } else {
      const image = readFileSync(png);
      expect(image.subarray(0, 8)).toEqual(Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a));
      const width = Number(/width="([\d.]+)"/.exec(readFileSync(svg, 'utf8'))?.[1]);
      expect(Math.abs(image.readUInt32BE(16) - 2 * width)).toBeLessThanOrEqual(2);
    }
    expect(JSON.parse(readFileSync(json, 'utf8'))).toEqual(JSON.parse(JSON.stringify(figure)));
    mkdirSync(join(folder, 'folder.svg'));
    await expect(writeFigure(join(folder, 'folder.svg'), figure)).rejects.toThrow(
      /\[plot\] Expected a writable file at /,
    );
    await expect(writeFigure(join(folder, 'x.pdf'), figure)).rejects.toThrow(/ends in .svg, .png, .json/);
  });
});
