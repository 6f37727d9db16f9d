import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { TypedExtensionConfig } from '../../api/gen/envoy/config/core/v3/extension_pb.ts';
import type { InternalRedirectPolicy as Proto } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import {
  type AllowListedRoutesConfig,
  AllowListedRoutesConfigSchema,
} from '../../api/gen/envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config_pb.ts';
import { PreviousRoutesConfigSchema } from '../../api/gen/envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config_pb.ts';
import { SafeCrossSchemeConfigSchema } from '../../api/gen/envoy/extensions/internal_redirect/safe_cross_scheme/v3/safe_cross_scheme_config_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import { configTypeName, decodeConfig } from '../config/typed-config.ts';

/** The redirects that were followed for one request, and where they led. */
export class RedirectHistory {
  count = 0;
  readonly #targets = new Map<string, Set<string>>();

  /** Notes that `from` led to `to`; false if it has before. */
  visit(from: string, to: string): boolean {
    let targets = this.#targets.get(from);
    if (targets === undefined) this.#targets.set(from, (targets = new Set()));
    if (targets.has(to)) return false;
    targets.add(to);
    return true;
  }
}

/** A redirect that is about to be followed. */
export interface RedirectHop {
  /** Names of routes. */
  readonly from: string;
  readonly to: string;
  readonly downstreamSecure: boolean;
  readonly targetSecure: boolean;
  readonly history: RedirectHistory;
}

/** Whether a redirect may be followed. */
export type RedirectPredicate = (hop: RedirectHop) => boolean;

/** `envoy.config.route.v3.InternalRedirectPolicy`. */
export interface InternalRedirectPolicy {
  readonly maxRedirects: number;
  readonly statuses: ReadonlySet<number>;
  readonly allowCrossScheme: boolean;
  readonly predicates: readonly RedirectPredicate[];
  /** Headers of the response that the request gets, or loses if the response has none; in lower case. */
  readonly headersToCopy: readonly string[];
}

interface PredicateDefinition {
  readonly schema: DescMessage;
  compile(config: Message): RedirectPredicate;
}

const PREDICATES: readonly PredicateDefinition[] = [
  {
    schema: AllowListedRoutesConfigSchema,
    compile(config) {
      const allowed = new Set((config as AllowListedRoutesConfig).allowedRouteNames);
      return ({ to }) => allowed.has(to);
    },
  },
  {
    schema: PreviousRoutesConfigSchema,
    compile:
      () =>
      ({ from, to, history }) =>
        history.visit(from, to),
  },
  {
    schema: SafeCrossSchemeConfigSchema,
    compile:
      () =>
      ({ downstreamSecure, targetSecure }) =>
        downstreamSecure || !targetSecure,
  },
];

/** Statuses that may be followed at all. */
const STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MAX_CODES = 5;

/** Compiles `internal_redirect_policy`. */
export function internalRedirectPolicy(proto: Proto, errors: ConfigErrors): InternalRedirectPolicy {
  if (proto.redirectResponseCodes.length > MAX_CODES) {
    errors.add('redirect_response_codes', `must be at most ${MAX_CODES}`);
  }
  const codes = proto.redirectResponseCodes.filter((code) => STATUSES.has(code));
  const headersToCopy = proto.responseHeadersToCopy.map((name, i) => {
    const lower = name.toLowerCase();
    if (lower.startsWith(':') || lower === 'host') {
      errors.at('response_headers_to_copy').at(i).add('', ':-prefixed or host headers may not be copied');
    }
    return lower;
  });
  return {
    maxRedirects: proto.maxInternalRedirects ?? 1,
    statuses: new Set(proto.redirectResponseCodes.length > 0 ? codes : [302]),
    allowCrossScheme: proto.allowCrossSchemeRedirect,
    predicates: proto.predicates.flatMap((one, i) => predicate(one, errors.at('predicates').at(i)) ?? []),
    headersToCopy,
  };
}

function predicate({ typedConfig }: TypedExtensionConfig, errors: ConfigErrors): RedirectPredicate | undefined {
  if (typedConfig === undefined) {
    errors.add('typed_config', 'is needed');
    return undefined;
  }
  const name = configTypeName(typedConfig);
  const definition = PREDICATES.find(({ schema }) => schema.typeName === name);
  if (definition === undefined) {
    errors.add('typed_config', `${name} is not supported`);
    return undefined;
  }
  const config = decodeConfig(definition.schema, typedConfig, errors.at('typed_config'));
  return config && definition.compile(config);
}
