import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Headers } from '../../../wire/headers.ts';
import { cookieValue } from '../../router/cookies.ts';

/** How a client says which host it stays with, and how it is told. */
export interface SessionState {
  /** The address of the host, such as `10.0.0.1:8080`; undefined if the request names none. */
  read(request: Headers): string | undefined;
  /** Tells the client the address of the host that answered. */
  write(response: Headers, address: string): void;
  /** Whether requests of a path are part of sessions. */
  covers(path: string): boolean;
}

export interface CookieOptions {
  readonly name: string;
  readonly path: string;
  /** Seconds; 0 for as long as the client runs. */
  readonly ttl: number;
  /** Seconds since 1970. */
  readonly now: () => number;
}

/** `envoy.http.stateful_session.cookie`. */
export function cookieSession({ name, path, ttl, now }: CookieOptions): SessionState {
  const attributes = [...(ttl > 0 ? [`Max-Age=${ttl}`] : []), ...(path === '' ? [] : [`Path=${path}`]), 'HttpOnly'];
  return {
    read(request) {
      const value = cookieValue(request, name);
      return value === undefined ? undefined : readCookie(Buffer.from(value, 'base64'), now());
    },
    write(response, address) {
      const value = writeCookie(address, ttl > 0 ? now() + ttl : 0).toString('base64');
      response.add('set-cookie', [`${name}="${value}"`, ...attributes].join('; '));
    },
    covers: (requested) => coversPath(path, requested),
  };
}

/** RFC 6265 section 5.1.4. */
function coversPath(path: string, requested: string): boolean {
  if (path === '' || path === '/') return true;
  const bare = requested.replace(/[?#].*$/, '');
  if (!bare.startsWith(path)) return false;
  return bare.length === path.length || path.endsWith('/') || bare[path.length] === '/';
}

/** The message in the cookie: address, and when it is out of date. */
const ADDRESS_FIELD = 1;
const EXPIRES_FIELD = 2;

function writeCookie(address: string, expires: number): Buffer {
  const writer = new BinaryWriter().tag(ADDRESS_FIELD, WireType.LengthDelimited).string(address);
  if (expires > 0) writer.tag(EXPIRES_FIELD, WireType.Varint).int64(expires);
  return Buffer.from(writer.finish());
}

function readCookie(bytes: Buffer, now: number): string | undefined {
  let address: string | undefined;
  let expires = 0;
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [no, wireType] = reader.tag();
      if (no === ADDRESS_FIELD && wireType === WireType.LengthDelimited) address = reader.string();
      else if (no === EXPIRES_FIELD && wireType === WireType.Varint) expires = Number(reader.int64());
      else reader.skip(wireType, no);
    }
  } catch {
    return undefined;
  }
  return expires > 0 && expires < now ? undefined : address;
}

/** `envoy.http.stateful_session.header`. */
export function headerSession(name: string): SessionState {
  return {
    read(request) {
      const value = request.get(name);
      return value === undefined ? undefined : Buffer.from(value, 'base64').toString('latin1');
    },
    write: (response, address) => response.set(name, Buffer.from(address, 'latin1').toString('base64')),
    covers: () => true,
  };
}
