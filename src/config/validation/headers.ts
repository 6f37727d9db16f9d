import type { Headers } from '../kinds/shared/http-policy.ts';
import type { Report } from '../report.ts';

/** RFC 9110 token, and the comma that Istio takes too. */
const TOKEN = /^[!#$%&'*+,\-.^_`|~0-9A-Za-z]+$/;
const PLAIN_NAME = /^[-_A-Za-z0-9]+$/;
const HEADER_VALUE = /^[^\u0000-\u0008\u000A-\u001F\u007F]*$/;

/** Pseudo-headers that a route may match on. */
const PSEUDO_HEADERS = new Set([':authority', ':method', ':path', ':scheme', ':status']);

/** What is wrong with the name of a header, as a clause, or undefined. */
export function checkHeaderName(name: string): string | undefined {
  return checkAgainst(TOKEN, name);
}

/** What is wrong with the name of a header that a route matches on, as a clause, or undefined. */
export function checkMatchedHeader(name: string): string | undefined {
  return PSEUDO_HEADERS.has(name) || jwtClaims(name) !== undefined ? undefined : checkHeaderName(name);
}

/** What is wrong with the name of a header that carries a claim of a token, as a clause, or undefined. */
export function checkClaimHeader(name: string): string | undefined {
  return checkAgainst(PLAIN_NAME, name);
}

function checkAgainst(pattern: RegExp, name: string): string | undefined {
  if (name === '') return 'has a header without a name';
  return pattern.test(name) ? undefined : `is not the name of a header: ${JSON.stringify(name)}`;
}

/**
 * The claims of `@request.auth.claims.group.name` or `@request.auth.claims[group][name]`, by which a VirtualService
 * matches on a verified token, or undefined for the name of an ordinary header.
 */
export function jwtClaims(name: string): readonly string[] | undefined {
  const prefix = '@request.auth.claims';
  if (!name.toLowerCase().startsWith(prefix)) return undefined;
  const rest = name.slice(prefix.length);
  if (rest.startsWith('.')) return rest.slice(1).split('.');
  if (rest.startsWith('[') && rest.endsWith(']')) return rest.slice(1, -1).split('][');
  return undefined;
}

/** `Host` and `:authority` are the same to Envoy. */
export function isAuthorityHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return lower === ':authority' || lower === 'host';
}

/** The rules for `headers` of a route or of a destination. */
export function validateHeaders(headers: Headers | undefined, report: Report): void {
  for (const direction of ['request', 'response'] as const) {
    const operations = headers?.[direction];
    if (operations === undefined) continue;
    for (const operation of ['set', 'add'] as const) {
      for (const [name, value] of Object.entries(operations[operation] ?? {})) {
        const at = report.at(direction, operation, name);
        at.check(checkOperationName(name, direction === 'request'));
        at.check(checkHeaderValue(value));
      }
    }
    for (const [i, name] of (operations.remove ?? []).entries()) {
      report.check(checkOperationName(name, false), direction, 'remove', i);
    }
  }
}

/** Pseudo-headers cannot be edited, but for the authority of a request. */
function checkOperationName(name: string, mayBeAuthority: boolean): string | undefined {
  if (name === '') return 'has a header without a name';
  if (isAuthorityHeader(name)) return mayBeAuthority ? undefined : `cannot change ${name}`;
  return name.startsWith(':') ? `cannot change the pseudo-header ${name}` : undefined;
}

/** What is wrong with a value that Envoy will expand (`%START_TIME%`, `%REQ(x)%`; `%%` is a percent sign), or undefined. */
export function checkHeaderValue(value: string): string | undefined {
  if (!HEADER_VALUE.test(value)) return 'has control characters';
  return checkSubstitutions(value);
}

/**
 * Walks a value the way Envoy parses header formats: `%NAME%`, `%NAME(argument)%` and `%NAME(["a", "b"])%`.
 * Envoy would refuse the whole configuration for one that it cannot parse.
 */
function checkSubstitutions(value: string): string | undefined {
  let at = 0;
  while (at < value.length) {
    const percent = value.indexOf('%', at);
    if (percent === -1) return undefined;
    if (percent + 1 === value.length) return 'ends with a single %; write %% for a percent sign';
    if (value[percent + 1] === '%') {
      at = percent + 2;
      continue;
    }
    const end = endOfSubstitution(value, percent + 1);
    if (typeof end === 'string') return end;
    at = end;
  }
  return undefined;
}

/** The offset after the closing `%` of a substitution whose name begins at `start`, or what is wrong with it. */
function endOfSubstitution(value: string, start: number): number | string {
  const open = `has a %${value.slice(start, start + 20)} that is not closed with %; write %% for a percent sign`;
  let at = start;
  while (value[at] !== '(') {
    if (at >= value.length) return open;
    if (value[at] === '%') return at + 1;
    at++;
  }
  const afterArguments = endOfArguments(value, at + 1);
  if (typeof afterArguments === 'string') return afterArguments;
  at = skipSpaces(value, afterArguments);
  if (at >= value.length) return open;
  return value[at] === '%' ? at + 1 : 'has something between the ) and the % that close a substitution';
}

function endOfArguments(value: string, start: number): number | string {
  const open = 'has a substitution whose ( is not closed';
  let at = skipSpaces(value, start);
  // A plain argument: anything up to the closing parenthesis. A quote in it turns it into a list, as in Envoy.
  if (value[at] === '[') {
    at = skipSpaces(value, at + 1);
    if (at >= value.length) return open;
    if (value[at] !== '"') return 'has a list of arguments that are not in double quotes';
    at++;
  } else at++;
  for (;;) {
    while (at < value.length && value[at] !== ')' && value[at] !== '"') {
      if (value[at] === '\\' && at + 1 === value.length) return 'ends with a backslash';
      at += value[at] === '\\' ? 2 : 1;
    }
    if (at >= value.length) return open;
    if (value[at] === ')') return at + 1;
    at = skipSpaces(value, at + 1);
    if (at >= value.length) return open;
    if (value[at] === ']') {
      at = skipSpaces(value, at + 1);
      if (at >= value.length) return open;
      return value[at] === ')' ? at + 1 : 'has a substitution whose ( is not closed after ]';
    }
    if (value[at] !== ',') return 'has arguments that are not separated by commas';
    at = skipSpaces(value, at + 1);
    if (at >= value.length) return open;
    if (value[at] !== '"') return 'has a list of arguments that are not in double quotes';
    at++;
  }
}

function skipSpaces(value: string, from: number): number {
  let at = from;
  while (value[at] === ' ') at++;
  return at;
}
