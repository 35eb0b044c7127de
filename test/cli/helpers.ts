import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

export const root = fileURLToPath(new URL('../../', import.meta.url));
/** The command as it is installed. */
export const command = join(root, 'dist/cli/main.js');
/** The same with experiments made for the tests. */
export const testCommand = fileURLToPath(new URL('fixtures/cli.mjs', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TypeOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each piece of stderr. */
  readonly onStderr?: (child: ChildProcess, piece: string) => void;
}

/** Types a command line and waits for its end. */
export function type(script: string, args: readonly string[], options: TypeOptions = {}): Promise<Outcome> {
  const { COTANGENT_DEBUG: _, ...env } = process.env;
  const child = spawn(process.execPath, [script, ...args], {
    cwd: options.cwd ?? root,
    env: { ...env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (piece: Buffer) => {
    stdout += piece;
  });
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece;
    options.onStderr?.(child, String(piece));
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** A folder that is removed after the file's tests. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cotangent-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
