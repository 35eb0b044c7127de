import { describe, expect, it } from 'vitest';
import type { Diagnosis } from '../../lib/cli/doctor.js';
import { command, type } from './helpers.js';

/** Whatever this machine has. */
const withoutCuda = { COTANGENT_CUDA_LIBRARY: '/missing/cuda.so' };

describe('doctor', () => {
  it('finds a working installation', async () => {
    const { code, stdout, stderr } = await type(command, ['doctor'], { env: withoutCuda });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^ {2}✓ native addon +loaded$/m);
    expect(stdout).toMatch(/^ {2}✓ SIMD +\S+ \(this machine can run .+\)$/m);
    expect(stdout).toMatch(/^ {2}✓ BLAS +.+: computes correctly$/m);
    expect(stdout).toMatch(/^ {2}✓ memory +.+ used, limit .+B$/m);
    expect(stdout).toMatch(/^ {2}✓ device cpu +ready: \d+ hardware threads, .+ kernels, .+$/m);
    expect(stdout).toMatch(
      /^ {2}- device cuda +unavailable: Expected the CUDA library at \/missing\/cuda.so, received no such file\. Hint: .+$/m,
    );
    expect(stdout).toMatch(/Everything works\.\n$/);
    expect(code).toBe(0);
  });

  it('prints one JSON document', async () => {
    const { code, stdout, stderr } = await type(command, ['doctor', '--json'], { env: withoutCuda });
    expect([code, stderr]).toEqual([0, '']);
    const diagnosis = JSON.parse(stdout) as Diagnosis;
    expect(diagnosis.problems).toEqual([]);
    expect(diagnosis.node).toEqual({ version: process.versions.node, required: expect.any(String), supported: true });
    expect(diagnosis.addon).toEqual({ loaded: true });
    expect(diagnosis.simd?.supported).toContain(diagnosis.simd?.target);
    expect(diagnosis.blas?.faults).toEqual([]);
    expect(diagnosis.threads?.used).toBeGreaterThanOrEqual(1);
    expect(diagnosis.memory?.limit).toBeGreaterThan(2 ** 20);
    expect(diagnosis.devices.map(({ name }) => name)).toEqual(['cpu', 'cuda', 'cuda:emulated']);
    expect(diagnosis.devices[0]).toEqual({ name: 'cpu', available: true, description: expect.any(String) });
    expect(diagnosis.devices[1]).toEqual({
      name: 'cuda',
      available: false,
      reason: expect.stringMatching(/no such file/),
    });
    expect(diagnosis.datasets.map(({ name }) => name)).toEqual(['mnist', 'mnist-2v8']);
  });

  it('reports a missing addon, exit code 1', async () => {
    const env = { COTANGENT_ADDON: '/missing/cotangent.node' };
    const human = await type(command, ['doctor'], { env });
    expect([human.code, human.stderr]).toEqual([1, '']);
    expect(human.stdout).toMatch(
      /^ {2}✗ native addon +\[addon\] Expected the native addon at \/missing\/cotangent.node[^\n]*$/m,
    );
    expect(human.stdout).toMatch(/1 problem found\.\n$/);
    const machine = await type(command, ['doctor', '--json'], { env });
    expect(machine.code).toBe(1);
    const diagnosis = JSON.parse(machine.stdout) as Diagnosis;
    expect(diagnosis.addon.loaded).toBe(false);
    expect(diagnosis.problems).toHaveLength(1);
    expect([diagnosis.simd, diagnosis.blas, diagnosis.threads, diagnosis.memory]).toEqual([null, null, null, null]);
  });
});
