import type { ListenOptions } from 'node:net';
import { isIP } from 'node:net';
import { UserError } from '../../base/errors.ts';

/**
 * `HOST:PORT`, `[IPV6]:PORT` or `:PORT` as Go's listeners take them; undefined for the empty text, which turns a listener
 * off. Throws a {@link UserError} that names the flag.
 */
export function parseAddress(flag: string, address: string): ListenOptions | undefined {
  if (address === '') return undefined;
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(address);
  const port = match ? Number(match[3]) : Number.NaN;
  if (!match || port > 65535)
    throw new UserError(`--${flag} ${JSON.stringify(address)} is no address; write HOST:PORT or :PORT, or "" for none`);
  const host = match[1] ?? match[2];
  if (match[1] !== undefined && isIP(match[1]) !== 6)
    throw new UserError(`--${flag} ${JSON.stringify(address)}: only an IPv6 address stands in brackets`);
  return host === '' ? { port } : { host, port };
}

/** The address of a listener, as it is written in a URL. */
export function formatAddress(address: { address: string; port: number } | string | null): string {
  if (address === null) return 'closed';
  if (typeof address === 'string') return address;
  return isIP(address.address) === 6 ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}
