import type { Headers } from '../../../wire/headers.ts';
import { TRACEPARENT } from './open-telemetry.ts';

/** Datadog's sampling priorities. */
export const Priority = { UserDrop: -1, AutoDrop: 0, AutoKeep: 1, UserKeep: 2 } as const;

/** Where a span stands in a trace of Datadog. */
export interface DatadogContext {
  /** The low half of the trace's id. */
  readonly traceId: bigint;
  /** The high half in 16 hexadecimal digits; empty where it has none. */
  readonly traceIdHigh: string;
  /** 0 for none. */
  readonly parentId: bigint;
  /** Undefined if nobody has decided yet. */
  readonly priority: number | undefined;
  readonly origin: string;
  /** Names with `_dd.p.`, which travel with the trace, the high half of its id among them. */
  readonly tags: ReadonlyMap<string, string>;
  /** The tags that came could not be read. */
  readonly damaged: boolean;
  /** The last span of Datadog's, where the context came in W3C's headers. */
  readonly w3cParent: string | undefined;
  /** Members of `tracestate` that others have written. */
  readonly otherState: string;
}

export const NO_DECISION = {
  priority: undefined,
  origin: '',
  tags: new Map<string, string>(),
  damaged: false,
  w3cParent: undefined,
  otherState: '',
};

const PREFIX = '_dd.p.';
export const TRACE_ID_TAG = '_dd.p.tid';
const MAX_TAGS_HEADER = 512;
const UINT64 = 0xffff_ffff_ffff_ffffn;

/** Reads the context that a request comes with, Datadog's own headers first; undefined if there is none that is valid. */
export function extractContext(headers: Headers): DatadogContext | undefined {
  return fromDatadog(headers) ?? fromW3c(headers);
}

function fromDatadog(headers: Headers): DatadogContext | undefined {
  const traceId = unsigned(headers.get('x-datadog-trace-id'));
  if (traceId === undefined || traceId === 0n) return undefined;
  const parentId = unsigned(headers.get('x-datadog-parent-id')) ?? 0n;
  const origin = headers.get('x-datadog-origin') ?? '';
  if (parentId === 0n && origin === '') return undefined;
  const read = readTags(headers.get('x-datadog-tags') ?? '');
  const tags = read ?? new Map<string, string>();
  const high = tags.get(TRACE_ID_TAG) ?? '';
  return {
    ...NO_DECISION,
    traceId,
    traceIdHigh: /^[0-9a-f]{16}$/i.test(high) ? high.toLowerCase() : '',
    parentId,
    priority: integer(headers.get('x-datadog-sampling-priority')),
    origin,
    tags,
    damaged: read === undefined,
  };
}

