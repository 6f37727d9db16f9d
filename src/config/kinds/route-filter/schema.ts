import { type Infer, object, string } from '../../schema/index.ts';
import { enrouteService } from '../shared/enroute-route.ts';

/** EnRoute's RouteFilter: what is done with the requests of a route. */
export const routeFilterSchema = object({
  name: string(),
  type: string(),
  /** `config` is JSON in a text, of a shape that the type decides. */
  routeFilterConfig: object({ config: string() }),
  services: enrouteService,
});
export type RouteFilterSpec = Infer<typeof routeFilterSchema>;
