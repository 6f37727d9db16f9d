import type { LogLine, LogPattern } from './log-pattern.ts';

/** From most to least talkative; Envoy's names. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Other names of the levels: Istio's, and those that Envoy's command line takes as well. */
const ALIASES: Readonly<Record<string, LogLevel>> = { warn: 'warning', err: 'error', fatal: 'critical', none: 'off' };

/** A level by Envoy's or Istio's name, in any case. */
export function parseLogLevel(name: string): LogLevel | undefined {
  const key = name.trim().toLowerCase();
  return LOG_LEVELS.find((level) => level === key) ?? (Object.hasOwn(ALIASES, key) ? ALIASES[key] : undefined);
}

/** What a line tells besides its message, as `key=value` or JSON members. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes lines of one scope. No method ever throws, whatever it is given and whatever becomes of the output. */
export interface Logger {
  readonly scope: string;
  /** Whether a line of this level would be written: asked before a costly message is put together. */
  enabled(level: LogLevel): boolean;
  trace(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  critical(message: string, fields?: LogFields): void;
}

/**
 * - `envoy`: `[2026-01-01 12:00:00.000][PID][warning][config] message`, local time
 * - `istio`: `2026-01-01T12:00:00.000000Z  info  ads  message  key=value`, tabs between, no scope when it is `default`
 * - `json`: one object a line with Istio's keys `level`, `time`, `scope`, `msg`
 * - a pattern of the user's, in which fields follow the message as in `envoy`
 */
export type LogFormat = 'envoy' | 'istio' | 'json' | LogPattern;

/** Where lines go: the part of a Node stream that is used. */
export interface LogStream {
  write(line: string): unknown;
  readonly isTTY?: boolean;
  on?(event: 'error', listener: () => void): unknown;
}

export interface LoggingOptions {
  readonly format: LogFormat;
  /** Default `info`. */
  readonly level?: LogLevel;
  readonly stream: LogStream;
  /** Default: on a terminal, unless `NO_COLOR` is set. */
  readonly colors?: boolean;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly pid?: number;
}

/** The logs of one process: a level for every scope, which can change while it runs, and one place where lines go. */
export class Logging {
  readonly #options: LoggingOptions;
  readonly #colors: boolean;
  readonly #scopes = new Map<string, ScopeLogger>();
  /** Levels given to scopes by name, also to those that have not logged yet. */
  readonly #own = new Map<string, LogLevel>();
  #level: LogLevel;

  constructor(options: LoggingOptions) {
    this.#options = options;
    this.#level = options.level ?? 'info';
    this.#colors = options.colors ?? (options.stream.isTTY === true && !process.env.NO_COLOR);
    // A reader that goes away must not end the process through an unhandled 'error' event.
    options.stream.on?.('error', () => {});
  }

