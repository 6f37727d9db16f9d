import { UserError } from '../../base/errors.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads variables one by one; an empty one is as good as none. A {@link UserError} names the one that is wrong. */
export class EnvironmentReader {
  readonly #env: Environment;

  constructor(env: Environment) {
    this.#env = env;
  }

  text(name: string): string | undefined {
    return this.#env[name] || undefined;
  }

  /** The spellings of Go's `strconv.ParseBool`. */
  boolean(name: string, otherwise: boolean): boolean {
    return this.#read(name, parseBoolean, 'true or false') ?? otherwise;
  }

  port(name: string, otherwise: number): number {
    return this.#read(name, parsePort, 'a port from 1 to 65535') ?? otherwise;
  }

  /** Milliseconds. */
  duration(name: string, otherwise: number): number {
    return this.#read(name, parseDuration, 'a duration such as 5s or 1m30s') ?? otherwise;
  }

  oneOf<T extends string>(name: string, values: readonly T[]): T | undefined {
    return this.#read(name, (text) => values.find((v) => v === text), values.join(' or '));
  }

  /** Reads a value that is JSON; `parse` throws an Error in words, or returns undefined, if it is not what is wanted. */
  json<T>(name: string, form: string, parse: (value: unknown) => T | undefined): T | undefined {
    return this.#read(
      name,
      (text) => {
        try {
          return parse(JSON.parse(text));
        } catch {
          return undefined;
        }
      },
      form,
    );
  }

  /** Variables that begin with a prefix, by the rest of their names. */
  *withPrefix(prefix: string): Generator<readonly [string, string]> {
    for (const [name, value] of Object.entries(this.#env)) {
      if (name.startsWith(prefix) && name.length > prefix.length && value !== undefined)
        yield [name.slice(prefix.length), value];
    }
  }

  #read<T>(name: string, parse: (text: string) => T | undefined, form: string): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = parse(text);
    if (value === undefined) throw invalid(name, text, form);
    return value;
  }
}

export function invalid(name: string, text: string, form: string): UserError {
  const shown = text.length > 200 ? `${text.slice(0, 200)}...` : text;
  return new UserError(`The environment variable ${name} must be ${form}, not ${JSON.stringify(shown)}.`);
}

export function parseBoolean(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text) ? false : undefined;
}

function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : undefined;
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, ns: 1e-6 };

/** A duration as Go writes it, not negative, in milliseconds. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (!/^(\d+(\.\d+)?(h|ms|m|s|us|ns))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)/g)) ms += Number(amount) * UNITS[unit];
  return ms;
}

/** `HOST:PORT` or `[IPV6]:PORT` taken apart. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(text);
  const port = match ? parsePort(match[3]) : undefined;
  return match && port !== undefined ? { host: match[1] ?? match[2], port } : undefined;
}
