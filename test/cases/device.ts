/**
 * The device under test, and which cases of the table run there. COTANGENT_TEST_DEVICE names it while another one stays the default: what
 * an operation makes on the default device instead of beside its operands then shows. Without it, it is the default device.
 */
import { sizeOf } from './array.js';
import type { Case } from './row.js';

/** Elements of the largest operand or result. Emulation runs a GPU's threads one after the other, so large cases wait for hardware. */
const LARGEST: Readonly<Record<string, number>> = { 'cuda:emulated': 20_000 };

export const testedDevice = process.env.COTANGENT_TEST_DEVICE || process.env.COTANGENT_DEVICE || 'cpu';

/** The only rule: by size. */
export function fitsDevice({ operands, params }: Case, device = testedDevice): boolean {
  const largest = LARGEST[device] ?? Number.POSITIVE_INFINITY;
  const shapes = operands.map(({ shape }) => shape);
  if (Array.isArray(params.shape)) shapes.push(params.shape as number[]);
  return shapes.every((shape) => sizeOf(shape) <= largest);
}
