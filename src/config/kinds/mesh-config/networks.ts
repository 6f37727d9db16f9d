import { array, type Infer, map, object, string, uint32 } from '../../schema/index.ts';

/** Networks of a mesh and the gateways into them (istio.mesh.v1alpha1.MeshNetworks). */
export const meshNetworksSchema = object(
  {
    networks: map(
      object({
        endpoints: array(
          object({ fromCidr: string(), fromRegistry: string() }, { oneOf: [['fromCidr', 'fromRegistry']] }),
        ),
        gateways: array(
          object(
            { registryServiceName: string(), address: string(), port: uint32(), locality: string() },
            { oneOf: [['registryServiceName', 'address']] },
          ),
        ),
      }),
    ),
  },
  { protobufNames: true },
);
export type MeshNetworks = Infer<typeof meshNetworksSchema>;