  /** The logger of a scope; the same one each time. */
  scope(name: string): Logger {
    let logger = this.#scopes.get(name);
    if (!logger) {
      logger = new ScopeLogger(name, (level, message, fields) => this.#write(name, level, message, fields));
      logger.setLevel(this.#own.get(name) ?? this.#level);
      this.#scopes.set(name, logger);
    }
    return logger;
  }

  /** Sets one scope, or without a name all that have no level of their own. */
  setLevel(level: LogLevel, scope?: string): void {
    if (scope === undefined) this.#level = level;
    else this.#own.set(scope, level);
    this.#apply();
  }

  /** Sets every scope, and forgets levels of their own. */
  setAll(level: LogLevel): void {
    this.#level = level;
    this.#own.clear();
    this.#apply();
  }

  /**
   * Takes what `--log_output_level` (Istio) and `--component-log-level` (Envoy) take: `scope:level,scope:level`, where
   * a bare level or the scope `default` means those not named, and `all` means all. Returns what is wrong with it, in
   * which case nothing has changed.
   */
  configure(spec: string): string | undefined {
    const wanted: [string, LogLevel][] = [];
    for (const item of spec.split(',')) {
      if (item.trim() === '') continue;
      const colon = item.lastIndexOf(':');
      const level = parseLogLevel(item.slice(colon + 1));
      if (!level) return `"${item.slice(colon + 1).trim()}" is not a log level; there are ${LOG_LEVELS.join(', ')}`;
      wanted.push([colon === -1 ? 'default' : item.slice(0, colon).trim(), level]);
    }
    for (const [scope, level] of wanted) {
      if (scope === 'all') this.setAll(level);
      else this.setLevel(level, scope === 'default' ? undefined : scope);
    }
    return undefined;
  }

  /** The level of every scope that has logged or was given one, by name. */
  levels(): ReadonlyMap<string, LogLevel> {
    const names = new Set(['default', ...this.#scopes.keys(), ...this.#own.keys()]);
    return new Map([...names].sort().map((name) => [name, this.#own.get(name) ?? this.#level]));
  }

  #apply(): void {
    for (const [name, logger] of this.#scopes) logger.setLevel(this.#own.get(name) ?? this.#level);
  }

  #write(scope: string, level: LogLevel, message: string, fields: LogFields | undefined): void {
    try {
      const { format, stream, now = Date.now, pid = process.pid } = this.#options;
      const time = new Date(now());
      stream.write(`${this.#line(format, { time, pid, scope, level, message }, fields)}\n`);
    } catch {
      // Logging is never a reason to fail.
    }
  }

  #line(format: LogFormat, line: LogLine & { readonly level: LogLevel }, fields?: LogFields): string {
    const { time, pid, scope, level, message } = line;
    switch (format) {
      case 'json':
        return jsonLine(time, scope, level, message, fields);
      case 'istio':
        return istioLine(time, scope, this.#painted(level, ISTIO_NAMES[level] ?? level), message, fields);
      case 'envoy':
        return envoyLine(time, pid, scope, this.#painted(level, level), message, fields);
      default:
        return format({ ...line, message: `${safe(message)}${textFields(fields, ' ')}` });
    }
  }

  #painted(level: LogLevel, text: string): string {
    return this.#colors ? `\u001b[${COLORS[level]}m${text}\u001b[0m` : text;
  }
}

class ScopeLogger implements Logger {
  readonly scope: string;
  readonly #write: (level: LogLevel, message: string, fields?: LogFields) => void;
  #threshold = 0;

  constructor(scope: string, write: (level: LogLevel, message: string, fields?: LogFields) => void) {
    this.scope = scope;
    this.#write = write;
  }

  setLevel(level: LogLevel): void {
    this.#threshold = LOG_LEVELS.indexOf(level);
  }

  enabled(level: LogLevel): boolean {
    return level !== 'off' && LOG_LEVELS.indexOf(level) >= this.#threshold;
  }

  trace(message: string, fields?: LogFields): void {
    if (this.#threshold <= 0) this.#write('trace', message, fields);
  }

  debug(message: string, fields?: LogFields): void {
    if (this.#threshold <= 1) this.#write('debug', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    if (this.#threshold <= 2) this.#write('info', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    if (this.#threshold <= 3) this.#write('warning', message, fields);
  }

  error(message: string, fields?: LogFields): void {
    if (this.#threshold <= 4) this.#write('error', message, fields);
  }

  critical(message: string, fields?: LogFields): void {
    if (this.#threshold <= 5) this.#write('critical', message, fields);
  }
}

/** Says nothing: for tests, and for parts that were given no logger. */
export const silentLogger: Logger = {
  scope: 'silent',
  enabled: () => false,
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
  critical() {},
};

const ISTIO_NAMES: Partial<Record<LogLevel, string>> = { warning: 'warn', critical: 'fatal' };
const COLORS: Record<LogLevel, string> = {
  trace: '37',
  debug: '36',
  info: '32',
  warning: '33;1',
  error: '31;1',
  critical: '41;1',
  off: '0',
};

function envoyLine(time: Date, pid: number, scope: string, level: string, message: string, fields?: LogFields): string {
  return `[${localTime(time)}][${pid}][${level}][${scope}] ${safe(message)}${textFields(fields, ' ')}`;
}

function istioLine(time: Date, scope: string, level: string, message: string, fields?: LogFields): string {
  const stamp = time.toISOString().replace('Z', '000Z');
  const name = scope === 'default' ? '' : `${scope}\t`;
  return `${stamp}\t${level}\t${name}${safe(message)}${textFields(fields, '\t')}`;
}

function jsonLine(time: Date, scope: string, level: LogLevel, message: string, fields?: LogFields): string {
  const line: Record<string, unknown> = {
    level: ISTIO_NAMES[level] ?? level,
    time: time.toISOString().replace('Z', '000Z'),
    scope,
    msg: redact(message),
  };
  for (const [key, value] of entriesOf(fields)) line[key in line ? `${key}_` : key] = fieldValue(key, value);
  return JSON.stringify(line);
}

function localTime(time: Date): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const date = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return `${date} ${clock}.${String(time.getMilliseconds()).padStart(3, '0')}`;
}

function textFields(fields: LogFields | undefined, separator: string): string {
  let text = '';
  for (const [key, value] of entriesOf(fields)) {
    const shown = fieldValue(key, value);
    text += `${separator}${key}=${safe(typeof shown === 'string' ? shown : JSON.stringify(shown))}`;
  }
  return text;
}

function entriesOf(fields: LogFields | undefined): [string, unknown][] {
  return fields ? Object.entries(fields).filter(([, value]) => value !== undefined) : [];
}

/** A field as a string, number, boolean, null or JSON that is sure to serialise. */
function fieldValue(key: string, value: unknown): unknown {
  if (SECRET_KEY.test(key)) return REDACTED;
  if (typeof value === 'string') return redact(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  if (value instanceof Error) return redact(value.message);
  if (typeof value !== 'object') return String(value);
  try {
    const seen = JSON.stringify(value, (name, inner) => {
      if (SECRET_KEY.test(name)) return REDACTED;
      return typeof inner === 'bigint' ? String(inner) : typeof inner === 'string' ? redact(inner) : inner;
    });
    return seen === undefined ? String(value) : JSON.parse(seen);
  } catch {
    return '[unprintable]';
  }
}

const REDACTED = '[redacted]';
const SECRET_KEY = /^(.*[_-])?(password|passwd|token|authorization|cookie|private[_-]?key|api[_-]?key)$/i;
const SECRETS: readonly [RegExp, string][] = [
  [/-----BEGIN ([A-Z ]*)PRIVATE KEY-----[\s\S]*?(-----END \1PRIVATE KEY-----|$)/g, '[redacted private key]'],
  [/\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*/g, '[redacted token]'],
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${REDACTED}`],
];

/**
 * The text without private keys (PEM), JSON web tokens and HTTP credentials. Every line goes through it, so that a
 * careless message does not put a key into a log; it is no licence to log one.
 */
export function redact(text: string): string {
  let result = text;
  for (const [pattern, replacement] of SECRETS) result = result.replace(pattern, replacement);
  return result;
}

/** Redacted, and with control characters escaped: what a peer sent cannot forge a line or drive a terminal. */
function safe(text: string): string {
  return redact(text).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (c) => {
    if (c === '\n') return '\\n';
    if (c === '\t') return ' ';
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
