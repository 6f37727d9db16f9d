/**
 * What `isthmus up` tells and does, on the same Unix socket on which it hands on the control plane's interface
 * (`api.ts`): JSON over HTTP, for tools of the same user on the same machine.
 */

/** `GET /v1/status`. */
export interface MeshStatus {
  readonly name: string;
  /** The folder of YAML that it runs. */
  readonly dir: string;
  readonly pid: number;
  /** Milliseconds since 1970, as all times here. */
  readonly startedAt: number;
  /** Milliseconds until everything was ready for the first time; undefined before. */
  readonly readyAfterMs: number | undefined;
  readonly discovery: ProgramStatus & { readonly addresses: DiscoveryAddresses };
  readonly urls: readonly PublishedUrl[];
  readonly pods: readonly PodStatus[];
}

export interface DiscoveryAddresses {
  readonly grpc: string;
  readonly secureGrpc: string;
  readonly http: string;
  readonly monitoring: string;
}

/** A program that is kept running. */
export interface ProgramStatus {
  readonly state: 'Pending' | 'Running' | 'CrashLoopBackOff' | 'Completed' | 'Error' | 'Stopped';
  readonly pid: number | undefined;
  readonly restarts: number;
  readonly startedAt: number | undefined;
  /** `exit code 1`, `signal SIGKILL`; undefined while it has not ended. */
  readonly lastEnd: string | undefined;
  /** What the present run, or the last one, has printed. */
  readonly logFile: string;
  /** What the run before that has printed, if there was one. */
  readonly previousLogFile: string;
}

/** Where a port of a gateway's Service is found from outside the mesh. */
export interface PublishedUrl {
  readonly gateway: string;
  readonly port: number;
  /** `http://127.0.0.1:8080`, or `127.0.0.1:31400` where it is not HTTP. */
  readonly url: string;
  /** Hosts that Gateways serve there; empty where nothing is served yet. */
  readonly hosts: readonly string[];
}

export interface PodStatus {
  readonly namespace: string;
  readonly name: string;
  /** `Deployment/catalog`; undefined for a pod that stands for itself. */
  readonly owner: string | undefined;
  /** What stands beside its programs. */
  readonly proxy: 'sidecar' | 'gateway' | 'none';
  readonly ready: number;
  readonly size: number;
  /** kubectl's STATUS. */
  readonly status: string;
  /** Why it is not as it should be. */
  readonly message: string | undefined;
  readonly restarts: number;
  readonly createdAt: number;
  readonly podIp: string;
  /** Its address of IPv6, where it has one as well. */
  readonly podIpv6?: string | undefined;
  /** Where its programs listen. */
  readonly programAddress: string;
  /** Its folder, which stands for its file system. */
  readonly folder: string;
  readonly containers: readonly ContainerStatus[];
}

export interface ContainerStatus extends ProgramStatus {
  readonly name: string;
  readonly init: boolean;
  readonly ready: boolean;
  readonly message: string | undefined;
}

/** `GET /v1/proxies`: the proxies of the mesh and where their admin interfaces listen. */
export interface ProxiesResponse {
  readonly proxies: readonly ProxyAddress[];
}

export interface ProxyAddress {
  /** `catalog-7d8f-x2x7k.default`, as `istioctl` names proxies. */
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  /** `Deployment/catalog`; undefined for a pod that stands for itself. */
  readonly owner: string | undefined;
  readonly type: 'sidecar' | 'router';
  readonly podIp: string;
  /** `127.192.0.3:15000`. */
  readonly admin: string;
  /** `http://` address of the agent's status port. */
  readonly status: string;
}

/** `GET /v1/environment?namespace=N&pod=P&container=C`: what a command is to be run with to be in a pod. */
export interface EnvironmentResponse {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Words before a command that lead to where the pod's programs run. */
  readonly enter: readonly string[];
}

/** `POST /v1/restart`: ends a pod, in whose place another one starts. */
export interface RestartRequest {
  readonly namespace: string;
  readonly pod: string;
}

/** `POST /v1/rollout`: makes the pods of a workload anew. The answer comes when the old ones have gone. */
export interface RolloutRequest {
  readonly namespace: string;
  readonly kind: 'Deployment' | 'StatefulSet';
  readonly name: string;
}

/**
 * `POST /v1/run`: makes a workload whose program the caller runs. The answer is lines of {@link RunEvent}; the workload
 * ends when the connection does.
 */
/**
 * How the traffic of programs gets to their sidecars. `explicit`: they are told of it. `netns`: they have networks of
 * their own, and need not know of it. `userns`: the same without root, with the sidecar outside.
 */
export type Capture = 'explicit' | 'netns' | 'userns';

