import { array, boolean, duration, type Infer, int32, map, object, string } from '../../schema/index.ts';

/** How a string is compared; an empty object means that the value is present (istio.networking.v1alpha3.StringMatch). */
export const stringMatch = object(
  { exact: string(), prefix: string(), regex: string() },
  { oneOf: [['exact', 'prefix', 'regex']] },
);
export type StringMatch = Infer<typeof stringMatch>;

/** Retries of a route, and of the mesh by default (istio.networking.v1alpha3.HTTPRetry). */
export const httpRetry = object({
  attempts: int32(),
  perTryTimeout: duration(),
  retryOn: string(),
  retryRemoteLocalities: boolean(),
  retryIgnorePreviousHosts: boolean(),
  backoff: duration(),
});
export type HttpRetry = Infer<typeof httpRetry>;

const headerOperations = object({ set: map(string()), add: map(string()), remove: array(string()) });
export type HeaderOperations = Infer<typeof headerOperations>;

export const headers = object({ request: headerOperations, response: headerOperations });
export type Headers = Infer<typeof headers>;
