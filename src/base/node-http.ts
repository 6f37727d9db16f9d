import type * as NodeHttp from 'node:http';

/**
 * Node's `node:http`, without what an `import` of it loads besides, for fetch and WebSocket: that is 16 MB and 50 ms in
 * every process. Types can be imported as ever.
 */
export const http: typeof NodeHttp = process.getBuiltinModule('node:http');
