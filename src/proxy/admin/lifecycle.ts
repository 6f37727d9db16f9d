import type { AdminAnswer, AdminHandler } from './handler.ts';

const OK: AdminAnswer = { body: 'OK\n' };

/** What changes the life of the proxy, and asks after it. */
export const READY: AdminHandler = {
  path: '/ready',
  help: 'print the state of the server; 200 if it is LIVE, 503 otherwise',
  run: (proxy) => ({ status: proxy.live ? 200 : 503, body: `${proxy.shownState}\n` }),
};

export const DRAIN_LISTENERS: AdminHandler = {
  path: '/drain_listeners',
  help: 'let connections end and stop listening',
  mutates: true,
  parameters: [
    { id: 'graceful', help: 'Go on listening while connections drain, for as long as --drain-time-s', kind: 'flag' },
    { id: 'skip_exit', help: 'Drain connections and never stop listening', kind: 'flag' },
    { id: 'inboundonly', help: 'Only listeners whose traffic_direction is INBOUND', kind: 'flag' },
  ],
  run(proxy, query) {
    proxy.drain({
      graceful: query.has('graceful'),
      inboundOnly: query.has('inboundonly'),
      skipExit: query.has('skip_exit'),
    });
    return OK;
  },
};

export const HEALTHCHECK_FAIL: AdminHandler = {
  path: '/healthcheck/fail',
  help: 'answer health checks as failing from now on',
  mutates: true,
  run(proxy) {
    proxy.healthFailed = true;
    return OK;
  },
};

export const HEALTHCHECK_OK: AdminHandler = {
  path: '/healthcheck/ok',
  help: 'answer health checks as passing again',
  mutates: true,
  run(proxy) {
    proxy.healthFailed = false;
    return OK;
  },
};

export const QUIT: AdminHandler = {
  path: '/quitquitquit',
  help: 'end the server',
  mutates: true,
  run(proxy) {
    // The answer leaves first.
    setImmediate(() => proxy.quit.resolve());
    return OK;
  },
};

export const RESET_COUNTERS: AdminHandler = {
  path: '/reset_counters',
  help: 'set all counters to zero',
  mutates: true,
  run(proxy) {
    proxy.worker.stats.resetCounters();
    return OK;
  },
};

export const REOPEN_LOGS: AdminHandler = {
  path: '/reopen_logs',
  help: 'close access logs and open them again under the same names',
  mutates: true,
  run(proxy) {
    proxy.sinks.reopen();
    return OK;
  },
};
