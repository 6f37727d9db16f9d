import { toBinary } from '@bufbuild/protobuf';
import { type Route, RouteSchema } from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { Origin } from '../index/virtual-service.ts';
import { concat, lengthDelimited } from '../proto/wire.ts';

/** Number of `routes` in envoy.config.route.v3.VirtualHost. */
const ROUTES_FIELD = 3;

/**
 * Routes that were made together, and stand together in as many virtual hosts and tables as need them. They are encoded
 * once.
 */
export class RouteGroup {
  readonly routes: readonly Route[];
  /** Where they come from. */
  readonly origins: readonly Origin[];
  #bytes: Uint8Array | undefined;

  constructor(routes: readonly Route[], origins: readonly Origin[]) {
    this.routes = routes;
    this.origins = origins;
  }

  /** The field of a VirtualHost that they are. */
  get bytes(): Uint8Array {
    this.#bytes ??= concat(this.routes.flatMap((route) => lengthDelimited(ROUTES_FIELD, toBinary(RouteSchema, route))));
    return this.#bytes;
  }
}
