import type { Any } from '@bufbuild/protobuf/wkt';
import type { DataSource } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type {
  RouteAction_RequestMirrorPolicy,
  VirtualHost,
} from '../../api/gen/envoy/config/route/v3/route_components_pb.ts';
import type { ConfigErrors } from '../config/errors.ts';
import type { RuntimeSource } from '../config/runtime-values.ts';
import type { AcquireStats } from '../observe/stat-leases.ts';
import type { HeaderEdits } from './header-edits.ts';
import type { MetadataSource } from './metadata-match.ts';
import type { VirtualHostInfo } from './route.ts';
import type { RequestStats } from './stats.ts';

/** What a match may look at besides the headers. */
export interface MatchContext {
  readonly peerPresented: boolean;
  readonly peerValidated: boolean;
  /** What filters have found out about the request, by namespace; undefined while there is nothing. */
  readonly dynamicMetadata: MetadataSource;
  /** What a filter of the request or its connection has left under a name. */
  readonly filterState: (key: string) => unknown;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Compiled per-route configurations of filters. */
export interface FilterConfigs {
  readonly byName: ReadonlyMap<string, unknown>;
  readonly disabled: ReadonlyMap<string, boolean>;
}

/** Compiles `typed_per_filter_config`; the filters know how, the router does not know the filters. */
export interface FilterConfigCompiler {
  /** `stats`: statistics by their full names, shown for as long as the route configuration is in use. */
  compile(configs: Readonly<Record<string, Any>>, stats: AcquireStats, errors: ConfigErrors): readonly FilterConfigs[];
}

/** Reads a DataSource when configuration is compiled; what is wrong goes to the errors. */
export type ReadData = (source: DataSource | undefined, errors: ConfigErrors) => Uint8Array | undefined;

/** What encloses a route: edits from the inside out, filter configurations from the outside in. */
export interface Scope {
  readonly requestEdits: readonly (HeaderEdits | undefined)[];
  readonly responseEdits: readonly (HeaderEdits | undefined)[];
  readonly filters: readonly FilterConfigs[];
}

export interface BuildContext {
  readonly filterConfigs: {
    compile(configs: Readonly<Record<string, Any>>, errors: ConfigErrors): readonly FilterConfigs[];
  };
  /** `most_specific_header_mutations_wins`: edits apply from the outside in. */
  readonly mostSpecificWins: boolean;
  readonly mirrors: readonly RouteAction_RequestMirrorPolicy[];
  readonly ignorePathParameters: boolean;
  /** `max_direct_response_body_size_bytes` */
  readonly maxDirectResponseBytes: number;
  readonly runtime: RuntimeSource;
  readonly readData: ReadData;
  /** The statistics under a prefix; they are the route configuration's for as long as it is in use. */
  stats(prefix: string): RequestStats;
}

export interface Enclosing {
  readonly host: VirtualHost;
  readonly info: VirtualHostInfo;
  readonly scope: Scope;
  readonly context: BuildContext;
}
