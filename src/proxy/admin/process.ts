import { type AdminHandler, JSON_TYPE, pretty } from './handler.ts';
import { HOT_RESTART_VERSION } from './server-info.ts';

export const MEMORY: AdminHandler = {
  path: '/memory',
  help: 'print how much memory is in use',
  run() {
    const { heapUsed, heapTotal, rss, external } = process.memoryUsage();
    return {
      type: JSON_TYPE,
      body: `${pretty({
        allocated: String(heapUsed + external),
        heap_size: String(heapTotal + external),
        pageheap_unmapped: '0',
        pageheap_free: String(heapTotal - heapUsed),
        total_thread_cache: '0',
        total_physical_bytes: String(rss),
      })}\n`,
    };
  },
};

export const HOT_RESTART: AdminHandler = {
  path: '/hot_restart_version',
  help: 'print the version of the hot restart protocol',
  run: () => ({ body: HOT_RESTART_VERSION }),
};

export const CONTENTION: AdminHandler = {
  path: '/contention',
  help: 'print contention of locks; there are none',
  run: () => ({ body: 'Mutex contention tracing is not enabled.' }),
};

export const INIT_DUMP: AdminHandler = {
  path: '/init_dump',
  help: 'print what is waited for while starting',
  parameters: [{ id: 'mask', help: 'Only this: listener', kind: 'text' }],
  run(proxy, query) {
    const dumps = proxy.unreadyTargets(query.get('mask') === 'listener');
    return { type: JSON_TYPE, body: `${pretty(dumps.length > 0 ? { unready_targets_dumps: dumps } : {})}\n` };
  },
};

/** Profilers of Envoy's allocator: a heap of this runtime would hold private keys. */
function unsupported(path: string, what: string, mutates: boolean): AdminHandler {
  return {
    path,
    help: `${what} (not supported)`,
    mutates,
    parameters: mutates ? [{ id: 'enable', help: 'On or off', choices: ['y', 'n'] }] : undefined,
    run: () => ({ status: 501, body: `The current build does not support ${what}\n` }),
  };
}

export const PROFILERS = {
  allocation: unsupported('/allocprofiler', 'allocation profiler', true),
  cpu: unsupported('/cpuprofiler', 'CPU profiler', true),
  heap: unsupported('/heapprofiler', 'heap profiler', true),
  heapDump: unsupported('/heap_dump', 'heap dump', false),
  peakHeapDump: unsupported('/peak_heap_dump', 'peak heap dump', false),
  allocator: unsupported('/memory/tcmalloc', 'TCMalloc stats', false),
} as const;
