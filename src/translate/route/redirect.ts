import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  RedirectAction_RedirectResponseCode as Code,
  type RedirectActionSchema,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { HttpRedirect } from '../../config/kinds/virtual-service/schema.ts';
import type { VirtualService } from '../index/virtual-service.ts';

const CODES: Readonly<Record<number, Code>> = {
  301: Code.MOVED_PERMANENTLY,
  302: Code.FOUND,
  303: Code.SEE_OTHER,
  307: Code.TEMPORARY_REDIRECT,
  308: Code.PERMANENT_REDIRECT,
};

/** What Gateway API redirects put before the new prefix. */
const PREFIX_MARK = '%PREFIX()%';

/** A redirect; undefined for a status code that Envoy has no redirect for. */
export function redirectOf(
  redirect: HttpRedirect,
  port: number,
  isTls: boolean,
  semantics: VirtualService['semantics'],
): MessageInitShape<typeof RedirectActionSchema> | undefined {
  const responseCode = CODES[redirect.redirectCode || 301];
  if (responseCode === undefined) return undefined;
  const uri = redirect.uri ?? '';
  const prefix =
    semantics === 'gateway' && uri.startsWith(PREFIX_MARK) ? uri.slice(PREFIX_MARK.length) : redirect.prefixRewrite;
  const scheme = redirect.scheme || (isTls ? 'https' : 'http');
  const asked = redirect.derivePort === 'FROM_REQUEST_PORT' ? port : (redirect.port ?? 0);
  const implied = (asked === 80 && scheme === 'http') || (asked === 443 && scheme === 'https');
  return {
    responseCode,
    hostRedirect: redirect.authority ?? '',
    portRedirect: implied ? 0 : asked,
    pathRewriteSpecifier:
      prefix === undefined || prefix === ''
        ? { case: 'pathRedirect', value: uri }
        : { case: 'prefixRewrite', value: prefix },
    ...(redirect.scheme ? { schemeRewriteSpecifier: { case: 'schemeRedirect', value: redirect.scheme } } : {}),
  };
}