/** `name=value,name=value`; undefined if it is something else. */
function readTags(text: string): Map<string, string> | undefined {
  const tags = new Map<string, string>();
  if (text === '') return tags;
  if (text.length > MAX_TAGS_HEADER) return undefined;
  for (const pair of text.split(',')) {
    const at = pair.indexOf('=');
    if (at <= 0) return undefined;
    if (pair.startsWith(PREFIX)) tags.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return tags;
}

function fromW3c(headers: Headers): DatadogContext | undefined {
  const match = TRACEPARENT.exec(headers.get('traceparent') ?? '');
  if (match === null || match[1] === 'ff') return undefined;
  const traceId = BigInt(`0x${match[2].slice(16)}`);
  const parentId = BigInt(`0x${match[3]}`);
  if (/^0+$/.test(match[2]) || parentId === 0n) return undefined;
  const high = match[2].slice(0, 16);
  const members = (headers.getJoined('tracestate') ?? '').split(',').map((member) => member.trim());
  const own = members.find((member) => member.startsWith('dd='));
  const fields = new Map<string, string>();
  for (const field of own?.slice(3).split(';') ?? []) {
    const at = field.indexOf(':');
    if (at > 0) fields.set(field.slice(0, at), field.slice(at + 1));
  }
  const sampled = (Number.parseInt(match[4], 16) & 1) === 1;
  const given = integer(fields.get('s'));
  const tags = new Map<string, string>();
  for (const [name, value] of fields) {
    if (name.startsWith('t.')) tags.set(PREFIX + name.slice(2), value.replaceAll('~', '='));
  }
  if (!/^0+$/.test(high)) tags.set(TRACE_ID_TAG, high);
  return {
    ...NO_DECISION,
    traceId,
    traceIdHigh: /^0+$/.test(high) ? '' : high,
    parentId,
    // What the flag says is newer than what Datadog's own field says, if the two do not agree.
    priority: given !== undefined && given > 0 === sampled ? given : sampled ? Priority.AutoKeep : Priority.AutoDrop,
    origin: (fields.get('o') ?? '').replaceAll('~', '='),
    tags,
    w3cParent: fields.get('p') ?? '0'.repeat(16),
    otherState: members.filter((member) => member !== '' && member !== own).join(','),
  };
}

/** Writes the context of a span into a request, in both ways. */
export function injectContext(
  headers: Headers,
  context: DatadogContext,
  id: bigint,
  priority: number,
  tags: ReadonlyMap<string, string>,
): void {
  const { traceId, traceIdHigh, origin, otherState } = context;
  headers.set('x-datadog-trace-id', String(traceId));
  headers.set('x-datadog-parent-id', String(id));
  headers.set('x-datadog-sampling-priority', String(priority));
  if (origin !== '') headers.set('x-datadog-origin', origin);
  const text = [...tags].map(([name, value]) => `${name}=${value}`).join(',');
  // Where there are none, those of the request stay, whatever they are.
  if (text !== '' && text.length <= MAX_TAGS_HEADER) headers.set('x-datadog-tags', text);
  const hex = id.toString(16).padStart(16, '0');
  const low = traceId.toString(16).padStart(16, '0');
  headers.set('traceparent', `00-${traceIdHigh.padStart(16, '0')}${low}-${hex}-${priority > 0 ? '01' : '00'}`);
  const fields = [`s:${priority}`, `p:${hex}`];
  if (origin !== '') fields.push(`o:${origin.replaceAll('=', '~')}`);
  for (const [name, value] of tags) {
    if (name === TRACE_ID_TAG) continue;
    fields.push(`t.${name.slice(PREFIX.length)}:${value.replaceAll('=', '~')}`);
  }
  headers.set('tracestate', [`dd=${fields.join(';')}`, ...(otherState === '' ? [] : [otherState])].join(','));
}

function unsigned(text: string | undefined): bigint | undefined {
  if (text === undefined || !/^\d{1,20}$/.test(text)) return undefined;
  const value = BigInt(text);
  return value <= UINT64 ? value : undefined;
}

function integer(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** Which new traces are kept: all, until the agent says which share it wants of the service. */
export class Sampler {
  /** `_dd.p.dm`: nobody has said anything yet, or the agent has. */
  static readonly byDefault = '-0';
  static readonly byAgent = '-1';
  readonly #key: string;
  #rate = 1;
  #told = false;

  constructor(serviceName: string) {
    this.#key = `service:${serviceName},env:`;
  }

  decide(traceId: bigint): { readonly keep: boolean; readonly rate: number; readonly mechanism: string } {
    const rate = this.#rate;
    // Knuth's multiplicative hash, so that all who see the trace decide alike.
    const hash = (traceId * 1_111_111_111_111_111_111n) & UINT64;
    const keep = rate >= 1 || hash <= BigInt(Math.floor(rate * 2 ** 53)) << 11n;
    return { keep, rate, mechanism: this.#told ? Sampler.byAgent : Sampler.byDefault };
  }

  /** Takes what the agent answers to a report: `{"rate_by_service": {"service:a,env:b": 0.5}}`. */
  answered(body: string): void {
    let rates: unknown;
    try {
      rates = (JSON.parse(body) as { rate_by_service?: unknown }).rate_by_service;
    } catch {
      return;
    }
    if (typeof rates !== 'object' || rates === null) return;
    const byService = rates as Readonly<Record<string, unknown>>;
    const rate = byService[this.#key] ?? byService['service:,env:'];
    if (typeof rate !== 'number' || !(rate >= 0 && rate <= 1)) return;
    this.#rate = rate;
    this.#told = true;
  }
}
