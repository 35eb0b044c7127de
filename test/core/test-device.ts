/**
 * The asynchronous test device (test/native/device) under the names 'cuda:0' and 'cuda:1', for the files that import this: the library
 * reads the environment when it first opens a device.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const addon =
  process.env.COTANGENT_ADDON ?? fileURLToPath(new URL('../../build/Release/cotangent.node', import.meta.url));

/** Path of the library, built with the addon. */
export const testLibrary = join(dirname(addon), 'libcotangent_test_device.so');

if (!existsSync(testLibrary)) throw new Error(`Expected the test device at ${testLibrary}: run npm run build`);
process.env.COTANGENT_CUDA_LIBRARY = testLibrary;
// Slow enough that what nobody waits for is not there yet.
process.env.COTANGENT_TEST_DEVICE_DELAY_US ??= '200';
