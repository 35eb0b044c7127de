/** Bytes from a file or from memory, read piecewise so that the event loop keeps turning, with typed errors for what can go wrong. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import { DomainError } from '../../core/errors.js';

/** A path, or the file's content. */
export type Source = string | URL | Uint8Array;

/** Lets the event loop turn once. */
export const breathe = (): Promise<void> => nextTurn();

/** How messages call a source. */
export function sourceName(source: Source): string {
  if (source instanceof Uint8Array) return 'the buffer';
  return source instanceof URL ? source.pathname : source;
}

/** A malformed file. `where` adds to `details`: line, column, tensor. */
export function malformed(
  op: string,
  source: Source,
  message: string,
  where: Readonly<Record<string, unknown>> & { hint?: string; cause?: unknown } = {},
): DomainError {
  const { hint, cause, ...place } = where;
  const path = source instanceof Uint8Array ? {} : { path: sourceName(source) };
  return new DomainError(op, message, { hint, cause, details: { ...path, ...place } });
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EISDIR: 'a directory',
  EACCES: 'permission denied',
  ENOSPC: 'no space left on the device',
};

/** What a failed file operation means to the caller. */
export function fileFailure(op: string, kind: 'readable' | 'writable', source: Source, cause: unknown): DomainError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const reason = reasons[code ?? ''] ?? message ?? String(cause);
  return malformed(op, source, `Expected a ${kind} file at ${sourceName(source)}, received: ${reason}`, { cause });
}

/** @throws {DomainError} a byte of a bool array is neither 0 nor 1. */
export async function checkBools(op: string, source: Source, what: string, data: Uint8Array): Promise<void> {
  const step = 1 << 20;
  for (let start = 0; start < data.length; start += step) {
    const bad = data.subarray(start, start + step).findIndex((byte) => byte > 1);
    if (bad >= 0) {
      throw malformed(op, source, `Expected bools (bytes 0 or 1) in ${what}, received ${data[start + bad]}`, {
        element: start + bad,
      });
    }
    await breathe();
  }
}

const PIECE = 64 * 1024;

async function* slicesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) {
    yield bytes.subarray(at, at + PIECE);
    await breathe();
  }
}

async function isGzip(op: string, source: Source): Promise<boolean> {
  if (source instanceof Uint8Array) return source[0] === 0x1f && source[1] === 0x8b;
  let handle: FileHandle | undefined;
  try {
    handle = await open(source);
    const head = new Uint8Array(2);
    const { bytesRead } = await handle.read(head, 0, 2, 0);
    return bytesRead === 2 && head[0] === 0x1f && head[1] === 0x8b;
  } catch (cause) {
    throw fileFailure(op, 'readable', source, cause);
  } finally {
    await handle?.close();
  }
}

/** The content in pieces of about 64 kB, decompressed when it is gzip. @throws {DomainError} cannot be read, or corrupt gzip. */
export async function* pieces(op: string, source: Source): AsyncGenerator<Uint8Array> {
  const zipped = await isGzip(op, source);
  let stream: Readable =
    source instanceof Uint8Array ? Readable.from(slicesOf(source)) : createReadStream(source, { highWaterMark: PIECE });
  // A failure upstream destroys the last stream of the pipeline with its error, which ends the loop below.
  if (zipped) stream = pipeline(stream, createGunzip({ chunkSize: PIECE }), () => {});
  try {
    for await (const piece of stream) yield piece as Uint8Array;
  } catch (cause) {
    if (!String((cause as NodeJS.ErrnoException).code).startsWith('Z_'))
      throw fileFailure(op, 'readable', source, cause);
    const reason = (cause as Error).message;
    throw malformed(op, source, `Expected intact gzip data in ${sourceName(source)}, received: ${reason}`, { cause });
  }
}

/** The whole content, decompressed when it is gzip. */
export async function readAll(op: string, source: Source): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces(op, source)) parts.push(piece);
  return Buffer.concat(parts);
}

/** Lines without their ends (`\n` or `\r\n`) and without a byte order mark, numbered from 1. */
export async function* lines(op: string, source: Source): AsyncGenerator<[line: string, number: number]> {
  const decoder = new TextDecoder();
  let rest = '';
  let number = 0;
  for await (const piece of pieces(op, source)) {
    const parts = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = parts.pop() as string;
    for (const part of parts) yield [part.endsWith('\r') ? part.slice(0, -1) : part, ++number];
  }
  rest += decoder.decode();
  if (rest !== '') yield [rest, ++number];
}

/** Bytes with random access: large arrays are read straight into the memory that will hold them. */
export class RandomAccess {
  private constructor(
    private readonly op: string,
    private readonly source: Source,
    readonly size: number,
    private readonly handle: FileHandle | undefined,
  ) {}

  static async open(op: string, source: Source): Promise<RandomAccess> {
    if (source instanceof Uint8Array) return new RandomAccess(op, source, source.length, undefined);
    let handle: FileHandle | undefined;
    try {
      handle = await open(source);
      const stat = await handle.stat();
      if (stat.isDirectory()) throw Object.assign(new Error('a directory'), { code: 'EISDIR' });
      return new RandomAccess(op, source, stat.size, handle);
    } catch (cause) {
      await handle?.close();
      throw fileFailure(op, 'readable', source, cause);
    }
  }

  /** Fills `target` from `position`. @throws {DomainError} the content ends before. */
  async read(target: Uint8Array, position: number): Promise<void> {
    const step = 32 * 1024 * 1024;
    let done = 0;
    while (done < target.length) {
      const length = Math.min(step, target.length - done);
      const read = await this.readPiece(target.subarray(done, done + length), position + done);
      if (read === 0) {
        throw malformed(
          this.op,
          this.source,
          `Expected ${position + target.length} bytes in ${sourceName(this.source)}, received ${position + done}: it is truncated`,
        );
      }
      done += read;
    }
  }

  async close(): Promise<void> {
    await this.handle?.close();
  }

  private async readPiece(target: Uint8Array, position: number): Promise<number> {
    if (!this.handle) {
      const piece = (this.source as Uint8Array).subarray(position, position + target.length);
      target.set(piece);
      return piece.length;
    }
    try {
      return (await this.handle.read(target, 0, target.length, position)).bytesRead;
    } catch (cause) {
      throw fileFailure(this.op, 'readable', this.source, cause);
    }
  }
}
