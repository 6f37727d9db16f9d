import { type Infer, object, string } from '../../schema/index.ts';
import { enrouteService } from '../shared/enroute-route.ts';

/** EnRoute's HttpFilter: what is done with the requests of a host, or of all (`http_filter_*`). */
export const httpFilterSchema = object({
  name: string(),
  type: string(),
  /** `config` is JSON in a text, of a shape that the type decides. */
  httpFilterConfig: object({ config: string() }),
  services: enrouteService,
});
export type HttpFilterSpec = Infer<typeof httpFilterSchema>;
