import { array, type Infer, map, object, required, string } from '../../schema/index.ts';
import { port } from '../shared/port.ts';
import { serverTls } from '../shared/tls.ts';

const server = object({
  port: required(port),
  bind: string(),
  hosts: required(array(string())),
  tls: serverTls,
  defaultEndpoint: string(),
  name: string(),
});
export type Server = Infer<typeof server>;

export const gatewaySchema = object({ servers: required(array(server)), selector: map(string()) });
export type GatewaySpec = Infer<typeof gatewaySchema>;
