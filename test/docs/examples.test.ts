/**
 * The scripts of examples/ run, and so do the examples of the README and of docs/ that are marked ```js runnable (or ts). One that begins with imports is a module of its own; those that
 * follow without imports continue it.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const library = pathToFileURL(join(import.meta.dirname, '..', '..', 'lib', 'index.ts')).href;
const folder = mkdtempSync(join(import.meta.dirname, 'page-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Example {
  readonly name: string;
  readonly language: string;
  code: string;
}

function examplesOf(page: string): Example[] {
  const text = readFileSync(join(root, page), 'utf8');
  const examples: Example[] = [];
  for (const match of text.matchAll(/^```(js|ts) runnable\n([\s\S]*?)^```$/gm)) {
    const [, language, code] = match as unknown as [string, string, string];
    const line = text.slice(0, match.index).split('\n').length;
    const last = examples.at(-1);
    if (last && !code.startsWith('import')) last.code += code;
    else examples.push({ name: `${page}, line ${line}`, language, code });
  }
  return examples;
}

const pages = readdirSync(join(root, 'docs')).filter((page) => page.endsWith('.md'));
const examples: Example[] = ['README.md', ...pages.map((page) => `docs/${page}`)].flatMap(examplesOf);
for (const script of readdirSync(join(root, 'examples'))) {
  examples.push({
    name: `examples/${script}`,
    language: 'js',
    code: readFileSync(join(root, 'examples', script), 'utf8'),
  });
}

describe('examples', () => {
  it('are there', () => {
    const sources = examples.map(({ name }) => name.split(',')[0]);
    expect(sources).toEqual(expect.arrayContaining(['README.md', 'docs/transforms.md', 'examples/first-program.mjs']));
  });

  it.each(examples.map((example) => [example.name, example] as const))('%s', async (name, { language, code }) => {
    const file = join(folder, `${name.replaceAll(/\W+/g, '-')}.${language === 'ts' ? 'ts' : 'mjs'}`);
    writeFileSync(file, code.replaceAll("from 'cotangent'", `from '${library}'`));
    await import(/* @vite-ignore */ file);
  });
});
