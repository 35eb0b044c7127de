/** Pictures: Vega-Lite specifications, drawn as SVG or PNG without a browser. */
import { access, constants, writeFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import { DomainError } from '../core/errors.js';

export interface Series {
  readonly name: string;
  /** [x, y] pairs. */
  readonly points: readonly (readonly [number, number])[];
}

export interface Axis {
  readonly title: string;
  /** Default: 'linear'. */
  readonly scale?: 'linear' | 'log';
}

/** The endings that `writeFigure` knows: drawings, and the specification itself. */
export const figureEndings: readonly string[] = ['.svg', '.png', '.json'];

const palette = ['#3b6fb6', '#d9722b', '#3f9a56', '#b04a7f', '#8a6fc4', '#7a7a7a'];

/**
 * Curves in one picture. Points that are not finite, or not positive on a logarithmic axis, are left out.
 *
 * @param options.title  what is seen, one line.
 * @param options.series  one curve each, named in the legend.
 */
export function lineFigure(options: {
  readonly title: string;
  readonly subtitle?: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}): TopLevelSpec {
  const { title, subtitle, x, y, series } = options;
  const drawable = (value: number, axis: Axis) => Number.isFinite(value) && (axis.scale !== 'log' || value > 0);
  const values = series.flatMap(({ name, points }) =>
    points
      .filter((point) => drawable(point[0], x) && drawable(point[1], y))
      .map((point) => ({ series: name, x: point[0], y: point[1] })),
  );
  const channel = (field: 'x' | 'y', axis: Axis) => ({
    field,
    type: 'quantitative' as const,
    title: axis.title,
    scale: axis.scale === 'log' ? { type: 'log' as const, nice: false } : { zero: false },
    axis: axis.scale === 'log' ? { tickCount: 6, format: '~g' } : {},
  });
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: subtitle === undefined ? title : { text: title, subtitle },
    width: 560,
    height: 340,
    data: { values },
    mark: { type: 'line', strokeWidth: 2 },
    encoding: {
      x: channel('x', x),
      y: channel('y', y),
      color: {
        field: 'series',
        type: 'nominal',
        title: null,
        scale: { domain: series.map(({ name }) => name), range: series.map((_, k) => palette[k % palette.length]) },
        legend: { orient: 'top', symbolStrokeWidth: 3, labelLimit: 0 },
      },
    },
  };
}

/** The look of every picture. */
const config = {
  background: 'white',
  padding: 16,
  font: 'sans-serif',
  title: { anchor: 'start' as const, fontSize: 15, subtitleColor: '#555', offset: 10 },
  axis: {
    gridColor: '#e6e6e6',
    domainColor: '#888',
    tickColor: '#888',
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: 'normal' as const,
  },
  view: { stroke: null },
};

/** The picture as an SVG document. */
export async function renderSvg(figure: TopLevelSpec): Promise<string> {
  // Loaded here only: they are large, and most commands draw nothing.
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const { spec } = vegaLite.compile(figure, { config });
  const view = new vega.View(vega.parse(spec), { renderer: 'none', logLevel: vega.Error });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/** @throws {DomainError} an unknown ending, or a folder that cannot be written to. Checked before a long run, not after it. */
export async function checkFigurePath(path: string): Promise<void> {
  if (!figureEndings.includes(extname(path).toLowerCase())) {
    throw new DomainError('plot', `Expected a file that ends in ${figureEndings.join(', ')}, received ${path}`, {
      details: { path },
    });
  }
  const folder = dirname(resolve(path));
  try {
    await access(folder, constants.W_OK);
  } catch (cause) {
    throw new DomainError('plot', `Expected a folder that can be written to, received ${folder}`, {
      hint: 'name another file with --plot FILE, or pass --no-plot',
      details: { path },
      cause,
    });
  }
}

async function save(path: string, content: string | Uint8Array): Promise<void> {
  try {
    await writeFile(path, content);
  } catch (cause) {
    throw new DomainError('plot', `Expected a writable file at ${path}, received: ${(cause as Error).message}`, {
      details: { path },
      cause,
    });
  }
}

/** Draws into a file: SVG, PNG (at twice the size), or the specification as JSON, by the ending of `path`. @throws as `checkFigurePath`. */
export async function writeFigure(path: string, figure: TopLevelSpec): Promise<void> {
  await checkFigurePath(path);
  const ending = extname(path).toLowerCase();
  if (ending === '.json') return save(path, `${JSON.stringify(figure, null, 2)}\n`);
  const svg = await renderSvg(figure);
  if (ending === '.svg') return save(path, svg);
  const { Resvg } = await import('@resvg/resvg-js');
  const font = { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans' };
  const letter = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text y="9">x</text></svg>';
  // Without any font the renderer leaves all text out, and says nothing.
  if (new Resvg(letter, { font }).getBBox() === undefined) {
    throw new DomainError('plot', 'Expected a font on this machine for the text of a PNG, received none', {
      hint: 'write an .svg, or install a font such as the package fonts-dejavu-core',
      details: { path },
    });
  }
  return save(path, new Resvg(svg, { fitTo: { mode: 'zoom', value: 2 }, font }).render().asPng());
}
