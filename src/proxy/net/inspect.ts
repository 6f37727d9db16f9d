import { latin1Slice } from '../../base/bytes.ts';
import { type ClientHello, ClientHelloReader } from '../../wire/clienthello/clienthello.ts';
import type { ProxyFindings, ProxyProtocolFilter } from './proxy-protocol.ts';

/** Which listener filters look at the first bytes of a connection. */
export interface Inspections {
  readonly proxyProtocol: ProxyProtocolFilter | undefined;
  readonly tls: boolean;
  readonly http: boolean;
}

/** What they found. */
export interface Findings {
  /** Bytes at the start that were a PROXY protocol header and are not the connection's. */
  readonly skip: number;
  readonly proxy: ProxyFindings | undefined;
  readonly hello: ClientHello | undefined;
  /** `http/1.0`, `http/1.1` or `h2c`, where the first bytes are HTTP in clear. */
  readonly httpProtocol: string | undefined;
}

export type InspectionResult =
  | { readonly kind: 'need-more' }
  | { readonly kind: 'error'; readonly reason: string }
  | { readonly kind: 'done'; readonly findings: Findings };

const NEED_MORE: InspectionResult = { kind: 'need-more' };
const PREFACE = 'PRI * HTTP/2.0\r\n';
/** A request line longer than this is not looked at to its end. */
const MAX_REQUEST_LINE = 8192;
const METHOD = /^[A-Z-]{1,24}$/;

/** Runs the listener filters over the first bytes of a connection, whatever pieces they come in. */
export class Inspector {
  readonly #wanted: Inspections;
  #bytes: Buffer = Buffer.alloc(0);
  #hello = new ClientHelloReader();
  #helloFed = 0;
  #proxy: ProxyFindings | undefined = undefined;
  #skip = 0;
  #proxyDone: boolean;

  constructor(wanted: Inspections) {
    this.#wanted = wanted;
    this.#proxyDone = wanted.proxyProtocol === undefined;
  }

  receive(chunk: Buffer): InspectionResult {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    if (!this.#proxyDone) {
      const result = this.#wanted.proxyProtocol!.inspect(this.#bytes);
      if (result.kind !== 'done') return result;
      this.#proxy = result.findings;
      this.#skip = result.findings.length;
      this.#proxyDone = true;
    }
    return this.#inspectPayload();
  }

  #inspectPayload(): InspectionResult {
    const { tls, http } = this.#wanted;
    const start = this.#skip + this.#helloFed;
    if (start === this.#bytes.length && (tls || http)) return NEED_MORE;
    if (!tls && !http) return this.#done(undefined, undefined);
    const result = this.#hello.receive(this.#bytes, start, this.#bytes.length);
    this.#helloFed = this.#bytes.length - this.#skip;
    if (result.kind === 'need-more') return NEED_MORE;
    if (result.kind === 'error') return tls ? result : this.#done(undefined, undefined);
    if (result.kind === 'hello') return this.#done(tls ? result.hello : undefined, undefined);
    if (!http) return this.#done(undefined, undefined);
    const protocol = httpProtocol(
      latin1Slice(this.#bytes, this.#skip, Math.min(this.#bytes.length, this.#skip + MAX_REQUEST_LINE)),
    );
    if (protocol === 'need-more') return NEED_MORE;
    return this.#done(undefined, protocol);
  }

  #done(hello: ClientHello | undefined, protocol: string | undefined): InspectionResult {
    return {
      kind: 'done',
      findings: { skip: this.#skip, proxy: this.#proxy, hello, httpProtocol: protocol },
    };
  }

  /** What is known when time is up: nothing was found in what has come. */
  get giveUp(): Findings {
    return { skip: this.#skip, proxy: this.#proxy, hello: undefined, httpProtocol: undefined };
  }
}

/** Tells HTTP/1 and the preface of HTTP/2 from the start of a request line. */
function httpProtocol(text: string): string | undefined | 'need-more' {
  if (text.startsWith(PREFACE)) return 'h2c';
  if (PREFACE.startsWith(text)) return 'need-more';
  const space = text.indexOf(' ');
  if (space < 0) return METHOD.test(text) ? 'need-more' : undefined;
  if (!METHOD.test(text.slice(0, space))) return undefined;
  const end = text.indexOf('\r\n');
  if (end < 0) return text.length < MAX_REQUEST_LINE ? 'need-more' : undefined;
  const line = text.slice(0, end);
  if (line.endsWith(' HTTP/1.1')) return 'http/1.1';
  if (line.endsWith(' HTTP/1.0')) return 'http/1.0';
  return undefined;
}
