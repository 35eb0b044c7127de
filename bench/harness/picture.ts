/** The picture: a bar for each peer that has a limit: how much of it the ratio takes, on a logarithmic axis; the rule at 1 is the limit. */
import type { TopLevelSpec } from 'vega-lite';
import type { DetailedRow } from './types.js';

/** As a Vega-Lite specification; lib/cli draws it like its own pictures. Undefined when no row has a limit. */
export function picture(rows: readonly DetailedRow[]): TopLevelSpec | undefined {
  const values = rows.flatMap(({ name, size, peer, ratio, limit, met }) => {
    if (ratio === null || limit === null) return [];
    return {
      label: peer === 'limit' ? `${name}: ${size}` : `${name} / ${peer}`,
      share: ratio / limit,
      met: met ? 'met' : 'missed',
      text: peer === 'limit' ? `${ratio.toPrecision(2)} of the limit` : `${ratio.toPrecision(2)} (at most ${limit})`,
    };
  });
  if (values.length === 0) return undefined;
  // Bars on a logarithmic axis start at its left end.
  const low = 10 ** Math.floor(Math.log10(Math.min(0.1, ...values.map((value) => value.share))));
  const high = 2 * Math.max(1, ...values.map((value) => value.share));
  const y = { field: 'label', type: 'nominal' as const, sort: null, title: null, axis: { labelLimit: 400 } };
  return {
    width: 480,
    height: { step: 22 },
    title: 'Time as a share of the limit (shorter is better; the rule is the limit)',
    data: { values },
    layer: [
      {
        mark: { type: 'bar' },
        encoding: {
          y,
          x: {
            field: 'share',
            type: 'quantitative',
            scale: { type: 'log', domain: [low, high] },
            title: 'ratio / limit',
          },
          x2: { datum: low },
          color: {
            field: 'met',
            type: 'nominal',
            scale: { domain: ['met', 'missed'], range: ['#4c78a8', '#e45756'] },
            title: null,
          },
        },
      },
      { mark: { type: 'rule', color: 'black' }, encoding: { x: { datum: 1, type: 'quantitative' } } },
      {
        mark: { type: 'text', align: 'left', dx: 4, fontSize: 10 },
        encoding: { y, x: { field: 'share', type: 'quantitative' }, text: { field: 'text' } },
      },
    ],
  };
}
