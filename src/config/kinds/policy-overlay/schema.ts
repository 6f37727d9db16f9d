import { type Infer, object, string } from '../../schema/index.ts';
import { enrouteService } from '../shared/enroute-route.ts';

/** EnRoute's PolicyOverlay: what is laid over every host, as by an HttpFilter. */
export const policyOverlaySchema = object({
  name: string(),
  type: string(),
  /** `config` is JSON in a text, of a shape that the type decides. */
  policyOverlayConfig: object({ config: string() }),
  services: enrouteService,
});
export type PolicyOverlaySpec = Infer<typeof policyOverlaySchema>;
