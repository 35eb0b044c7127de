/** The sanitizers that the native code is built with, and how a build of one is run. */
import { join } from 'node:path';
import { addonFile, buildFolder } from './addon.mjs';
import { output, root, SetupError } from './process.mjs';

const kinds = {
  address: {
    runtime: 'libasan.so',
    variable: 'ASAN_OPTIONS',
    // What Node itself still holds at its exit is no leak of ours.
    options: ['detect_leaks=0'],
  },
  thread: {
    runtime: 'libtsan.so',
    variable: 'TSAN_OPTIONS',
    // BLAS and Node are not instrumented: what they call is not looked at.
    options: ['ignore_noninstrumented_modules=1', 'second_deadlock_stack=1'],
  },
};

/** Their names, as --sanitize takes them. */
export const sanitizers = Object.keys(kinds);

/**
 * Environment of programs that were built with a sanitizer, such as the native unit tests.
 *
 * @param reports  Prefix of files, one for each process with something to report. Default: reports go to stderr.
 */
export function sanitizedEnvironment(sanitize, reports) {
  const { variable, options } = kinds[sanitize];
  const path = reports ? [`log_path=${reports}`] : [];
  return {
    [variable]: [...options, ...path].join(':'),
    ...(sanitize === 'address' ? { UBSAN_OPTIONS: ['print_stacktrace=1', ...path].join(':') } : {}),
  };
}

/**
 * The same for Node, which was built without: the sanitizer's library must be there before the addon that needs it.
 *
 * @throws {SetupError} the compiler has no such library.
 */
export function sanitizedNodeEnvironment(sanitize, reports) {
  const { runtime } = kinds[sanitize];
  const library = output(process.env.CXX ?? 'c++', [`-print-file-name=${runtime}`])?.trim();
  // A compiler that lacks the file answers with its bare name.
  if (!library?.includes('/')) throw new SetupError(`Expected the compiler to have ${runtime}, found none.`);
  return {
    ...sanitizedEnvironment(sanitize, reports),
    LD_PRELOAD: library,
    COTANGENT_ADDON: join(root, addonFile(sanitize)),
  };
}

/** What to type to use the build of a sanitizer. */
export function howToUse(sanitize) {
  const assign = (values) =>
    Object.entries(values)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ');
  const native = assign(sanitizedEnvironment(sanitize));
  const node = assign(sanitizedNodeEnvironment(sanitize));
  return `
Native unit tests:   ${native} ctest --test-dir ${buildFolder(sanitize)} --output-on-failure
Tests in Node:       ${node} node node_modules/vitest/vitest.mjs run test/core/
One program:         ${node} node dist/cli/main.js doctor`;
}
