/** Typed errors: one class per kind, each with a stable `code`, the operation to blame, and machine-readable `details`. */

export interface ErrorOptions {
  /** What to do about it; appended to the message. */
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

const STACK_FRAMES = 30;

/** Base of every error that cotangent throws on purpose. */
export class CotangentError extends Error {
  /** Operation to blame, as the caller would name it. */
  readonly op: string;
  /** Stable identifier of the kind of error, such as `ERR_SHAPE`. */
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, op: string, message: string, options: ErrorOptions = {}) {
    const period = message.endsWith('.') ? '' : '.';
    const hint = options.hint === undefined ? '' : ` Hint: ${options.hint.replace(/\.$/, '')}.`;
    // Operations nest deeper than the ten frames that V8 keeps: the stack must reach the caller.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = Math.max(limit, STACK_FRAMES);
    super(`[${op}] ${message}${period}${hint}`, options.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = limit;
    this.name = new.target.name;
    this.code = code;
    this.op = op;
    this.details = options.details ?? {};
  }
}

/** Shapes disagree with each other or with what the operation takes. */
export class ShapeError extends CotangentError {
  constructor(op: string, message: string, options?: ErrorOptions) {
    super('ERR_SHAPE', op, message, options);
  }
}

/** dtypes disagree, or the operation does not take this dtype. */
export class DTypeError extends CotangentError {
  constructor(op: string, message: string, options?: ErrorOptions) {
    super('ERR_DTYPE', op, message, options);
  }
}

/** A value lies outside what the operation is defined for: a non-positive penalty, NaN in the data, an unknown option. */
export class DomainError extends CotangentError {
  constructor(op: string, message: string, options?: ErrorOptions) {
    super('ERR_DOMAIN', op, message, options);
  }
}

/** The requested device (or the addon itself) cannot be used. */
export class DeviceError extends CotangentError {
  constructor(op: string, message: string, options?: ErrorOptions) {
    super('ERR_DEVICE', op, message, options);
  }
}

/** The computation broke down: a matrix that is not positive definite, an iteration that diverged. */
export class NumericalError extends CotangentError {
  constructor(op: string, message: string, options?: ErrorOptions) {
    super('ERR_NUMERICAL', op, message, options);
  }
}

/** An allocation went over the memory limit, or the device had no memory left. */
export class OutOfMemoryError extends CotangentError {
  constructor(op: string, message: string, options?: ErrorOptions) {
    super('ERR_OUT_OF_MEMORY', op, message, options);
  }
}

/** A tensor was used after `dispose()`, after its scope ended, or after it was donated. */
export class DisposedError extends CotangentError {
  constructor(op: string, message: string, options?: ErrorOptions) {
    super('ERR_DISPOSED', op, message, options);
  }
}

/** Communication between processes failed. */
export class CommError extends CotangentError {
  constructor(op: string, message: string, options?: ErrorOptions) {
    super('ERR_COMM', op, message, options);
  }
}

/** The work was aborted, by its `AbortSignal` or by the end of its environment. */
export class AbortError extends CotangentError {
  constructor(op: string, message: string, options?: ErrorOptions) {
    super('ERR_ABORTED', op, message, options);
  }
}

/** A function cannot be traced as written: a traced value was used as if it were a number. */
export class TracingError extends CotangentError {
  constructor(op: string, message: string, options?: ErrorOptions) {
    super('ERR_TRACING', op, message, options);
  }
}

/** A broken invariant of cotangent itself: please report it. */
export class InternalError extends CotangentError {
  constructor(op: string, message: string, options?: ErrorOptions) {
    super('ERR_INTERNAL', op, message, options);
  }
}
