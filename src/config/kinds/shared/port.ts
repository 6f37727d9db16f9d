import { type Infer, object, string, uint32 } from '../../schema/index.ts';

/** `{number: 80}` (istio.networking.v1alpha3.PortSelector). */
export const portSelector = object({ number: uint32() });
export type PortSelector = Infer<typeof portSelector>;

/** A listener's port of Gateway and Sidecar, or a service's of ServiceEntry. */
export const port = object({
  number: uint32(),
  protocol: string(),
  name: string(),
  targetPort: uint32(),
});
export type Port = Infer<typeof port>;
