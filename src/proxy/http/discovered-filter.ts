import type { DiscoveredExtension } from '../extension-config.ts';
import { ResponseFlag } from '../observe/response-flags.ts';
import { type FilterCallbacks, HeadersStatus, type HttpFilter, type HttpFilterFactory } from './filter.ts';

/** A filter whose configuration comes by itself (`config_discovery`), as a filter of a connection manager. */
export function discoveredHttpFilter(extension: DiscoveredExtension<HttpFilterFactory>): HttpFilterFactory {
  return {
    create(callbacks) {
      const { current } = extension;
      return current === undefined ? new MissingFilter(callbacks) : current.create(callbacks);
    },
    dispose: () => extension.dispose(),
  };
}

/** Stands where a filter should be: requests do not go on without it. */
class MissingFilter implements HttpFilter {
  readonly #callbacks: FilterCallbacks;

  constructor(callbacks: FilterCallbacks) {
    this.#callbacks = callbacks;
  }

  requestHeaders(): HeadersStatus {
    this.#callbacks.sendLocalReply({
      status: 500,
      body: '',
      details: '',
      flags: ResponseFlag.NoFilterConfigFound,
    });
    return HeadersStatus.StopAll;
  }
}
