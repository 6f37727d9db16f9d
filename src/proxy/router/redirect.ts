import type { RedirectAction as RedirectProto } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import { RedirectAction_RedirectResponseCode as Code } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { PathMatch } from './path-match.ts';
import { type PathRewrite, pathRewrite } from './rewrite.ts';
import type { RedirectAction } from './route.ts';

const STATUS: Readonly<Record<Code, number>> = {
  [Code.MOVED_PERMANENTLY]: 301,
  [Code.FOUND]: 302,
  [Code.SEE_OTHER]: 303,
  [Code.TEMPORARY_REDIRECT]: 307,
  [Code.PERMANENT_REDIRECT]: 308,
};

/** Compiles `redirect`; `match` is the route's, for rewrites of a prefix. */
export function redirectAction(proto: RedirectProto, match: PathMatch, errors: ConfigErrors): RedirectAction {
  const { pathRewriteSpecifier, schemeRewriteSpecifier, hostRedirect, portRedirect, stripQuery } = proto;
  let rewrite: PathRewrite | undefined;
  // An empty path or prefix is none.
  if (!pathRewriteSpecifier.value) rewrite = undefined;
  else if (pathRewriteSpecifier.case === 'pathRedirect') {
    const target = pathRewriteSpecifier.value;
    // A target with a query of its own replaces the request's.
    rewrite = target.includes('?') ? () => target : (path, end) => target + path.slice(end);
  } else if (pathRewriteSpecifier.case === 'prefixRewrite') {
    rewrite = pathRewrite({ prefixRewrite: pathRewriteSpecifier.value }, match, errors);
  } else if (pathRewriteSpecifier.case === 'pathRewrite') {
    rewrite = pathRewrite({ prefixRewrite: '', pathRewrite: pathRewriteSpecifier.value }, match, errors);
  } else if (pathRewriteSpecifier.case === 'regexRewrite') {
    rewrite = pathRewrite({ prefixRewrite: '', regexRewrite: pathRewriteSpecifier.value }, match, errors);
  }
  const schemeOf = (secure: boolean, current: string): string => {
    if (schemeRewriteSpecifier.case === 'httpsRedirect' && schemeRewriteSpecifier.value) return 'https';
    if (schemeRewriteSpecifier.case === 'schemeRedirect' && schemeRewriteSpecifier.value)
      return schemeRewriteSpecifier.value;
    return current || (secure ? 'https' : 'http');
  };
  return {
    kind: 'redirect',
    status: STATUS[proto.responseCode],
    location(headers, secure, info) {
      const scheme = schemeOf(secure, headers.scheme);
      const changed = scheme !== (headers.scheme || (secure ? 'https' : 'http'));
      let host = hostRedirect || headers.authority;
      if (portRedirect > 0) host = `${withoutPort(host)}:${portRedirect}`;
      // The standard port of the old scheme means nothing under the new one.
      else if (changed && !hostRedirect) host = host.replace(headers.scheme === 'https' ? /:443$/ : /:80$/, '');
      const query = headers.path.indexOf('?');
      const end = query < 0 ? headers.path.length : query;
      let target = rewrite?.(headers.path, end, info) ?? headers.path;
      // Envoy rewrites the request itself, which access logs show; a whole new path it keeps to the answer.
      if (rewrite && pathRewriteSpecifier.case !== 'pathRedirect') headers.path = target;
      if (stripQuery) target = target.replace(/\?.*$/s, '');
      return `${scheme}://${host}${target.startsWith('/') ? '' : '/'}${target}`;
    },
  };
}

function withoutPort(host: string): string {
  return host.replace(/:\d*$/, '');
}
