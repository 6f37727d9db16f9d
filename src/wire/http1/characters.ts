/** What each byte may be in an HTTP/1 head (RFC 9110 section 5, RFC 9112). */

/** `tchar`: 1 for the characters of methods and field names. */
export const TOKEN = new Uint8Array(256);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
  TOKEN[c.charCodeAt(0)] = 1;

/** 1 for what a field value may hold: visible characters, space, tab and bytes above 127. */
export const FIELD_VALUE = new Uint8Array(256).fill(1, 32);
FIELD_VALUE[9] = 1;
FIELD_VALUE[127] = 0;

/** 1 for what a request target may hold: visible ASCII. Anything else has to be percent-encoded. */
export const TARGET = new Uint8Array(256).fill(1, 33, 127);

/** 1 for what Host may hold: the characters of RFC 3986's authority. */
export const AUTHORITY = new Uint8Array(256);
for (const c of "-._~%!$&'()*+,;=:[]@0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  AUTHORITY[c.charCodeAt(0)] = 1;
}

/** The methods that Envoy's HTTP/1 codec takes by default; methods are case-sensitive. */
export const METHODS: ReadonlySet<string> = new Set(
  (
    'GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH ACL BIND CHECKOUT COPY LINK LOCK MERGE MKACTIVITY ' +
    'MKCALENDAR MKCOL MOVE MSEARCH NOTIFY PROPFIND PROPPATCH PURGE REBIND REPORT SEARCH SOURCE SUBSCRIBE UNBIND ' +
    'UNLINK UNLOCK UNSUBSCRIBE'
  ).split(' '),
);
