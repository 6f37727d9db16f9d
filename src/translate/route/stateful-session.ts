import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import {
  StatefulSessionPerRouteSchema,
  type StatefulSessionSchema,
} from '../../api/gen/envoy/extensions/filters/http/stateful_session/v3/stateful_session_pb.ts';
import { CookieBasedSessionStateSchema } from '../../api/gen/envoy/extensions/http/stateful_session/cookie/v3/cookie_pb.ts';
import { HeaderBasedSessionStateSchema } from '../../api/gen/envoy/extensions/http/stateful_session/header/v3/header_pb.ts';
import type { Service } from '../../registry/service.ts';
import type { Features } from '../features.ts';
import { extension, pack } from '../proto/any.ts';

export const STATEFUL_SESSION_FILTER = 'envoy.filters.http.stateful_session';

/** Whether a service's labels ask that clients stay with their endpoint, and so that it keeps those that drain. */
export function keepsSessions({ labels }: Service, features: Features): boolean {
  return Boolean(labels[features.persistentSessionLabel] || labels[features.persistentSessionHeaderLabel]);
}

/** Per-route settings that keep a client with one endpoint, for services whose labels name a header or cookie. */
export function statefulSession(service: Service, features: Features): Record<string, Any> | undefined {
  if (!features.persistentSessions) return undefined;
  const config = sessionOf(service, features);
  if (config === undefined) return undefined;
  return {
    [STATEFUL_SESSION_FILTER]: pack(StatefulSessionPerRouteSchema, {
      override: { case: 'statefulSession', value: config },
    }),
  };
}

function sessionOf(
  { labels }: Service,
  features: Features,
): MessageInitShape<typeof StatefulSessionSchema> | undefined {
  const header = labels[features.persistentSessionHeaderLabel];
  if (header) {
    return {
      sessionState: extension('envoy.http.stateful_session.header', HeaderBasedSessionStateSchema, { name: header }),
    };
  }
  const cookie = labels[features.persistentSessionLabel];
  if (!cookie) return undefined;
  const colon = cookie.indexOf(':');
  const [name, path] = colon === -1 ? [cookie, '/'] : [cookie.slice(0, colon), cookie.slice(colon + 1)];
  return {
    sessionState: extension('envoy.http.stateful_session.cookie', CookieBasedSessionStateSchema, {
      cookie: { name, path },
    }),
  };
}
