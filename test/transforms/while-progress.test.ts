/** Progress of loops that run ahead of their condition, on a device so slow that no report is left out for coming too soon. */
import { expect, it, vi } from 'vitest';

// Reports of one tag are at least 40 ms apart, and each waits for the kernel whose result it tells.
vi.hoisted(() => {
  process.env.COTANGENT_TEST_DEVICE_DELAY_US = '50000';
});

import '../core/test-device.js';
import { emit, Stream, type Tensor, tensor, whileLoop } from '../../lib/index.js';

it('a loop reports each of its iterations once, and none of those too many', async () => {
  const stream = new Stream();
  const heard: number[] = [];
  stream.onEmit((_, { k }) => heard.push(k as number));
  const end = stream.run(() =>
    whileLoop(
      (k: Tensor) => k.less(11),
      (k: Tensor) => {
        const next = k.add(1);
        emit('iterations', { k: next });
        return next;
      },
      tensor(0, { dtype: 'int32', device: 'cuda:0' }),
    ),
  );
  expect(await end.item()).toBe(11);
  await vi.waitFor(() => expect(heard.at(-1)).toBe(11));
  expect(heard).toEqual(Array.from({ length: 11 }, (_, k) => k + 1));
  stream.dispose();
});
