import {
  HttpConnectionManager_ForwardClientCertDetails as Forward,
  HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
} from '../api/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts';
import type { MeshProxyConfig } from '../config/kinds/mesh-config/schema.ts';
import type { ListenerClass } from './proxy-view.ts';

/** What a proxy adds to requests and responses about itself (ProxyConfig `proxyHeaders`). */
export interface ProxyHeaders {
  readonly serverName: string;
  readonly serverHeader: ServerHeader;
  readonly forwardClientCert: Forward;
  /** Parts of the client's certificate that are told; undefined for the default. */
  readonly clientCertDetails: ClientCertDetails | undefined;
  readonly attemptCount: boolean;
  readonly requestId: boolean;
  readonly debugHeaders: boolean;
  /** Metadata exchange only with peers of the mesh. */
  readonly exchangeInMeshOnly: boolean;
  readonly preserveHttp1HeaderCase: boolean;
  readonly forwardedHost: boolean;
  readonly forwardedPort: boolean;
}

export interface ClientCertDetails {
  readonly subject: boolean;
  readonly cert: boolean;
  readonly chain: boolean;
  readonly dns: boolean;
  readonly uri: boolean;
}

const FORWARD = {
  UNDEFINED: undefined,
  SANITIZE: Forward.SANITIZE,
  FORWARD_ONLY: Forward.FORWARD_ONLY,
  APPEND_FORWARD: Forward.APPEND_FORWARD,
  SANITIZE_SET: Forward.SANITIZE_SET,
  ALWAYS_FORWARD_ONLY: Forward.ALWAYS_FORWARD_ONLY,
} as const;

/** Istio's name for what is done with the header x-forwarded-client-cert; undefined if it leaves it open. */
export function forwardOf(name: keyof typeof FORWARD | undefined): Forward | undefined {
  return name === undefined ? undefined : FORWARD[name];
}

/** Reads `proxyHeaders` of a ProxyConfig, with what Istio does where it says nothing. */
export function proxyHeaders(config: MeshProxyConfig, listenerClass: ListenerClass): ProxyHeaders {
  const headers = config.proxyHeaders ?? {};
  const { server, setCurrentClientCertDetails: details } = headers;
  const defaultName = listenerClass === 'outbound' ? '' : 'istio-envoy';
  return {
    serverName: server?.disabled === true ? '' : server?.value || defaultName,
    serverHeader: server?.disabled === true ? ServerHeader.PASS_THROUGH : ServerHeader.OVERWRITE,
    forwardClientCert: forwardOf(headers.forwardedClientCert) ?? Forward.APPEND_FORWARD,
    clientCertDetails: details && {
      subject: details.subject ?? true,
      cert: details.cert === true,
      chain: details.chain === true,
      dns: details.dns ?? true,
      uri: details.uri ?? true,
    },
    attemptCount: headers.attemptCount?.disabled !== true,
    requestId: headers.requestId?.disabled !== true,
    debugHeaders: headers.envoyDebugHeaders?.disabled !== true,
    exchangeInMeshOnly: headers.metadataExchangeHeaders?.mode === 'IN_MESH',
    preserveHttp1HeaderCase: headers.preserveHttp1HeaderCase === true,
    forwardedHost: headers.xForwardedHost?.enabled === true,
    forwardedPort: headers.xForwardedPort?.enabled === true,
  };
}
