import type { Outside, Publication } from '../../agent/pod-network.ts';
import type { TokenIssuer } from '../../ca/tokens/token-issuer.ts';
import type { PodAddresses } from '../../process/address-pool.ts';
import type { Guard } from '../../process/guard.ts';
import type { OwnProgram } from '../own-program.ts';
import type { Values } from './environment.ts';
import type { PodSpace } from './pod-space.ts';

/** What a pod needs of the mesh that it is in. */
export interface PodSurroundings {
  readonly guard: Guard;
  readonly addresses: PodAddresses;
  readonly space: PodSpace;
  readonly podPrefix: string;
  /** Whether ports below 1024 may be listened on. */
  readonly privileged: boolean;
  readonly tokens: TokenIssuer;
  readonly values: Values;
  /** Where its programs start, unless a container says otherwise. */
  readonly home: string;
  /** The folder that becomes the pod's. */
  readonly folder: string;
  readonly claims: string;
  /** Folder for what its programs print. */
  readonly logs: string;
  /** File with the mesh's root certificates. */
  readonly rootCertificate: string;
  /** How an agent is started, before its own arguments. */
  readonly agent: OwnProgram;
  /** Variables of the agent that are the same for every pod of the mesh. */
  readonly agentEnv: Readonly<Record<string, string>>;
  /** Where sidecars take HTTP for anywhere (`proxyHttpPort`). */
  readonly proxyPort: number;
  readonly domain: string;
  readonly publish: Publication | undefined;
  readonly outside: Outside;
  /** Names that gateways serve, which pods find at {@link outside}. */
  readonly outsideHosts: () => readonly string[];
  /** `NAME_SERVICE_HOST` and so on. */
  readonly links: Readonly<Record<string, string>>;
  /** Environment of whoever started the mesh. */
  readonly outer: Readonly<Record<string, string | undefined>>;
  /** Somebody else starts and ends the programs. */
  readonly external: boolean;
  readonly onChange: () => void;
}
