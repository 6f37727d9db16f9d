import { ByteCursor } from './byte-cursor.ts';

/** What a TLS client says first (RFC 8446 section 4.1.2), as far as it matters for choosing how to go on. */
export interface ClientHello {
  /** Server name, lower-case as in Envoy; empty if there was none (RFC 6066 section 3). */
  readonly sni: string;
  /** Application protocols in the client's order; empty if it offered none (RFC 7301). */
  readonly alpn: readonly string[];
  /** `legacy_version`, such as 0x0303. */
  readonly legacyVersion: number;
  /** The extension `supported_versions`; empty if there was none, and then `legacyVersion` counts. */
  readonly supportedVersions: readonly number[];
  /** In the client's order and with the reserved values (GREASE), for fingerprints (JA3, JA4). */
  readonly cipherSuites: readonly number[];
  readonly extensions: readonly number[];
  readonly groups: readonly number[];
  readonly pointFormats: readonly number[];
  readonly signatureAlgorithms: readonly number[];
}

export type ClientHelloResult =
  | { readonly kind: 'need-more' }
  /** It is something else, or a hello that no TLS library would take: to be passed on as it is, as Envoy does. */
  | { readonly kind: 'not-tls'; readonly reason: string }
  /** It may be TLS, but it is more than anybody needs. */
  | { readonly kind: 'error'; readonly reason: string }
  | { readonly kind: 'hello'; readonly hello: ClientHello };

/** Octets to look at before giving up, record headers included: what Envoy 1.40's tls_inspector does by default. */
export const MAX_CLIENT_HELLO = 16 * 1024;
/** RFC 8446 section 5.1. */
const MAX_RECORD = 16384;
/** The longest handshake message that Envoy's TLS library takes from a client. */
const MAX_MESSAGE = 16384;
const RECORD_HEADER = 5;
const HANDSHAKE_HEADER = 4;

const ContentType = { Handshake: 22 } as const;
const HandshakeType = { ClientHello: 1 } as const;
const ExtensionType = {
  ServerName: 0,
  SupportedGroups: 10,
  PointFormats: 11,
  SignatureAlgorithms: 13,
  Alpn: 16,
  SupportedVersions: 43,
} as const;
const HOST_NAME = 0;
const MAX_HOST_NAME = 255;
const TLS_1_0 = 0x0301;
const TLS_1_3 = 0x0304;

const NEED_MORE: ClientHelloResult = { kind: 'need-more' };
const TOO_LARGE: ClientHelloResult = { kind: 'error', reason: 'client_hello_too_large' };
const notTls = (reason: string): ClientHelloResult => ({ kind: 'not-tls', reason });

/**
 * Finds the ClientHello at the start of a connection, whatever segments and records it comes in. It decides as soon as
 * it can: the first octet that no handshake has is enough, so that a client of another protocol that waits for an
 * answer is not kept waiting.
 */
export class ClientHelloReader {
  /** Octets seen, record headers included. */
  #seen = 0;
  readonly #header = new Uint8Array(RECORD_HEADER);
  #headerFilled = 0;
  /** Octets of the record that are still to come. */
  #recordLeft = 0;
  /** The handshake message so far. */
  #message = Buffer.alloc(0);
  #filled = 0;
  /** Length of the handshake message with its header, once that is known. */
  #length = 0;
  #result: ClientHelloResult = NEED_MORE;
  readonly #maxSize: number;

  /** `maxSize`: octets to look at before giving up, record headers included. */
  constructor(maxSize: number = MAX_CLIENT_HELLO) {
    this.#maxSize = maxSize;
  }

