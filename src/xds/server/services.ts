import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { GrpcStatus } from '../../wire/grpc/transport.ts';
import { Resource } from '../session/resource-types.ts';

/** One discovery method: what it speaks, and the one type it is for; empty means all (ADS). */
export interface DiscoveryMethod {
  readonly path: string;
  readonly delta: boolean;
  readonly typeUrl: string;
}

/** A call, as a stream of raw messages. */
export type DiscoveryCall = ServerDuplexStream<Uint8Array, Uint8Array>;

/** What serves a call: {@link DiscoveryStream}, with whoever knows about clients around it. */
export interface CallHandler {
  receive(message: Uint8Array): void;
  /** The call is over, or the client will send nothing more. */
  close(): void;
}

/** Takes a call on, or refuses it. `send` and `end` may be used from the start. */
export type OpenCall = (
  call: DiscoveryCall,
  method: DiscoveryMethod,
  send: (message: Uint8Array) => void,
  end: (status: GrpcStatus) => void,
) => CallHandler | GrpcStatus;

/** Service, its methods' suffix (`StreamX`, `DeltaX`), and its type. */
const SERVICES: readonly [service: string, suffix: string, typeUrl: string][] = [
  ['envoy.service.discovery.v3.AggregatedDiscoveryService', 'AggregatedResources', ''],
  ['envoy.service.cluster.v3.ClusterDiscoveryService', 'Clusters', Resource.Cluster],
  ['envoy.service.endpoint.v3.EndpointDiscoveryService', 'Endpoints', Resource.Endpoint],
  ['envoy.service.listener.v3.ListenerDiscoveryService', 'Listeners', Resource.Listener],
  ['envoy.service.route.v3.RouteDiscoveryService', 'Routes', Resource.Route],
  ['envoy.service.secret.v3.SecretDiscoveryService', 'Secrets', Resource.Secret],
  ['envoy.service.extension.v3.ExtensionConfigDiscoveryService', 'ExtensionConfigs', Resource.ExtensionConfig],
];

/** The services to add to a `@grpc/grpc-js` server: ADS, and the single-type ones that Envoy knows. */
export function discoveryServices(
  open: OpenCall,
): readonly { readonly definition: ServiceDefinition; readonly implementation: UntypedServiceImplementation }[] {
  return SERVICES.map(([service, suffix, typeUrl]) => {
    const definition: Record<string, ServiceDefinition[string]> = {};
    const implementation: UntypedServiceImplementation = {};
    for (const delta of [false, true]) {
      const name = `${delta ? 'Delta' : 'Stream'}${suffix}`;
      const method = { path: `/${service}/${name}`, delta, typeUrl };
      definition[name] = {
        path: method.path,
        requestStream: true,
        responseStream: true,
        requestSerialize: (bytes: Uint8Array) => Buffer.from(bytes),
        requestDeserialize: (bytes: Buffer) => bytes,
        responseSerialize: asBuffer,
        responseDeserialize: (bytes: Buffer) => bytes,
      };
      implementation[name] = (call: DiscoveryCall) => serve(call, method, open);
    }
    return { definition, implementation };
  });
}

function serve(call: DiscoveryCall, method: DiscoveryMethod, open: OpenCall): void {
  let handler: CallHandler | undefined;
  let over = false;
  const finish = () => {
    if (over) return;
    over = true;
    handler?.close();
  };
  const end = ({ code, message }: GrpcStatus) => {
    if (over) return;
    finish();
    call.emit('error', { code, details: message });
  };
  call.on('cancelled', finish);
  call.on('error', finish);
  call.on('close', finish);
  const opened = open(call, method, (message) => over || call.write(message), end);
  if ('code' in opened) {
    end(opened);
    return;
  }
  handler = opened;
  if (over) {
    handler.close();
    return;
  }
  call.on('data', (message: Uint8Array) => over || handler?.receive(message));
  call.on('end', () => {
    finish();
    call.end();
  });
}

/** The same bytes as the Buffer that grpc-js asks for. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
