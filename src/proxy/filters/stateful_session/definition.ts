import { fromBinary } from '@bufbuild/protobuf';
import {
  type StatefulSession,
  type StatefulSessionPerRoute,
  StatefulSessionPerRouteSchema,
  StatefulSessionSchema,
} from '../../../api/gen/envoy/extensions/filters/http/stateful_session/v3/stateful_session_pb.ts';
import { CookieBasedSessionStateSchema } from '../../../api/gen/envoy/extensions/http/stateful_session/cookie/v3/cookie_pb.ts';
import { HeaderBasedSessionStateSchema } from '../../../api/gen/envoy/extensions/http/stateful_session/header/v3/header_pb.ts';
import { typeNameOf } from '../../../api/registry.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { checkSupported, type SupportTable } from '../../config/supported.ts';
import { durationMs } from '../../config/values.ts';
import type { HttpFilterDefinition, RouteConfigContext } from '../../http/filter.ts';
import { type StatefulSessionConfig, StatefulSessionFilter } from './filter.ts';
import { cookieSession, headerSession, type SessionState } from './session.ts';

const FILTER = 'envoy.extensions.filters.http.stateful_session.v3';

export const SUPPORTED: SupportTable = {
  [`${FILTER}.StatefulSession`]: ['session_state', 'strict'],
  [`${FILTER}.StatefulSessionPerRoute`]: ['disabled', 'stateful_session'],
  'envoy.config.core.v3.TypedExtensionConfig': ['name', 'typed_config'],
  'envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState': ['cookie'],
  'envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState': ['name'],
  'envoy.type.http.v3.Cookie': ['name', 'ttl', 'path'],
};

/** Keeps clients with hosts by a cookie or a header (Istio's persistent sessions). */
export const statefulSession: HttpFilterDefinition<StatefulSession, StatefulSessionPerRoute> = {
  name: 'envoy.filters.http.stateful_session',
  schema: StatefulSessionSchema,
  routeSchema: StatefulSessionPerRouteSchema,
  supported: SUPPORTED,
  compile(proto, context, errors) {
    const config = sessionConfig(proto, context, errors);
    return { create: (callbacks) => new StatefulSessionFilter(config, callbacks) };
  },
  compileRoute({ override }, context, errors): StatefulSessionConfig {
    if (override.case === 'statefulSession') {
      return sessionConfig(override.value, context, errors.at('stateful_session'));
    }
    return { session: undefined, strict: false };
  },
};

function sessionConfig(
  { sessionState, strict }: StatefulSession,
  { worker }: RouteConfigContext,
  errors: ConfigErrors,
): StatefulSessionConfig {
  if (sessionState === undefined) return { session: undefined, strict };
  const at = errors.at('session_state').at('typed_config');
  const now = () => Math.floor(worker.timers.wallClock() / 1000);
  return { session: stateOf(sessionState.typedConfig, now, at), strict };
}

function stateOf(
  any: NonNullable<StatefulSession['sessionState']>['typedConfig'],
  now: () => number,
  errors: ConfigErrors,
): SessionState | undefined {
  switch (typeNameOf(any?.typeUrl ?? '')) {
    case CookieBasedSessionStateSchema.typeName: {
      const proto = fromBinary(CookieBasedSessionStateSchema, any!.value);
      checkSupported(CookieBasedSessionStateSchema, proto, SUPPORTED, errors);
      const { cookie } = proto;
      if (cookie === undefined || cookie.name === '') errors.add('cookie.name', 'must not be empty');
      return cookieSession({
        name: cookie?.name ?? '',
        path: cookie?.path ?? '',
        ttl: Math.floor(durationMs(cookie?.ttl, 0) / 1000),
        now,
      });
    }
    case HeaderBasedSessionStateSchema.typeName: {
      const { name } = fromBinary(HeaderBasedSessionStateSchema, any!.value);
      if (name === '') errors.add('name', 'must not be empty');
      return headerSession(name.toLowerCase());
    }
    default:
      errors.add('', `${any?.typeUrl ?? ''} is not supported`);
      return undefined;
  }
}
