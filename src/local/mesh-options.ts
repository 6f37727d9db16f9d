import type { Capture } from '../config/control/mesh-api.ts';
import type { ConfigurationEvent, ConfigurationReportsOptions } from './configuration-reports.ts';
import type { OwnProgram } from './own-program.ts';

/** How a mesh is to be run. */
export interface MeshOptions {
  /** The folder of YAML. */
  readonly directory: string;
  readonly name: string;
  /** Where the state of meshes is kept. */
  readonly home: string;
  /** Where gateways are reached from outside the mesh. */
  readonly publishAddress: string;
  /** How programs get to their sidecars, unless a pod says otherwise. */
  readonly capture: Capture;
  readonly isthmus: OwnProgram;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Finds what does not fit together in the objects that are in force. */
  readonly examine: ConfigurationReportsOptions['examine'];
  readonly onEvent: (event: MeshEvent) => void;
}

/** Something that happened and that a person wants to read about. */
export type MeshEvent =
  | { readonly kind: 'step'; readonly text: string }
  | { readonly kind: 'problem'; readonly text: string }
  | ConfigurationEvent;
