import { expect, test } from 'vitest';
import { limitRow } from '../../bench/harness/limits.js';
import { addVersions } from '../../bench/harness/pairing.js';
import { picture } from '../../bench/harness/picture.js';
import { showMilliseconds, table, warnings } from '../../bench/harness/report.js';
import { type DetailedRow, publicRow } from '../../bench/harness/types.js';

const row: DetailedRow = {
  name: 'chain',
  size: '128 floats',
  ours_ms: 0.0015,
  peer: 'torch-eager',
  peer_ms: 0.15,
  ratio: 0.01,
  agreement: 1e-7,
  limit: 0.05,
  met: true,
  ratio_min: 0.009,
  ratio_max: 0.02,
  blocks: 9,
  repetitions: [1000, 10],
  idle_load: [0.001, 0.002],
};

test('--json prints exactly the documented keys, in order', () => {
  const printed = JSON.parse(JSON.stringify(publicRow(row)));
  expect(Object.keys(printed)).toEqual(['name', 'size', 'ours_ms', 'peer', 'peer_ms', 'ratio', 'agreement']);
  expect(printed).toEqual({
    name: 'chain',
    size: '128 floats',
    ours_ms: 0.0015,
    peer: 'torch-eager',
    peer_ms: 0.15,
    ratio: 0.01,
    agreement: 1e-7,
  });
});

test('the versions of a run are those of all its peers', () => {
  const ours = { node: 'v20' };
  const python = addVersions(undefined, { ours, peers: { torch: '2.13', scipy: '1.14' } });
  const both = addVersions(python, { ours, peers: { node: 'v20', 'jax-js': '0.1' } });
  expect(both).toEqual({ ours, peers: { torch: '2.13', scipy: '1.14', node: 'v20', 'jax-js': '0.1' } });
  // A case without a peer takes nothing away.
  expect(addVersions(both, { ours, peers: {} })).toEqual(both);
});

test('a measurement against a limit is a row of the same form', () => {
  const within = limitRow('event-loop', { size: 'p99', measured: 1.5, limit: 3 });
  expect(publicRow(within)).toEqual({
    name: 'event-loop',
    size: 'p99',
    ours_ms: 1.5,
    peer: 'limit',
    peer_ms: 3,
    ratio: 0.5,
    agreement: null,
  });
  expect(within.met).toBe(true);
  expect(limitRow('event-loop', { size: 'p99', measured: 3.01, limit: 3 }).met).toBe(false);
});

test('the table is aligned and shows a missed limit', () => {
  const lines = table([row, { ...row, name: 'a-longer-name', ratio: 0.2, met: false }]).split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(/^case +ours +peer +time +ratio +min\.\.max +limit +met +difference$/);
  const met = (lines[0] as string).indexOf('met');
  expect((lines[1] as string).slice(met, met + 3)).toBe('yes');
  expect((lines[2] as string).slice(met, met + 3)).toBe('NO ');
  expect(lines[1]).toContain('1.50 us');
});

test('times have their unit', () => {
  expect([0.00123, 1.5, 1234].map(showMilliseconds)).toEqual(['1.23 us', '1.50 ms', '1.23 s']);
});

test('a loaded machine and a busy idle side are said', () => {
  expect(warnings([row], 0.2, 2)).toEqual([]);
  expect(warnings([row], 1.7, 2)).toEqual([expect.stringContaining('load average was 1.7 on 2 cores')]);
  expect(warnings([{ ...row, idle_load: [0.01, 0.5] }], 0, 2)).toEqual([
    'chain: torch-eager used 50 % of a core while cotangent was timed.',
  ]);
});

test('the picture has a bar for each row, as a share of its limit', () => {
  const drawn = picture([row, { ...row, peer: 'torch-compile', ratio: 1, limit: 0.5, met: false }]);
  expect(drawn?.data).toEqual({
    values: [
      { label: 'chain / torch-eager', share: expect.closeTo(0.2), met: 'met', text: '0.010 (at most 0.05)' },
      { label: 'chain / torch-compile', share: 2, met: 'missed', text: '1.0 (at most 0.5)' },
    ],
  });
});
