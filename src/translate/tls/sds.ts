import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ConfigSourceSchema } from '../../api/gen/envoy/config/core/v3/config_source_pb.ts';
import { ApiConfigSource_ApiType, ApiVersion } from '../../api/gen/envoy/config/core/v3/config_source_pb.ts';
import type { SdsSecretConfigSchema } from '../../api/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts';
import { duration } from '../proto/values.ts';

type SdsConfig = MessageInitShape<typeof SdsSecretConfigSchema>;
type ConfigSource = MessageInitShape<typeof ConfigSourceSchema>;

/** Cluster of the agent beside the proxy, which serves the workload's own certificate and certificates in files. */
const SDS_CLUSTER = 'sds-grpc';
/** Cluster of a program beside the proxy that serves credentials over a socket of its own. */
export const EXTERNAL_SDS_CLUSTER = 'sds-external';
export const EXTERNAL_SDS_SOCKET = './var/run/secrets/credential-uds/socket';

export const WORKLOAD_CERTIFICATE = 'default';
export const WORKLOAD_ROOTS = 'ROOTCA';
/** Ends the name of a secret with the certificate authorities of another. */
export const CA_SUFFIX = '-cacert';

/** Prefix of credential names that the external program serves. */
const EXTERNAL_PREFIX = 'sds://';
/** The credential that is the gateway's own certificate. */
const BUILTIN_CREDENTIAL = 'builtin://';

/** Asks the control plane. There is a time limit, so that a missing secret does not hold up the rest. */
const FROM_CONTROL_PLANE: ConfigSource = {
  configSourceSpecifier: { case: 'ads', value: {} },
  resourceApiVersion: ApiVersion.V3,
};

function fromCluster(clusterName: string, initialFetchTimeout?: ReturnType<typeof duration>): ConfigSource {
  return {
    configSourceSpecifier: {
      case: 'apiConfigSource',
      value: {
        apiType: ApiConfigSource_ApiType.GRPC,
        setNodeOnFirstMessageOnly: true,
        transportApiVersion: ApiVersion.V3,
        grpcServices: [{ targetSpecifier: { case: 'envoyGrpc', value: { clusterName } } }],
      },
    },
    resourceApiVersion: ApiVersion.V3,
    ...(initialFetchTimeout === undefined ? {} : { initialFetchTimeout }),
  };
}

/** A secret that the agent serves: the workload's certificate is waited for without limit, files are not. */
export function agentSecret(name: string): SdsConfig {
  const own = name === WORKLOAD_CERTIFICATE || name === WORKLOAD_ROOTS;
  return { name, sdsConfig: fromCluster(SDS_CLUSTER, own ? duration(0) : undefined) };
}

/** A secret by its `credentialName`: the control plane serves it, unless the name says that a socket does. */
export function credentialSecret(name: string, socketExists: boolean): SdsConfig {
  if (name === BUILTIN_CREDENTIAL) return agentSecret(WORKLOAD_CERTIFICATE);
  if (name === BUILTIN_CREDENTIAL + CA_SUFFIX) return agentSecret(WORKLOAD_ROOTS);
  if (!name.startsWith(EXTERNAL_PREFIX)) return { name: credentialResource(name), sdsConfig: FROM_CONTROL_PLANE };
  if (socketExists) return { name, sdsConfig: fromCluster(EXTERNAL_SDS_CLUSTER) };
  // Where nobody serves the socket, it is a Secret like others.
  return { name: credentialResource(name.slice(EXTERNAL_PREFIX.length)), sdsConfig: FROM_CONTROL_PLANE };
}

/** `kubernetes://NAME`, unless the name has a scheme already. */
function credentialResource(name: string): string {
  return /^(kubernetes|kubernetes-gateway|configmap|builtin|invalid):\/\//.test(name) ? name : `kubernetes://${name}`;
}

/** Name of a certificate with its key in files. */
export function fileCertificate(certificate: string, key: string): string {
  return `file-cert:${certificate}~${key}`;
}

/** Name of certificate authorities in a file; `system` is the operating system's. */
export function fileRoots(file: string): string {
  return `file-root:${file}`;
}
