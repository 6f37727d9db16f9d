import { Headers } from '../headers.ts';
import type { FieldSink } from '../hpack/decoder.ts';
import { FieldKind, type FieldName } from '../hpack/fields.ts';
import type { Http2Options } from './options.ts';

/** What a header block is the start or end of. */
export const BlockKind = { Request: 0, Response: 1, Trailers: 2 } as const;
export type BlockKind = (typeof BlockKind)[keyof typeof BlockKind];

/** Response code details, as Envoy calls what it found. */
export const Details = {
  InvalidField: 'http2.invalid.header.field',
  MessagingRule: 'http2.violation.of.messaging.rule',
  TooManyHeaders: 'http2.too_many_headers',
  HeadTooLarge: 'http2.header_list_size_too_large',
  Underscore: 'http2.unexpected_underscore',
} as const;

type MessageLimits = Pick<Http2Options, 'maxHeadBytes' | 'maxHeaderCount' | 'allowConnect' | 'underscores'>;

/** Longer numbers would not be exact any more. */
const MAX_LENGTH_DIGITS = 15;

/** Digits and nothing else, or -1. */
function parseLength(value: string): number {
  if (value === '' || value.length > MAX_LENGTH_DIGITS) return -1;
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

/**
 * Builds {@link Headers} from the fields of one header block and judges them (RFC 9113 sections 8.1 to 8.3, 8.5, and
 * RFC 8441). There is one for each connection, which is used again for each block.
 */
export class MessageReader implements FieldSink {
  readonly #maxBytes: number;
  readonly #maxCount: number;
  readonly #allowConnect: boolean;
  readonly #underscores: Http2Options['underscores'];
  #kind: BlockKind = BlockKind.Request;
  #bytes = 0;
  #count = 0;
  /** A regular header was seen: no pseudo-header may follow. */
  #regular = false;
  /** One bit for each {@link FieldKind} seen, of those that may come once only. */
  #seen = 0;
  #cookieAt = -1;
  #host = '';
  headers = new Headers();
  /** Of the block that was read last; -1 if it had no Content-Length. */
  contentLength = -1;
  /** What is wrong with the block, as one of {@link Details}; empty if nothing is. */
  problem = '';

  constructor({ maxHeadBytes, maxHeaderCount, allowConnect, underscores }: MessageLimits) {
    this.#maxBytes = maxHeadBytes;
    this.#maxCount = maxHeaderCount;
    this.#allowConnect = allowConnect;
    this.#underscores = underscores;
  }

  /** The block broke a limit of ours, not a rule of the protocol. */
  get unwanted(): boolean {
    const { problem } = this;
    return problem === Details.TooManyHeaders || problem === Details.HeadTooLarge || problem === Details.Underscore;
  }

  begin(kind: BlockKind): void {
    this.#kind = kind;
    this.#bytes = 0;
    this.#count = 0;
    this.#regular = false;
    this.#seen = 0;
    this.#cookieAt = -1;
    this.#host = '';
    this.headers = new Headers();
    this.contentLength = -1;
    this.problem = '';
  }

  field(name: FieldName, value: string): void {
    if (this.problem !== '') return;
    const { kind, text } = name;
    if (this.#underscores !== 'allow' && text.includes('_') && this.#kind !== BlockKind.Response) {
      if (this.#underscores === 'reject') this.problem = Details.Underscore;
      return;
    }
    this.#bytes += text.length + value.length;
    if (++this.#count > this.#maxCount) {
      this.problem = Details.TooManyHeaders;
      return;
    }
    if (this.#bytes > this.#maxBytes) {
      this.problem = Details.HeadTooLarge;
      return;
    }
    if (kind === FieldKind.Regular) {
      this.#regular = true;
      this.headers.add(text, value);
    } else if (kind >= FieldKind.Method) {
      this.#pseudo(kind, value);
    } else {
      this.#regular = true;
      this.#special(kind, text, value);
    }
  }

  #special(kind: FieldKind, name: string, value: string): void {
    if (kind === FieldKind.Cookie) {
      // Split for better compression only (section 8.2.3); everybody behind expects one.
      if (this.#cookieAt < 0) {
        this.#cookieAt = this.headers.size;
        this.headers.add(name, value);
      } else {
        this.headers.setValueAt(this.#cookieAt, `${this.headers.valueAt(this.#cookieAt)}; ${value}`);
      }
      return;
    }
    if (kind === FieldKind.Host && this.#kind === BlockKind.Trailers) {
      this.problem = Details.InvalidField;
      return;
    }
    if (kind === FieldKind.Host && this.#kind === BlockKind.Request) {
      if (!this.#once(kind) || value === '') this.problem = Details.InvalidField;
      this.#host = value;
      return;
    }
    if (kind === FieldKind.ContentLength) {
      this.contentLength = parseLength(value);
      if (!this.#once(kind) || this.contentLength < 0) this.problem = Details.InvalidField;
    }
    this.headers.add(name, value);
  }

  #pseudo(kind: FieldKind, value: string): void {
    const allowed = kind === FieldKind.Status ? BlockKind.Response : BlockKind.Request;
    if (
      kind === FieldKind.Invalid ||
      this.#regular ||
      this.#kind !== allowed ||
      value === '' ||
      !this.#once(kind) ||
      (kind === FieldKind.Protocol && !this.#allowConnect)
    ) {
      this.problem = Details.InvalidField;
      return;
    }
    const { headers } = this;
    if (kind === FieldKind.Path) headers.path = value;
    else if (kind === FieldKind.Method) headers.method = value;
    else if (kind === FieldKind.Authority) headers.authority = value;
    else if (kind === FieldKind.Scheme) headers.scheme = value;
    else if (kind === FieldKind.Protocol) headers.protocol = value;
    else headers.status = this.#status(value);
  }

  /** 101 does not exist in HTTP/2 (section 8.6). */
  #status(value: string): number {
    const a = value.charCodeAt(0) - 48;
    const b = value.charCodeAt(1) - 48;
    const c = value.charCodeAt(2) - 48;
    const status = a * 100 + b * 10 + c;
    const digits = value.length === 3 && a >= 1 && a <= 9 && b >= 0 && b <= 9 && c >= 0 && c <= 9;
    if (!digits || status === 101) this.problem = Details.InvalidField;
    return status;
  }

  #once(kind: FieldKind): boolean {
    const bit = 1 << kind;
    if (this.#seen & bit) return false;
    this.#seen |= bit;
    return true;
  }

  /** To be called when the block is over: judges it as a whole. Returns whether it can be used. */
  finish(): boolean {
    if (this.problem !== '') return false;
    if (this.#kind === BlockKind.Request) this.#finishRequest();
    else if (this.#kind === BlockKind.Response && this.headers.status === 0) this.problem = Details.MessagingRule;
    return this.problem === '';
  }

  #finishRequest(): void {
    const { headers } = this;
    // Host gives way to :authority, as in Envoy; nobody behind gets to see a second opinion.
    if (headers.authority === '') headers.authority = this.#host;
    const { method, path, scheme } = headers;
    let fine = headers.authority !== '' && method !== '';
    if (method === 'CONNECT' && headers.protocol === '') fine &&= path === '' && scheme === '';
    else {
      fine &&= scheme !== '' && (path.charCodeAt(0) === 47 || (path === '*' && method === 'OPTIONS'));
      fine &&= headers.protocol === '' || method === 'CONNECT';
    }
    if (!fine) this.problem = Details.MessagingRule;
  }
}
