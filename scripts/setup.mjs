/**
 * Brings a fresh clone to where `node dist/cli/main.js` runs. Needs Node alone; what is up to date is left alone.
 *
 *   --no-install   tell which tools of the system are missing instead of installing them
 */
import { parseArgs } from 'node:util';
import { main } from './internal/process.mjs';
import { setup } from './internal/setup.mjs';

const { values } = parseArgs({ options: { 'no-install': { type: 'boolean', default: false } } });
await main(() => setup({ install: !values['no-install'] }));
