import { LOG_LEVELS, parseLogLevel } from '../../base/log.ts';
import { type AdminAnswer, type AdminHandler, badRequest } from './handler.ts';
import type { AdminProxy } from './proxy.ts';

/** Loggers that people know from Envoy. A level can be set for each, whether or not anything logs under the name. */
const KNOWN = [
  'admin assert backtrace client config connection conn_handler compression decompression dns envoy_bug ext_authz',
  'ext_proc file filter forward_proxy grpc happy_eyeballs hc health_checker http http2 init io jwt lua local_rate_limit',
  'main matcher misc mongo multi_connection oauth2 quic pool rate_limit_quota rbac rds redis router runtime stats',
  'secret tap thrift tracing upstream udp wasm websocket stats_sinks',
]
  .join(' ')
  .split(' ');

const USAGE = `usage: /logging?<name>=<level> (one logger)
usage: /logging?paths=name1:level1,name2:level2,... (several loggers)
usage: /logging?level=<level> (all loggers)
levels: ${LOG_LEVELS.join(' ')}
`;

export const logging: AdminHandler = {
  path: '/logging',
  help: 'print or change the levels of loggers',
  mutates: true,
  parameters: [
    { id: 'paths', help: 'Levels of several loggers: <name>:<level>,<name>:<level>', kind: 'text' },
    { id: 'level', help: 'Level of all loggers', choices: ['', ...LOG_LEVELS] },
  ],
  run(proxy, query) {
    const problem = change(proxy, query);
    return problem === undefined ? { body: active(proxy) } : refuse(proxy, problem);
  },
};

/** Makes the changes that the query asks for, or says what is wrong with it and makes none. */
function change({ options: { logging } }: AdminProxy, query: ReadonlyMap<string, string>): string | undefined {
  const given = [...query].filter(([, value]) => value !== '');
  if (given.length > 1) return 'invalid number of parameters';
  const [first] = given;
  if (first === undefined) return undefined;
  const [name, value] = first;
  if (name === 'level') {
    const level = parseLogLevel(value);
    if (level === undefined) return 'unknown logger level';
    logging.setAll(level);
    return undefined;
  }
  const pairs = name === 'paths' ? value.split(',').map((pair) => pair.split(':')) : [[name, value]];
  const loggers = names({ options: { logging } });
  for (const [logger, level] of pairs) {
    if (!loggers.includes(logger)) return 'unknown logger name';
    if (parseLogLevel(level ?? '') === undefined) return 'unknown logger level';
  }
  for (const [logger, level] of pairs) logging.setLevel(parseLogLevel(level)!, logger);
  return undefined;
}

function names({ options: { logging } }: { readonly options: Pick<AdminProxy['options'], 'logging'> }): string[] {
  return [...new Set([...KNOWN, ...logging.levels().keys()])].filter((name) => name !== 'default').sort();
}

function active(proxy: AdminProxy): string {
  const levels = proxy.options.logging.levels();
  const otherwise = levels.get('default')!;
  return `active loggers:\n${names(proxy)
    .map((name) => `  ${name}: ${levels.get(name) ?? otherwise}\n`)
    .join('')}\n`;
}

function refuse(proxy: AdminProxy, problem: string): AdminAnswer {
  return badRequest(`error: ${problem}\n\n${USAGE}\n${active(proxy)}`);
}
