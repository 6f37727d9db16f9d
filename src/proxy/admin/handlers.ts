import { certs } from './certs.ts';
import { clusters } from './clusters.ts';
import { configDump } from './config-dump/handler.ts';
import { type AdminHandler, HTML } from './handler.ts';
import { home } from './html.ts';
import {
  DRAIN_LISTENERS,
  HEALTHCHECK_FAIL,
  HEALTHCHECK_OK,
  QUIT,
  READY,
  REOPEN_LOGS,
  RESET_COUNTERS,
} from './lifecycle.ts';
import { listeners } from './listeners.ts';
import { logging } from './logging.ts';
import { CONTENTION, HOT_RESTART, INIT_DUMP, MEMORY, PROFILERS } from './process.ts';
import { RUNTIME, RUNTIME_MODIFY } from './runtime.ts';
import { serverInfo } from './server-info.ts';
import { STATS_HANDLERS } from './stats/handlers.ts';

/** All commands, in the order of `/help`. */
export const HANDLERS: readonly AdminHandler[] = [
  { path: '/', help: 'start page', run: () => ({ type: HTML, body: home(HANDLERS) }) },
  PROFILERS.allocation,
  certs,
  clusters,
  configDump,
  CONTENTION,
  PROFILERS.cpu,
  DRAIN_LISTENERS,
  HEALTHCHECK_FAIL,
  HEALTHCHECK_OK,
  PROFILERS.heapDump,
  PROFILERS.heap,
  { path: '/help', help: 'print this list', run: () => ({ body: commandHelp() }) },
  HOT_RESTART,
  INIT_DUMP,
  listeners,
  logging,
  MEMORY,
  PROFILERS.allocator,
  PROFILERS.peakHeapDump,
  QUIT,
  READY,
  REOPEN_LOGS,
  RESET_COUNTERS,
  RUNTIME,
  RUNTIME_MODIFY,
  serverInfo,
  ...STATS_HANDLERS,
];

/** What `/help` prints, and a path that there is not. */
export function commandHelp(): string {
  let text = 'admin commands are:\n';
  for (const { path, mutates, help, parameters } of HANDLERS) {
    text += `  ${path}${mutates ? ' (POST)' : ''}: ${help}\n`;
    for (const { id, help: explanation, choices } of parameters ?? []) {
      text += `      ${id}: ${explanation}${choices ? `; One of (${choices.join(', ')})` : ''}\n`;
    }
  }
  return text;
}
