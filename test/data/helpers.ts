import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';
import { CotangentError } from '../../lib/core/errors.js';

/** The path of a file in test/data/fixtures. */
export const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** A folder that is removed after the file's tests. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cotangent-data-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const text = (content: string): Uint8Array => new TextEncoder().encode(content);

/** The typed error that `promise` rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<CotangentError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(CotangentError);
  return outcome as CotangentError;
}
