/**
 * Checks that code compiled for one SIMD target cannot be picked for another. A weak symbol (an inline function, a template)
 * that two objects define is kept once, whichever the linker meets first; were it the AVX-512 one, older machines would crash.
 * So no two targets may define the same symbol, nor may a target beyond the baseline share one with the portable objects.
 *
 *   node scripts/check-symbols.mjs [BUILD_FOLDER]     default: build
 */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { main, output, root, SetupError } from './internal/process.mjs';

const targetFolder = /CMakeFiles[/\\]simd_([a-z0-9]+)\.dir[/\\]/;
const portableFolder = /CMakeFiles[/\\]cotangent(_native)?\.dir[/\\]/;
/** Written by the compiler for exception tables: a pointer, not code. */
const harmless = /^DW\.ref\./;

/** Objects of the build, by target; 'portable' holds all that are compiled for any machine. */
function objectsByTarget(folder) {
  const objects = new Map();
  const cmakeFiles = join(folder, 'CMakeFiles');
  if (!existsSync(cmakeFiles))
    throw new SetupError(`Expected a build in ${folder}, found none. Run \`npm run build\`.`);
  for (const name of readdirSync(cmakeFiles, { recursive: true })) {
    const path = join(cmakeFiles, name);
    if (!path.endsWith('.o')) continue;
    const target = targetFolder.exec(path)?.[1] ?? (portableFolder.test(path) ? 'portable' : undefined);
    if (target) objects.set(target, [...(objects.get(target) ?? []), path]);
  }
  return objects;
}

/** Symbols that an object shows to the linker and defines itself, with the file that defines them. */
function definedSymbols(files) {
  const symbols = new Map();
  for (const file of files) {
    const listing = output('nm', ['-g', '--defined-only', '-P', file]);
    if (listing === undefined) throw new SetupError(`nm cannot read ${file}.`);
    for (const line of listing.split('\n')) {
      const [symbol, type] = line.split(' ');
      if (type && !harmless.test(symbol)) symbols.set(symbol, file);
    }
  }
  return symbols;
}

await main(() => {
  const folder = resolve(root, process.argv[2] ?? 'build');
  const objects = objectsByTarget(folder);
  const targets = [...objects.keys()].filter((target) => target !== 'portable').sort();
  const symbols = new Map([...objects].map(([target, files]) => [target, definedSymbols(files)]));
  const expected = process.arch === 'x64' ? 3 : 1;
  if (targets.length < expected || !objects.has('portable')) {
    throw new SetupError(
      `Expected objects of ${expected} SIMD targets and portable ones in ${folder}, found: ${[...objects.keys()].join(', ') || 'none'}.`,
    );
  }

  const clashes = [];
  const compare = (one, other) => {
    for (const [symbol, file] of symbols.get(one)) {
      if (symbols.get(other).has(symbol))
        clashes.push(`${one} and ${other}: ${symbol}\n  ${file}\n  ${symbols.get(other).get(symbol)}`);
    }
  };
  targets.forEach((one, index) => {
    for (const other of targets.slice(index + 1)) compare(one, other);
    if (one !== 'baseline' && one !== 'neon') compare(one, 'portable');
  });
  if (clashes.length > 0) {
    throw new SetupError(
      `${clashes.length} symbols are defined for more than one SIMD target. Hint: put the code inside namespace COTANGENT_TARGET, ` +
        `and keep standard headers with inline code out of *.simd.cc.\n${clashes.slice(0, 20).join('\n')}`,
    );
  }
  const count = targets.map((target) => `${target} ${symbols.get(target).size}`).join(', ');
  console.log(
    `check-symbols: no symbol is shared between SIMD targets (symbols: ${count}, portable ${symbols.get('portable').size})`,
  );
});
