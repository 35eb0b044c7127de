import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cases, findCase } from '../../bench/cases/index.js';
import { caseId } from '../../bench/harness/types.js';

const paired = cases.filter((candidate) => candidate.kind === 'paired');

/** The peers and limits of the project's speed goals. */
const goals = {
  chain: { 'torch-eager': 0.05, 'torch-compile': 0.5 },
  'round-trip': { 'torch-eager': 0.15 },
  'soft-threshold': { 'torch-composed': 0.06, 'torch-softshrink': 0.3, 'torch-softshrink-out': 1.4, copy: 1.4 },
  'mlp-step': { 'torch-idiomatic': 0.65, 'torch-in-place': 0.9 },
  'eager-op': { 'torch-eager': 1 },
  'matmul:256': { torch: 1.05 },
  'matmul:1024': { torch: 1.05 },
  'matmul:2048': { torch: 1.05 },
  'cholesky-batched': { torch: 0.5, 'torch-out': 0.5 },
  'decompositions:svd:512': { torch: 1.15 },
  'decompositions:eigh:512': { torch: 1.15 },
  'fft:long': { torch: 6 },
  'fft:batch': { torch: 12 },
  'fft:prime': { torch: 4 },
  'softmax-xent': { 'torch-eager': 0.5 },
  'mlp-step-compiled': { 'torch-compile': 0.75, 'torch-compile-functional': 0.75 },
  'lenet-step': { 'torch-idiomatic': 1 },
  'per-example-grad': { 'torch-func': 0.8 },
  'mlp-hvp': { 'torch-func': 0.45, 'torch-double-backward': 0.45 },
  lbfgs: { scipy: 0.6, torch: 0.6 },
  ...Object.fromEntries(
    ['eager-op', 'matmul:256', 'matmul:1024', 'soft-threshold', 'softmax-xent', 'mlp-step', 'mlp-hvp'].map((name) => [
      `node/${name}`,
      { 'jax-js': 0.3 },
    ]),
  ),
  'relu-network-admm': { 'torch-cholesky-solve': 0.5, 'torch-inverse': 0.7 },
};

test('every goal is a case with its peers and limits', () => {
  const found = paired.map((one) => [
    caseId(one),
    Object.fromEntries(one.peers.map((peer) => [peer.name, peer.limit])),
  ]);
  expect(Object.fromEntries(found)).toEqual(goals);
});

test('names are unique, and an unknown one is refused with the list', () => {
  expect(new Set(cases.map(caseId)).size).toBe(cases.length);
  expect(findCase('chain').name).toBe('chain');
  expect(() => findCase('chains')).toThrow(/Expected one of chain, .*received 'chains'/);
});

describe.each(paired.map((paired) => [caseId(paired), paired] as const))(
  '%s',
  (_, { name, peers, data, parameters, tolerance, startPeer }) => {
    test.skipIf(startPeer)('has a twin that knows its peers', () => {
      const file = new URL(`../../bench/cases/${name}.py`, import.meta.url);
      expect(existsSync(file)).toBe(true);
      const table = /^PEERS = \{([^}]*)\}/m.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
      expect([...table.matchAll(/"([^"]+)":/g)].map((match) => match[1])).toEqual(peers.map((peer) => peer.name));
    });
    test('has data of the stated shapes, the same for the same seed, and a tolerance that is one', () => {
      const first = data(1);
      for (const { values, shape } of Object.values(first)) {
        expect(values.length).toBe(shape.reduce((product, dim) => product * dim, 1));
        expect(values.every(Number.isFinite)).toBe(true);
      }
      const sample = (set: typeof first) => Object.values(set).map(({ values }) => [...values.subarray(0, 100)]);
      expect(sample(data(1))).toEqual(sample(first));
      expect(sample(data(2))).not.toEqual(sample(first));
      for (const value of Object.values(parameters)) expect(Number.isFinite(value)).toBe(true);
      expect(tolerance).toBeGreaterThan(0);
      expect(tolerance).toBeLessThan(1e-3);
    });
  },
);
