/** A device that fails while nobody looks: whatever it still had to do rejects, and nothing else does. */
import './test-device.js';
import { describe, expect, it } from 'vitest';
import { DeviceError, device, jit, ones, type Tensor, tanh } from '../../lib/index.js';

process.env.COTANGENT_TEST_DEVICE_FAULT = 'reduceProd';

describe('a device that is lost', () => {
  it('fails what was in flight and what comes later, each with a DeviceError; other devices go on', async () => {
    const [doomed, other] = [device('cuda:0'), device('cuda:1')];
    const x = ones([100], { device: doomed });
    const before = x.add(1);
    expect((await before.data())[0]).toBe(2);

    const fatal = x.prod();
    // Launched before anybody can know.
    const dependent = tanh(fatal).add(1);
    const unrelated = x.mul(2);
    const moved = unrelated.to('cpu');
    for (const lost of [fatal, dependent, unrelated, moved]) {
      const error = await lost.data().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(DeviceError);
      expect(error).toMatchObject({ code: 'ERR_DEVICE', op: 'reduceProd' });
      expect((error as Error).message).toMatch(
        /received a fault of the device\. Hint: this process cannot use the device any more/,
      );
    }
    const later = jit((v: Tensor) => v.mul(3))(x);
    await expect(later.data()).rejects.toMatchObject({ code: 'ERR_DEVICE' });
    await doomed.idle();
    await expect(doomed.time(() => {})).rejects.toBeInstanceOf(DeviceError);

    expect(await ones([10], { device: other }).sum().item()).toBe(10);
    expect(await ones([10]).sum().item()).toBe(10);
  });
});