export interface RunRequest {
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly number[];
  /** How its traffic gets to its sidecar; as it is usual in the mesh when undefined. */
  readonly capture?: Capture;
  /** The command, for `status`. */
  readonly command: readonly string[];
}

export type RunEvent =
  | { readonly event: 'waiting' }
  /** The program may start, with this environment; `started` is to be posted when it has. */
  | {
      readonly event: 'ready';
      readonly env: Readonly<Record<string, string>>;
      readonly enter: readonly string[];
      readonly podIp: string;
    }
  | { readonly event: 'failed'; readonly message: string };

/** `POST /v1/started`: the program of a run was started, and its ports can be waited for. */
export interface StartedRequest {
  readonly namespace: string;
  readonly name: string;
}

/** `GET /v1/trust`: what a workload that is not of this machine must trust. */
export interface TrustResponse {
  /** Roots of the mesh in PEM. */
  readonly rootCertificate: string;
}

/** `POST /v1/token`: a token with which a workload elsewhere gets its first certificate. */
export interface TokenRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly ttlMs: number;
}

export interface TokenResponse {
  readonly token: string;
}

/** `GET /v1/certificates`: every certificate that somebody in the mesh presents or trusts. */
export interface CertificatesResponse {
  readonly certificates: readonly CertificateEntry[];
  /** Workloads that could not be asked, or have no certificate: which, and why. */
  readonly problems: readonly { readonly workload: string; readonly problem: string }[];
  /** Secrets that a proxy has asked for and not got: what needs them fails, and nothing else. */
  readonly waiting?: readonly { readonly workload: string; readonly secret: string }[];
}

export interface CertificateEntry {
  readonly kind: 'leaf' | 'issuer' | 'root';
  /** `NAME.NAMESPACE` of those that present it or trust it; none for what only the authority has. */
  readonly workloads: readonly string[];
  /** Names of the secrets that it was found in: `default`, `ROOTCA`, `kubernetes://shop`. */
  readonly resources: readonly string[];
  /** Subject, or the first alternative name. */
  readonly name: string;
  readonly issuer: string;
  /** Hexadecimal. */
  readonly serial: string;
  /** SHA-256, hexadecimal. */
  readonly fingerprint: string;
  /** `ECDSA P-256` and the like. */
  readonly key: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** When it was obtained, where an agent renews it. */
  readonly lastRenewal?: number;
  /** By when it should be renewed or replaced. */
  readonly renewalDue: number;
  /** Why it is not as it should be: renewal is overdue, it has expired. */
  readonly problem?: string;
}

/** `POST /v1/renew`: new certificates before they are due. */
export interface RenewRequest {
  /** `NAME.NAMESPACE`; all without it. */
  readonly workloads?: readonly string[];
}

export interface RenewResponse {
  /** Those that were told to; they have new ones a moment later. */
  readonly renewed: readonly string[];
  readonly problems: readonly { readonly workload: string; readonly problem: string }[];
}

/** `POST /v1/rotation`. */
export interface RotationRequest {
  readonly action: 'start' | 'next' | 'abort';
  /** Folder with the files of the new authority; without it a new self-signed root is made. */
  readonly from?: string;
  /** Type of the key of a new root; that of the old one without it. */
  readonly keyType?: string;
}

/** `GET /v1/rotation`, and what each step has led to. */
export interface RotationResponse {
  /** Undefined when none is under way. */
  readonly rotation: RotationState | undefined;
  /** Whether the authority comes from the Secret `cacerts`, which says what it is when the mesh starts anew. */
  readonly plugged: boolean;
  /** A step was refused: `rotation.waiting` says why. */
  readonly refused?: boolean;
}

export interface RotationState {
  /** `trust`: both roots are trusted; `issue`: the new authority signs; `drop`: only the new root is; `withdraw`: back. */
  readonly phase: 'trust' | 'issue' | 'drop' | 'withdraw';
  readonly startedAt: number;
  readonly phaseSince: number;
  /** Subject and fingerprint of each authority. */
  readonly old: string;
  readonly next: string;
  /** What the phase waits for, a sentence for each workload; empty if the next step may be taken. */
  readonly waiting: readonly string[];
}

/** `POST /v1/invite`: a code with which one machine joins as a member of a WorkloadGroup. */
export interface InviteRequest {
  readonly namespace: string;
  readonly group: string;
  /** How long the code is good. */
  readonly ttlMs: number;
  /** How long a machine can come back whose certificate has expired. */
  readonly tokenTtlMs: number;
  /** By which machines find this one; the address of the gateways unless told. */
  readonly host?: string;
}

export interface InviteResponse {
  readonly code: string;
  readonly expiresAt: number;
  /** Where machines have to be let through to. */
  readonly at: string;
}
