import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // A crash of the addon then takes one worker down, not the run.
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // fast-check and our own generators print their seed when a case fails.
    sequence: { shuffle: false },
  },
});
