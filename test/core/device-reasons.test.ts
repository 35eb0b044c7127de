/** Why a device cannot be used: each reason in a process of its own, since a library is opened once. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { testLibrary } from './test-device.js';

const folder = mkdtempSync(join(tmpdir(), 'cotangent-device-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const garbage = join(folder, 'garbage.so');
writeFileSync(garbage, 'this is not a library');
const addon =
  process.env.COTANGENT_ADDON ?? fileURLToPath(new URL('../../build/Release/cotangent.node', import.meta.url));

interface Answer {
  /** Of `openDevice('cuda')`, or its error. */
  readonly opened: { readonly code?: string; readonly op?: string; readonly message?: string; readonly name?: string };
  readonly devices: readonly { readonly name: string; readonly reason: string }[];
  /** The CPU computes all the same. */
  readonly cpu: { readonly name: string };
}

/** What the addon says in a process with these variables. */
function ask(env: Readonly<Record<string, string>>): Promise<Answer> {
  const script = `
    const addon = require(${JSON.stringify(addon)});
    const open = (name) => {
      try {
        return addon.openDevice(name);
      } catch ({ code, op, message }) {
        return { code, op, message };
      }
    };
    console.log(JSON.stringify({ opened: open('cuda'), devices: addon.devices(), cpu: open('cpu') }));`;
  const child = spawn(process.execPath, ['-e', script], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (piece: Buffer) => {
    text += piece;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve(JSON.parse(text) as Answer) : reject(new Error(`ended ${code}`)),
    );
  });
}

const reasons: [what: string, env: Record<string, string>, message: RegExp][] = [
  [
    'no library',
    { COTANGENT_CUDA_LIBRARY: '/missing/cuda.so' },
    /^Expected the CUDA library at \/missing\/cuda\.so, received no such file\. Hint: build the package where nvcc is found/,
  ],
  [
    'no library',
    { COTANGENT_CUDA_LIBRARY: garbage },
    /^Expected a CUDA library that can be loaded, received .*garbage\.so: .+/,
  ],
  [
    'another library',
    { COTANGENT_CUDA_LIBRARY: addon },
    /^Expected a backend library at .*, received (one without the function cotangent_backend|.+)/,
  ],
  [
    'a library of another version',
    { COTANGENT_CUDA_LIBRARY: testLibrary, COTANGENT_TEST_DEVICE_ABI: '1' },
    /^Expected a backend of ABI \d+ at .*, received one of ABI 1\. Hint: build the package anew\.$/,
  ],
  [
    'a library that finds no driver',
    { COTANGENT_CUDA_LIBRARY: testLibrary, COTANGENT_TEST_DEVICE_COUNT: '0' },
    /^Expected a driver for the test device, received none\.$/,
  ],
];

describe('a device that cannot be used', () => {
  it.each(reasons)('says why: %s %j', async (_, env, reason) => {
    const { opened, devices, cpu } = await ask(env);
    expect(opened).toMatchObject({ code: 'ERR_DEVICE', op: 'device' });
    expect(opened.message?.replace('[device] ', '')).toMatch(reason);
    const listed = devices.find(({ name }) => name === 'cuda');
    expect(listed?.reason).toMatch(reason);
    expect(cpu.name).toBe('cpu');
    expect(devices[0]).toEqual({ name: 'cpu', reason: '' });
  });

  it('is listed with its index when it can', async () => {
    const { opened, devices } = await ask({ COTANGENT_CUDA_LIBRARY: testLibrary, COTANGENT_TEST_DEVICE_COUNT: '1' });
    expect(opened.name).toBe('cuda:0');
    expect(devices.slice(0, 2)).toEqual([
      { name: 'cpu', reason: '' },
      { name: 'cuda:0', reason: '' },
    ]);
  });
});
