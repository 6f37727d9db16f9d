import type { AdminProxy } from './proxy.ts';

/** What an admin command answers. */
export interface AdminAnswer {
  /** 200 unless told. */
  readonly status?: number;
  /** Plain text unless told. */
  readonly type?: string;
  /** A long answer comes in pieces, which are made as the client takes them. */
  readonly body: string | Iterable<string>;
}

export const TEXT = 'text/plain; charset=UTF-8';
export const JSON_TYPE = 'application/json';
export const HTML = 'text/html; charset=UTF-8';

/** A query parameter as `/help` and the start page tell it. */
export interface AdminParameter {
  readonly id: string;
  readonly help: string;
  /** Allowed values; an empty one stands for a parameter without a value. */
  readonly choices?: readonly string[];
  readonly kind?: 'flag' | 'text';
}

/** One path of the admin interface. */
export interface AdminHandler {
  readonly path: string;
  readonly help: string;
  /** Changes something, and so takes POST only. */
  readonly mutates?: boolean;
  readonly parameters?: readonly AdminParameter[];
  run(proxy: AdminProxy, query: ReadonlyMap<string, string>): AdminAnswer;
}

/** A text of JSON as Envoy lays it out. */
export function pretty(value: unknown): string {
  return JSON.stringify(value, null, 1);
}

/** The answer to a request that asks for what there is not. */
export function badRequest(message: string): AdminAnswer {
  return { status: 400, body: message };
}

/**
 * The parameters of a query, or of a form that was posted. Unlike in forms of the web, a plus is a plus. The first of
 * equal names counts.
 */
export function parseParameters(text: string): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    if (!parameters.has(name)) parameters.set(name, equals < 0 ? '' : decode(pair.slice(equals + 1)));
  }
  return parameters;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
