/**
 * The examples in docs/ that are marked ```js runnable (or ts) run. One that begins with imports is a module of its own; those that
 * follow without imports continue it.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const docs = join(import.meta.dirname, '..', '..', 'docs');
const library = pathToFileURL(join(import.meta.dirname, '..', '..', 'lib', 'index.ts')).href;
const folder = mkdtempSync(join(import.meta.dirname, 'page-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Example {
  readonly name: string;
  readonly language: string;
  code: string;
}

function examplesOf(page: string): Example[] {
  const text = readFileSync(join(docs, page), 'utf8');
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

const examples = readdirSync(docs)
  .filter((page) => page.endsWith('.md'))
  .flatMap(examplesOf);

describe('examples in docs/', () => {
  it('are there', () => {
    expect(examples.map(({ name }) => name.split(',')[0])).toContain('transforms.md');
  });

  it.each(examples.map((example) => [example.name, example] as const))('%s', async (name, { language, code }) => {
    const file = join(folder, `${name.replaceAll(/\W+/g, '-')}.${language === 'ts' ? 'ts' : 'mjs'}`);
    writeFileSync(file, code.replaceAll("from 'cotangent'", `from '${library}'`));
    await import(/* @vite-ignore */ file);
  });
});
