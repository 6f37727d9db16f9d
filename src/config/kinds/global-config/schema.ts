import { type Infer, object, string } from '../../schema/index.ts';

/** EnRoute's GlobalConfig: what all its gateways do. `config` is JSON in a text, of a shape that the type decides. */
export const globalConfigSchema = object({ name: string(), type: string(), config: string() });
export type GlobalConfigSpec = Infer<typeof globalConfigSchema>;
