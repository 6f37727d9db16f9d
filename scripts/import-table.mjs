// Who may import whom, as one table: the walls of the house. Everyone may import `base`; nothing is implied.
// `.dependency-cruiser.mjs` turns it into rules, and src/imports.test.ts plants a bad import to see them bite.

/** Folder under src -> folders under src that it may import, besides itself and `base`. */
export const TABLE = {
  base: [],
  wire: [],
  api: [],
  config: [],
  process: [],
  registry: ['config'],
  ratelimit: ['config', 'api'],
  adapters: ['config', 'registry'],
  translate: ['config', 'registry', 'api'],
  analysis: ['config', 'registry', 'translate', 'adapters'],
  explain: ['translate', 'registry', 'config', 'proxy/router', 'proxy/filters'],
  xds: ['api', 'wire'],
  ca: ['api', 'wire'],
  discovery: ['config', 'adapters', 'registry', 'translate', 'xds', 'ca'],
  proxy: ['wire', 'api', 'xds/client', 'xds/session', 'telemetry'],
  // How the proxy reads what it is configured with; every part of it does, so this imports none of them.
  'proxy/config': ['api'],
  agent: ['wire', 'api', 'xds', 'ca/client', 'ca/content', 'proxy', 'process'],
  kubernetes: ['config', 'registry', 'ca', 'api'],
  local: ['config', 'registry', 'ca', 'agent', 'process'],
  telemetry: ['api', 'wire'],
  'dashboard/api': ['config', 'registry', 'analysis', 'explain', 'telemetry'],
  app: null,
  cli: ['app', 'config', 'api', 'analysis', 'explain'],
};

/** Folders that hold logic only: no sockets, files, processes or timers of Node's. */
export const PURE = ['wire', 'translate', 'xds/session', 'proxy/router', 'proxy/lb', 'proxy/filters'];

/** What a pure folder may not import. */
export const IMPURE_MODULES =
  '^(node:)?(net|tls|fs|fs/promises|http|http2|https|dgram|child_process|timers|timers/promises|worker_threads|dns|dns/promises)$';
