/** The examples of docs/training.md run, and print what their comments say. */
import { readFileSync } from 'node:fs';
import { format } from 'node:util';
import { describe, expect, it } from 'vitest';
import * as cotangent from '../../lib/index.js';

const document = readFileSync(new URL('../../docs/training.md', import.meta.url), 'utf8');
const examples = [...document.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code);

type Run = (
  library: typeof cotangent,
  load: (name: string) => Promise<unknown>,
  console: { log(...values: unknown[]): void },
) => Promise<void>;
const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => Run;

describe('docs/training.md', () => {
  it('has examples', () => expect(examples.length).toBeGreaterThan(4));

  it.each(examples)('%s', async (code) => {
    const body = code.replace(/import (\{[^}]*\}) from '([^']+)';/g, (_, names, module) =>
      module === 'cotangent' ? `const ${names} = library;` : `const ${names} = await load('${module}');`,
    );
    const printed: string[] = [];
    await new AsyncFunction('library', 'load', 'console', body)(cotangent, (name) => import(name), {
      log: (...values) => printed.push(format(...values)),
    });
    const promised = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)/g)].map(([, text]) => text);
    for (const text of promised) expect(printed).toContain(text);
  });
});
