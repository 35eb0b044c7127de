/** Compiled Programs, and running them. */
import type { Device } from './device.js';
import { env, fromNative, returnSlot, takeSlot } from './environment.js';
import { encode, type Program } from './program.js';
import { streamOn } from './stream.js';
import type { TensorType } from './types.js';

/** A Program that the addon has decoded and planned. */
export class CompiledProgram {
  readonly outputTypes: readonly TensorType[];
  readonly inputCount: number;
  private constructor(
    readonly id: number,
    /** Where it runs. */
    readonly device: Device,
    program: Program,
  ) {
    this.outputTypes = program.outputTypes;
    this.inputCount = program.inputs.length;
    compiledPrograms.register(this, id);
  }

  /** @param donated  inputs whose buffers each run consumes. */
  static compile(program: Program, device: Device, donated?: ReadonlySet<number>): CompiledProgram {
    const { words, names } = encode(program, device.asynchronous, donated);
    try {
      return new CompiledProgram(env().addon.compile(device.id, words, names), device, program);
    } catch (thrown) {
      throw fromNative(thrown);
    }
  }

  /** The Program after the native passes, one equation a line. */
  describe(): string {
    return env().addon.describeProgram(this.id);
  }
}

const compiledPrograms = new FinalizationRegistry<number>((id) => env().addon.releaseProgram(id));

/** Programs compiled for transforms and control flow outside `jit`, by device and encoding; the oldest unused go first. */
const structural = new Map<string, CompiledProgram>();
const STRUCTURAL_LIMIT = 512;

export function compileCached(program: Program, device: Device): CompiledProgram {
  const { words, names } = encode(program, device.asynchronous);
  const key = `${Buffer.from(words.buffer, words.byteOffset, words.byteLength).toString('latin1')}|${names.join()}|${device.id}`;
  let compiled = structural.get(key);
  if (compiled) structural.delete(key);
  else compiled = CompiledProgram.compile(program, device);
  structural.set(key, compiled);
  if (structural.size > STRUCTURAL_LIMIT) structural.delete(structural.keys().next().value as string);
  return compiled;
}

const slotBuffers: Int32Array[] = [];

/**
 * Runs a Program on its device, on the current stream: reads the first `compiled.inputCount` numbers that `inputSlot` gives, returns the output slots.
 * Blocks while the queue is full.
 */
export function runProgram(compiled: CompiledProgram, inputSlot: (k: number) => number): Int32Array {
  const count = compiled.inputCount + compiled.outputTypes.length;
  let slots = slotBuffers[count];
  if (!slots) {
    slots = new Int32Array(count);
    slotBuffers[count] = slots;
  }
  for (let k = 0; k < compiled.inputCount; k++) slots[k] = inputSlot(k);
  for (let k = compiled.inputCount; k < count; k++) slots[k] = takeSlot();
  try {
    env().addon.execute(compiled.id, streamOn(compiled.device), slots);
  } catch (thrown) {
    for (let k = compiled.inputCount; k < count; k++) returnSlot(slots[k] as number);
    throw fromNative(thrown);
  }
  return slots;
}
