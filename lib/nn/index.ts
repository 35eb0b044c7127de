/** Layers, losses and initialisers, as plain functions over parameters. */

export * from './activations.js';
export * from './attention.js';
export * from './convolution.js';
export * from './dense.js';
export * from './dropout.js';
export * from './embedding.js';
export type { FanOptions, Initializer, InitializerOptions } from './initializers.js';
export * as initializers from './initializers.js';
export * from './losses.js';
export * from './normalization.js';