  /** Takes further octets, `start` to `end` of `bytes`. Once the result is not `need-more` it does not change. */
  receive(bytes: Uint8Array, start: number, end: number): ClientHelloResult {
    let at = start;
    while (at < end && this.#result === NEED_MORE) {
      if (this.#recordLeft === 0) {
        this.#header[this.#headerFilled++] = bytes[at++];
        this.#seen++;
        this.#result = this.#checkHeader();
      } else {
        const count = Math.min(end - at, this.#recordLeft, this.#maxSize - this.#seen);
        this.#recordLeft -= count;
        this.#seen += count;
        this.#result = this.#take(bytes, at, at + count);
        at += count;
      }
      if (this.#result === NEED_MORE && this.#seen >= this.#maxSize) this.#result = TOO_LARGE;
    }
    return this.#result;
  }

  /** Judges a record header as far as it has come. */
  #checkHeader(): ClientHelloResult {
    const header = this.#header;
    switch (this.#headerFilled) {
      case 1:
        return header[0] === ContentType.Handshake ? NEED_MORE : notTls('no handshake record');
      case 2:
        return header[1] === 3 ? NEED_MORE : notTls('unknown record version');
      case RECORD_HEADER: {
        const length = (header[3] << 8) | header[4];
        if (length === 0 || length > MAX_RECORD) return notTls('bad record length');
        this.#recordLeft = length;
        this.#headerFilled = 0;
        return NEED_MORE;
      }
      default:
        return NEED_MORE;
    }
  }

  #take(bytes: Uint8Array, start: number, end: number): ClientHelloResult {
    this.#reserve(this.#filled + end - start);
    this.#message.set(bytes.subarray(start, end), this.#filled);
    this.#filled += end - start;
    if (this.#message[0] !== HandshakeType.ClientHello) return notTls('no ClientHello');
    if (this.#length === 0) {
      if (this.#filled < HANDSHAKE_HEADER) return NEED_MORE;
      this.#length = HANDSHAKE_HEADER + this.#message.readUIntBE(1, 3);
      if (this.#length > HANDSHAKE_HEADER + MAX_MESSAGE) return TOO_LARGE;
    }
    if (this.#filled < this.#length) return NEED_MORE;
    // Nothing may follow before the server has answered.
    if (this.#filled + this.#recordLeft > this.#length) return notTls('more than a ClientHello');
    return parseClientHello(this.#message, HANDSHAKE_HEADER, this.#length);
  }

  #reserve(size: number): void {
    if (size <= this.#message.length) return;
    const larger = Buffer.alloc(Math.max(size, Math.min(this.#message.length * 2, this.#maxSize)));
    this.#message.copy(larger, 0, 0, this.#filled);
    this.#message = larger;
  }
}

type MutableHello = { -readonly [K in keyof ClientHello]: ClientHello[K] };

/** Parses the body of a ClientHello, `start` to `end` of `bytes`. */
function parseClientHello(bytes: Uint8Array, start: number, end: number): ClientHelloResult {
  const cursor = new ByteCursor(bytes, start, end);
  const legacyVersion = cursor.number(2);
  cursor.skip(32);
  const sessionId = cursor.vector(1);
  const cipherSuites = cursor.vector(2).numbers(2);
  const compression = cursor.vector(1);
  if (cursor.failed || sessionId.left > 32 || cipherSuites.length === 0 || compression.left === 0) {
    return notTls('malformed ClientHello');
  }
  if (legacyVersion < TLS_1_0 || legacyVersion > TLS_1_3) return notTls('no known TLS version');
  const hello: MutableHello = {
    sni: '',
    alpn: [],
    legacyVersion,
    supportedVersions: [],
    cipherSuites,
    extensions: [],
    groups: [],
    pointFormats: [],
    signatureAlgorithms: [],
  };
  if (cursor.left > 0) {
    const problem = parseExtensions(cursor.vector(2), hello);
    if (problem !== '') return notTls(problem);
    if (!cursor.exhausted) return notTls('malformed ClientHello');
  }
  return { kind: 'hello', hello };
}

/** Reads the extensions; returns what is wrong with them, or nothing. */
function parseExtensions(list: ByteCursor, hello: MutableHello): string {
  const seen = new Set<number>();
  while (list.left > 0) {
    const type = list.number(2);
    const body = list.vector(2);
    if (list.failed) break;
    if (seen.has(type)) return 'duplicate extension';
    seen.add(type);
    if (!parseExtension(type, body, hello)) return `malformed extension ${type}`;
  }
  hello.extensions = [...seen];
  return list.failed ? 'malformed extensions' : '';
}

/**
 * Reads one extension; false if the hello is to be taken for something else. As in Envoy only a malformed server name
 * makes it so; whatever else is malformed counts as not sent, and is the TLS library's to refuse.
 */
function parseExtension(type: number, body: ByteCursor, hello: MutableHello): boolean {
  switch (type) {
    case ExtensionType.ServerName:
      return parseServerName(body, hello);
    case ExtensionType.Alpn:
      hello.alpn = parseAlpn(body);
      break;
    case ExtensionType.SupportedVersions:
      hello.supportedVersions = numberList(body, 1, 2);
      break;
    case ExtensionType.SupportedGroups:
      hello.groups = numberList(body, 2, 2);
      break;
    case ExtensionType.PointFormats:
      hello.pointFormats = numberList(body, 1, 1);
      break;
    case ExtensionType.SignatureAlgorithms:
      hello.signatureAlgorithms = numberList(body, 2, 2);
      break;
  }
  return true;
}

/** A vector of numbers and nothing else. */
function numberList(body: ByteCursor, lengthSize: 1 | 2, size: 1 | 2): number[] {
  const numbers = body.vector(lengthSize).numbers(size);
  return body.exhausted ? numbers : [];
}

/** One host name and nothing else: that is all that clients send and libraries take. */
function parseServerName(body: ByteCursor, hello: MutableHello): boolean {
  const names = body.vector(2);
  const type = names.number(1);
  const name = names.vector(2).text();
  if (!names.exhausted || !body.exhausted || type !== HOST_NAME) return false;
  if (name === '' || name.length > MAX_HOST_NAME || name.includes('\0')) return false;
  hello.sni = name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return true;
}

function parseAlpn(body: ByteCursor): string[] {
  const list = body.vector(2);
  const alpn: string[] = [];
  while (list.left > 0) {
    const protocol = list.vector(1).text();
    if (list.failed || protocol === '') return [];
    alpn.push(protocol);
  }
  return body.exhausted ? alpn : [];
}
