import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  JwtAuthenticationSchema,
  type JwtProviderSchema,
  type JwtRequirementSchema,
} from '../../api/gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts';
import {
  type HttpFilter,
  HttpFilterSchema,
} from '../../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import type { JwtRule } from '../../config/kinds/request-authentication/schema.ts';
import { providerCluster } from '../extension-providers.ts';
import { JWT_FILTER, JWT_PAYLOAD } from '../filters/jwt-claims.ts';
import { Memo } from '../memo.ts';
import { outboundCluster } from '../names.ts';
import { filter } from '../proto/any.ts';
import { duration } from '../proto/values.ts';
import type { ProxyView } from '../proxy-view.ts';

type Provider = MessageInitShape<typeof JwtProviderSchema> & object;
type Requirement = MessageInitShape<typeof JwtRequirementSchema> & object;

const known = new Memo<HttpFilter | undefined>();

/**
 * The filter that verifies tokens; undefined if no RequestAuthentication is for the proxy. A request may come without a
 * token, but not with a bad one.
 */
export function jwtFilter(proxy: ProxyView): HttpFilter | undefined {
  const { features, indexes, labels, mesh, namespace } = proxy;
  const policies = indexes.requestAuthentication.for({ namespace, labels });
  const { jwks } = indexes;
  return known.get([policies, indexes.registry.services, mesh, features, jwks], proxy.node.type, () => {
    const inRoot = policies.filter(({ metadata }) => metadata.namespace === mesh.rootNamespace);
    const own = policies.filter(({ metadata }) => metadata.namespace !== mesh.rootNamespace);
    const rules = [...own, ...inRoot].flatMap(({ spec }) => spec.jwtRules ?? []);
    if (rules.length === 0) return undefined;
    rules.sort((a, b) => compare(a.issuer ?? '', b.issuer ?? ''));
    const names = rules.map((_, i) => `origins-${i}`);
    const config = create(JwtAuthenticationSchema, {
      providers: Object.fromEntries(rules.map((rule, i) => [names[i]!, providerOf(proxy, rule)])),
      rules: [
        {
          match: { pathSpecifier: { case: 'prefix', value: '/' } },
          requirementType: { case: 'requires', value: requirementOf(names) },
        },
      ],
      bypassCorsPreflight: true,
    });
    return create(HttpFilterSchema, filter(JWT_FILTER, JwtAuthenticationSchema, config));
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * One issuer's token, or none. With several, the token of any; else whatever token is there must be good for each issuer
 * that finds it where it looks.
 */
function requirementOf(names: readonly string[]): Requirement {
  const named = (name: string): Requirement => ({ requiresType: { case: 'providerName', value: name } });
  const orMissing = names.map(
    (name): Requirement => ({
      requiresType: {
        case: 'requiresAny',
        value: { requirements: [named(name), { requiresType: { case: 'allowMissing', value: {} } }] },
      },
    }),
  );
  if (orMissing.length === 1) return orMissing[0]!;
  const all: Requirement = { requiresType: { case: 'requiresAll', value: { requirements: orMissing } } };
  return { requiresType: { case: 'requiresAny', value: { requirements: [...names.map(named), all] } } };
}

/** Claims that RFC 8693 and others separate by spaces. */
const SPACE_DELIMITED = ['permission', 'scope'];

function providerOf(proxy: ProxyView, rule: JwtRule): Provider {
  return {
    issuer: rule.issuer ?? '',
    audiences: [...(rule.audiences ?? [])],
    forward: rule.forwardOriginalToken === true,
    forwardPayloadHeader: rule.outputPayloadToHeader ?? '',
    payloadInMetadata: JWT_PAYLOAD,
    normalizePayloadInMetadata: {
      spaceDelimitedClaims: [...new Set([...(rule.spaceDelimitedClaims ?? []), ...SPACE_DELIMITED])].sort(),
    },
    // Gateways route by claims, and can do so only now that they are known.
    clearRouteCache: proxy.node.type === 'router',
    claimToHeaders: (rule.outputClaimToHeaders ?? []).map(({ header = '', claim = '' }) => ({
      headerName: header,
      claimName: claim,
    })),
    fromHeaders: (rule.fromHeaders ?? []).map(({ name = '', prefix = '' }) => ({ name, valuePrefix: prefix })),
    fromParams: [...(rule.fromParams ?? [])],
    fromCookies: [...(rule.fromCookies ?? [])],
    jwksSourceSpecifier: keysOf(proxy, rule),
  };
}

/** Milliseconds. */
const JWKS_TIMEOUT = 5_000;
const JWKS_CACHE = 300_000;

/**
 * A key out of a number drawn at random, so that nobody has the other half: while an issuer's keys are not known, each of its tokens is refused, and
 * requests without a token go on.
 */
const NOBODYS_KEY = JSON.stringify({
  keys: [
    {
      kty: 'RSA',
      e: 'AQAB',
      n: 'iCzBr5r2bXfG-NTsjiir_kB__2XumfD6KfXey1rwZHuj6GGNmFr20ph8JeIl_3telKWr94sIlPT9G0U8rHO5uSt14hHhHyMm6rlESnF63RJdnaT_T_AQsFG6fmVEO4NDmyYDtN9hNbfyR9kaxq0W5mBPABmqjM_quTnIsSrrWgwg1-WbWpePxd3qDHhOFfEeHqqJI1GLRbMX8XSHsMeauCTNdxAFvSBI6k--0pHTKbtaSIWSZyrXisrebNQb7DPsrN9B718_pePDVaZ4wwKOQAI-z23Rfb37LOefv_68Xp8oT_knrexpTRrjg-UblPYSmodIJAlOywW6Tzvy9k6G6Q',
    },
  ],
});

function keysOf(proxy: ProxyView, rule: JwtRule): NonNullable<Provider['jwksSourceSpecifier']> {
  const inline = (keys: string) => ({
    case: 'localJwks' as const,
    value: { specifier: { case: 'inlineString' as const, value: keys } },
  });
  if (rule.jwks) return inline(rule.jwks);
  const uri = rule.jwksUri ?? '';
  const { jwksFetch } = proxy.features;
  const server = uri === '' || jwksFetch === 'istiod' ? undefined : serverOf(uri);
  if (server !== undefined) {
    const cluster = providerCluster(proxy.indexes.registry, server.hostname, server.port)?.cluster;
    if (cluster !== undefined || jwksFetch === 'envoy') {
      return {
        case: 'remoteJwks',
        value: {
          httpUri: {
            uri,
            httpUpstreamType: {
              case: 'cluster',
              value: cluster ?? outboundCluster(server.port, '', server.hostname),
            },
            timeout: duration(rule.timeout ?? JWKS_TIMEOUT),
          },
          cacheDuration: duration(JWKS_CACHE),
        },
      };
    }
  }
  return inline(proxy.indexes.jwks.get(uri || (rule.issuer ?? '')) ?? NOBODYS_KEY);
}

/** Host and port of a URL; undefined if it is none. */
function serverOf(uri: string): { readonly hostname: string; readonly port: number } | undefined {
  const url = URL.parse(uri);
  if (url === null) return undefined;
  const port = url.port !== '' ? Number(url.port) : url.protocol === 'https:' ? 443 : 80;
  return { hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'), port };
}
