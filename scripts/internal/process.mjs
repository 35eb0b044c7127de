/** Child processes as the scripts use them: no standard input, output passed through, failure as an exception. */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository or package root. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** A failure that the person at the keyboard can act on: shown without a stack. */
export class SetupError extends Error {}

/** Runs a command with its output passed through. @throws {SetupError} it cannot be started or exits with another code than 0. */
export function run(command, args, { env = {}, cwd = root } = {}) {
  const result = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (result.error) throw new SetupError(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0) {
    const end = result.signal ? `was ended by ${result.signal}` : `exited with code ${result.status}`;
    throw new SetupError(`${[command, ...args].join(' ')} ${end}.`);
  }
}

/** What a command prints on stdout, or undefined when it is missing or fails. */
export function output(command, args, env = {}) {
  const result = spawnSync(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return result.status === 0 ? result.stdout : undefined;
}

/** The first of these commands that is on the PATH. */
export function firstOnPath(...names) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return names.find((name) =>
    folders.some((folder) => isFile(join(folder, name)) || isFile(join(folder, `${name}.exe`))),
  );
}

function isFile(path) {
  return existsSync(path) && statSync(path).isFile();
}

/** Runs a script's main function; a SetupError becomes one message and exit code 1. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`\n${error.message}`);
    process.exitCode = 1;
  }
}

/** A headline for work that is about to start. */
export function announce(text) {
  console.error(`\n> ${text}`);
}
