/** The host of an authority, without the brackets of IPv6, and the port if there is one. */
export function splitAuthority(authority: string): { readonly host: string; readonly port: number | undefined } {
  const match = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(authority);
  // More than one colon and no brackets: an IPv6 address as it is.
  if (match === null) return { host: authority, port: undefined };
  return { host: match[1] ?? match[2], port: match[3] === undefined ? undefined : Number(match[3]) };
}

/** `example.com:80` or `[::1]:80`. */
export function formatAuthority(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
