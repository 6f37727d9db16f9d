import { type Infer, int32, map, object, string } from '../../schema/index.ts';
import { workloadSelector } from '../shared/selector.ts';

export const proxyImage = object({ imageType: string() });

export const proxyConfigSchema = object({
  selector: workloadSelector,
  concurrency: int32(),
  environmentVariables: map(string()),
  image: proxyImage,
});
export type ProxyConfigSpec = Infer<typeof proxyConfigSchema>;
