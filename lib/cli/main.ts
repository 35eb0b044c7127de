#!/usr/bin/env node
/** The `cotangent` command. */
import { experiments } from './experiments.js';
import { start } from './start.js';

await start(experiments);
