/** The record of what ran. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { jit, ones, profile, scan, type Tensor, tensor } from '../../lib/index.js';

describe('profile', () => {
  const x = ones([300, 300]).mul(0.001);
  const step = jit((a: Tensor) => a.matmul(a).tanh().add(1).sum());

  it('names every kernel, with what was fused into it, and its share of the time', async () => {
    const { result, events, rows, dropped } = await profile(() => step(x));
    expect(await result.item()).toBeGreaterThan(90_000);
    expect(dropped).toBe(0);
    expect(events.map(({ name }) => name)).toEqual([
      'matmul -> float32[300, 300]',
      'chainReduce[tanh add reduceSum] -> float32[]',
    ]);
    events.forEach(({ start, duration }, k) => {
      expect(duration).toBeGreaterThan(0);
      const before = events[k - 1];
      if (before) expect(start).toBeGreaterThanOrEqual(before.start + before.duration);
    });
    expect(events[0]?.start).toBe(0);
    expect(rows.reduce((total, { share }) => total + share, 0)).toBeCloseTo(1, 10);
    expect(rows.map(({ total }) => total)).toEqual(rows.map(({ total }) => total).sort((a, b) => b - a));
  });

  it('counts the iterations of native loops', async () => {
    const loop = jit(
      (a: Tensor) => scan((c: Tensor) => [c.mul(0.5), c.sum()] as const, a, undefined, { length: 40 })[1],
    );
    const { rows } = await profile(() => loop(ones([64])));
    const counts = Object.fromEntries(rows.map(({ name, count }) => [name.split(' ')[0], count]));
    expect(counts).toMatchObject({ 'chain[mul]': 40, reduceSum: 40 });
  });

  it('opens in a trace viewer', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'profile-'));
    try {
      const path = join(folder, 'trace.json');
      const recorded = await profile(() => step(x));
      await recorded.save(path);
      const { traceEvents } = JSON.parse(await readFile(path, 'utf8'));
      expect(traceEvents).toHaveLength(2);
      for (const event of traceEvents) expect(event).toMatchObject({ ph: 'X', pid: 1, tid: 1 });
      expect(traceEvents.map(({ cat }: { cat: string }) => cat)).toEqual(['matmul', 'chainReduce']);
      expect(String(recorded)).toMatch(/% .* ms .* matmul -> float32\[300, 300\]/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('refuses a function that waits, and leaves other work alone', async () => {
    await expect(profile(async () => step(x))).rejects.toMatchObject({ name: 'DomainError', op: 'profile' });
    const { events } = await profile(() => 1);
    expect(events).toEqual([]);
    expect(await tensor([1, 2]).sum().item()).toBe(3);
  });
});
