/** Scheme, host and perhaps port; then what follows, without user information, and with nothing behind a `#`. */
const ABSOLUTE =
  /^[A-Za-z][A-Za-z0-9.-]*:\/\/@?(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?(?:[/?][\x21\x22\x24-\x7e]*)?#?$/;
/** The characters of a path and a query; in the first segment there is no colon. */
const RELATIVE = /^[\w.~%!$&'()*+,;=@?-]*(?:\/[\w.~%!$&'()*+,;=@?:/-]*)?$/;
const MAX_PORT = 65535;

/**
 * Whether a value of Referer is one (RFC 9110 section 10.1.3), as Envoy's `Http::Utility::isValidRefererValue` has it:
 * others are not passed on.
 */
export function isReferer(value: string): boolean {
  const absolute = ABSOLUTE.exec(value);
  if (absolute !== null) return absolute[1] === undefined || Number(absolute[1]) <= MAX_PORT;
  return RELATIVE.test(value);
}
