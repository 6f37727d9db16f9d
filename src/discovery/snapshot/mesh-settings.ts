import { type Clock, systemClock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { MeshConfig } from '../../config/kinds/mesh-config/schema.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { ConfigStore } from '../../config/store/store.ts';
import { MeshConfigFile, type ReadMeshConfig, readMesh } from './mesh-config-file.ts';

export interface MeshSettingsOptions {
  /** `--meshConfig`. */
  readonly file: string;
  /** Where Istio keeps the configuration of a mesh in Kubernetes: the ConfigMap `istio`. */
  readonly store: ConfigStore;
  /** Namespace of the control plane: the root namespace of a mesh that names none. */
  readonly namespace: string;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly onChange: (config: MeshConfig) => void;
}

const CONFIG_MAP = 'istio';
const KEY = 'mesh';

/** The configuration of the mesh: the file if there is one, else the ConfigMap, else Istio's defaults. */
export class MeshSettings {
  readonly #options: MeshSettingsOptions;
  readonly #unsubscribe: () => void;
  #file!: MeshConfigFile;
  #fromFile!: ReadMeshConfig;
  #configMap: ConfigObject | undefined;
  #fromConfigMap: ReadMeshConfig | undefined;
  #current!: ReadMeshConfig;

  private constructor(options: MeshSettingsOptions) {
    this.#options = options;
    this.#unsubscribe = options.store.subscribe(() => this.#lookAtConfigMap());
  }

  /** Throws a UserError if the file or the ConfigMap is there and makes no sense: there is nothing good to fall back to. */
  static async open(options: MeshSettingsOptions): Promise<MeshSettings> {
    const settings = new MeshSettings(options);
    const { file, log, clock = systemClock } = options;
    const opened = await MeshConfigFile.open({
      file,
      clock,
      onChange: (read) => {
        settings.#fromFile = read;
        settings.#choose();
      },
      onProblem: (message) => log.error(`the mesh configuration stays as it was: ${message}`),
    }).catch((error) => {
      settings.#unsubscribe();
      throw error;
    });
    settings.#file = opened.file;
    settings.#fromFile = opened.read;
    settings.#configMap = settings.#findConfigMap();
    if (!opened.file.isThere) settings.#fromConfigMap = settings.#readConfigMap();
    if (!opened.file.isThere && !settings.#fromConfigMap) log.info(`no mesh configuration in ${file}, using defaults`);
    settings.#current = settings.#chosen();
    settings.#warn();
    return settings;
  }

  get config(): MeshConfig {
    return this.#withDefaults(this.#current.config);
  }

  /** As it was written, with the root namespace. */
  get raw(): Readonly<Record<string, unknown>> {
    return { rootNamespace: this.#options.namespace, ...this.#current.raw };
  }

  close(): void {
    this.#unsubscribe();
    this.#file.close();
  }

  #withDefaults(config: MeshConfig): MeshConfig {
    return config.rootNamespace ? config : { ...config, rootNamespace: this.#options.namespace };
  }

  #chosen(): ReadMeshConfig {
    return this.#file.isThere ? this.#fromFile : (this.#fromConfigMap ?? this.#fromFile);
  }

  #choose(): void {
    const chosen = this.#chosen();
    if (chosen === this.#current) return;
    this.#current = chosen;
    this.#warn();
    this.#options.log.info('the mesh configuration has changed');
    this.#options.onChange(this.config);
  }

  #warn(): void {
    for (const warning of this.#current.warnings) this.#options.log.warn(warning);
  }

  #findConfigMap(): ConfigObject | undefined {
    return this.#options.store.snapshot.get('ConfigMap', this.#options.namespace, CONFIG_MAP);
  }

  #readConfigMap(): ReadMeshConfig | undefined {
    const text = (this.#configMap?.spec as { data?: Record<string, string> } | undefined)?.data?.[KEY];
    if (text === undefined) return undefined;
    return readMesh(text, `ConfigMap ${this.#options.namespace}/${CONFIG_MAP}`);
  }

  #lookAtConfigMap(): void {
    const configMap = this.#findConfigMap();
    if (configMap === this.#configMap || !this.#file) return;
    this.#configMap = configMap;
    // The store takes only valid ones.
    this.#fromConfigMap = this.#readConfigMap();
    this.#choose();
  }
}
