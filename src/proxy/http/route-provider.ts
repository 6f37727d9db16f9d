import type { RouteTable } from '../router/route-table.ts';

/** Where a connection manager finds its routes at this moment: a table of its own, or what RDS sent last. */
export interface RouteProvider {
  /** Undefined while nothing has come: requests are then answered 404. */
  readonly table: RouteTable | undefined;
}
