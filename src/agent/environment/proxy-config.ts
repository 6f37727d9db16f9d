/**
 * As much of `istio.mesh.v1alpha1.ProxyConfig` as an agent acts on, with defaults filled in and durations in
 * milliseconds.
 */
export interface ProxyConfig {
  /** Folder of the bootstrap. */
  readonly configPath: string;
  readonly serviceCluster?: string;
  readonly tracingServiceName?: 'APP_LABEL_AND_NAMESPACE' | 'CANONICAL_NAME_ONLY' | 'CANONICAL_NAME_AND_NAMESPACE';
  readonly discoveryAddress: string;
  readonly controlPlaneAuthPolicy: 'NONE' | 'MUTUAL_TLS' | 'INHERIT';
  readonly drainDuration: number;
  readonly terminationDrainDuration: number;
  readonly proxyAdminPort: number;
  readonly statusPort: number;
  /** Worker threads; 0 or nothing leaves it to the proxy. */
  readonly concurrency?: number;
  readonly customConfigFile?: string;
  readonly proxyBootstrapTemplatePath?: string;
  readonly extraStatTags?: readonly string[];
  readonly proxyStatsMatcher?: {
    readonly inclusionPrefixes?: readonly string[];
    readonly inclusionSuffixes?: readonly string[];
    readonly inclusionRegexps?: readonly string[];
  };
  /** Compress metrics for those who ask for it; true unless told. */
  readonly statsCompression?: boolean;
  /** Environment of the agent, and of the node's metadata where a name begins with `ISTIO_META_`. */
  readonly proxyMetadata?: Readonly<Record<string, string>>;
  readonly runtimeValues?: Readonly<Record<string, string>>;
  /** Roots that are trusted besides the mesh's. */
  readonly caCertificatesPem?: readonly string[];
  /** How the agent finds out whether the program is well, where there is no kubelet that does. */
  readonly readinessProbe?: ReadinessProbe;
  /** Older form of `tracing.zipkin`. */
  readonly zipkinAddress?: string;
  readonly tracing?: {
    readonly zipkin?: { readonly address?: string };
    readonly datadog?: { readonly address?: string };
    readonly tlsSettings?: ClientTls;
  };
  readonly statsdUdpAddress?: string;
  readonly envoyMetricsService?: RemoteService;
  /** Older form of `envoyMetricsService`. */
  readonly envoyMetricsServiceAddress?: string;
  readonly envoyAccessLogService?: RemoteService;
  readonly connectionSettings?: { readonly globalDownstreamConnectionLimit?: number };
  /** How long a line of an access log may wait for others. */
  readonly fileFlushInterval?: number;
  /** How much of an access log is written at once, in KiB. */
  readonly fileFlushMinSizeKb?: number;
}

/** `istio.mesh.v1alpha1.RemoteService`. */
export interface RemoteService {
  readonly address?: string | undefined;
  readonly tlsSettings?: ClientTls;
  readonly tcpKeepalive?: TcpKeepalive;
}

/** `ConnectionPoolSettings.TCPSettings.TcpKeepalive`; times in milliseconds. */
export interface TcpKeepalive {
  readonly probes?: number;
  readonly time?: number;
  readonly interval?: number;
}

/** As much of `istio.networking.v1alpha3.ClientTLSSettings` as is for a service outside the mesh. */
export interface ClientTls {
  readonly mode?: 'DISABLE' | 'SIMPLE' | 'MUTUAL' | 'ISTIO_MUTUAL';
  readonly clientCertificate?: string;
  readonly privateKey?: string;
  readonly caCertificates?: string;
  readonly subjectAltNames?: readonly string[];
  readonly sni?: string;
  readonly insecureSkipVerify?: boolean;
}

/** `istio.networking.v1alpha3.ReadinessProbe`; times in seconds, 0 or nothing for Kubernetes' defaults. */
export interface ReadinessProbe {
  readonly initialDelaySeconds?: number;
  readonly timeoutSeconds?: number;
  readonly periodSeconds?: number;
  readonly successThreshold?: number;
  readonly failureThreshold?: number;
  readonly httpGet?: {
    readonly path?: string;
    readonly port?: number;
    readonly host?: string;
    readonly scheme?: string;
    readonly httpHeaders?: readonly { readonly name?: string; readonly value?: string }[];
  };
  readonly tcpSocket?: { readonly host?: string; readonly port?: number };
  readonly exec?: { readonly command?: readonly string[] };
  readonly grpc?: { readonly port?: number; readonly service?: string };
}
