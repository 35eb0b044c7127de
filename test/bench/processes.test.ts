import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { WorkerProcess } from '../../bench/harness/process.js';
import { findPython, pinnedVersion } from '../../bench/harness/python.js';

/** A worker in a few lines: `start` answers, `prepare` reports an error, `result` dies. */
const script = `
  const lines = require('node:readline').createInterface({ input: process.stdin });
  const idle = { wall: 1, cpu: 0 };
  lines.on('line', (line) => {
    const { op, threads } = JSON.parse(line);
    if (op === 'start') console.log(JSON.stringify({ threads, idle }));
    if (op === 'prepare') console.log(JSON.stringify({ error: 'no such case', idle }));
    if (op === 'result') { require('node:fs').writeSync(2, 'out of luck'); process.exit(3); }
    if (op === 'exit') lines.close();
  });
`;

function worker(): WorkerProcess {
  return new WorkerProcess('test', process.execPath, ['-e', script]);
}

describe('WorkerProcess', () => {
  test('answers one request after the other and leaves when asked', async () => {
    const process = worker();
    expect(await process.ask({ op: 'start', threads: 2, device: 'cpu' })).toMatchObject({ threads: 2 });
    expect(await process.ask({ op: 'start', threads: 3, device: 'cpu' })).toMatchObject({ threads: 3 });
    await process.close();
    await expect(process.ask({ op: 'start', threads: 1, device: 'cpu' })).rejects.toThrow(/test process has ended/);
  });
  test('an error answer rejects with the request and the reason', async () => {
    const process = worker();
    await expect(process.ask({ op: 'prepare', case: 'x', parameters: {}, data: {} })).rejects.toThrow(
      /failed at 'prepare': no such case/,
    );
    await process.close();
  });
  test('a death rejects with the exit code and what was on standard error', async () => {
    const process = worker();
    await expect(process.ask({ op: 'result', peer: 'x', folder: '' })).rejects.toThrow(/exit code 3[\s\S]*out of luck/);
    await process.close();
  });
  test('a command that cannot start rejects', async () => {
    const process = new WorkerProcess('test', '/nonexistent/python', []);
    await expect(process.ask({ op: 'start', threads: 1, device: 'cpu' })).rejects.toThrow(/ENOENT/);
    await process.close();
  });
});

describe('the pinned peers', () => {
  afterEach(() => vi.unstubAllEnvs());
  const requirements = readFileSync(new URL('../../bench/requirements.txt', import.meta.url), 'utf8');

  test('are read from requirements.txt', () => {
    expect(pinnedVersion(requirements, 'torch')).toBe('2.13.0');
    expect(() => pinnedVersion(requirements, 'tensorflow')).toThrow(/tensorflow==VERSION/);
  });
  test('a chosen Python without them is refused with the reason, and no other is tried', () => {
    vi.stubEnv('COTANGENT_PYTHON', '/nonexistent/python');
    expect(findPython).toThrow(
      /Expected a Python with torch 2\.13\.0, received \/nonexistent\/python: .*ENOENT.*\. Hint/,
    );
    expect(findPython).not.toThrow(/python3/);
  });
  test('another version is refused by name', () => {
    // A stand-in interpreter whose probe prints a version.
    vi.stubEnv('COTANGENT_PYTHON', '/bin/echo');
    expect(findPython).toThrow(/\/bin\/echo: torch /);
  });
});
