import { type Infer, object, required, string } from '../../schema/index.ts';
import { portSelector } from './port.ts';

/** Where traffic goes (istio.networking.v1alpha3.Destination). */
export const destination = object({ host: required(string()), subset: string(), port: portSelector });
export type Destination = Infer<typeof destination>;
