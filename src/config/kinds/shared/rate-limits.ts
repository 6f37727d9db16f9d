import { array, enumOf, type Infer, integer, object, required, type Schema, string } from '../../schema/index.ts';

/** So many requests in a second, a minute, an hour or a day. */
const limitFields = {
  unit: required(enumOf('second', 'minute', 'hour', 'day', 'SECOND', 'MINUTE', 'HOUR', 'DAY')),
  requests_per_unit: required(integer(0, 2 ** 32 - 1)),
} as const;
export const requestsPerUnit = object(limitFields, { aliases: { requestsPerUnit: 'requests_per_unit' } });
export type RequestsPerUnit = Infer<typeof requestsPerUnit>;

/** How deep limits are nested, as descriptors of requests have entries. */
const MAX_DEPTH = 10;
const MAX_LIMITS = 1000;

/** One entry of a descriptor, with the limit of those that end here; without a value it is for each value alone. */
export interface LimitNode {
  readonly key: string;
  readonly value?: string;
  readonly rate_limit?: RequestsPerUnit;
  readonly descriptors?: readonly LimitNode[];
}

function limitNode(depth: number): Schema<LimitNode> {
  const fields: Record<string, Schema<unknown>> = {
    key: required(string({ minLength: 1 })),
    value: string(),
    rate_limit: requestsPerUnit,
  };
  if (depth > 1) fields.descriptors = array(limitNode(depth - 1), { maxItems: MAX_LIMITS });
  return object(fields, { aliases: { rateLimit: 'rate_limit' } }) as Schema<unknown> as Schema<LimitNode>;
}

/** The limits of a domain, as rate limit services are configured with them. */
export const limitNodes = array(limitNode(MAX_DEPTH), { maxItems: MAX_LIMITS });

/** One entry that a request's descriptor gets. */
const descriptorEntry = object(
  {
    generic_key: object(
      { descriptor_key: string(), descriptor_value: required(string({ minLength: 1 })) },
      { aliases: { descriptorKey: 'descriptor_key', descriptorValue: 'descriptor_value' } },
    ),
    request_headers: object(
      { header_name: required(string({ minLength: 1 })), descriptor_key: required(string({ minLength: 1 })) },
      { aliases: { headerName: 'header_name', descriptorKey: 'descriptor_key' } },
    ),
    // Of these EnRoute asks whether there is any text.
    source_cluster: string(),
    destination_cluster: string(),
    remote_address: string(),
  },
  {
    oneOf: [['generic_key', 'request_headers', 'source_cluster', 'destination_cluster', 'remote_address']],
    aliases: {
      genericKey: 'generic_key',
      requestHeaders: 'request_headers',
      sourceCluster: 'source_cluster',
      destinationCluster: 'destination_cluster',
      remoteAddress: 'remote_address',
    },
  },
);
export type DescriptorEntry = Infer<typeof descriptorEntry>;

/** What a request is counted by: the entries of one descriptor, in order. Envoy takes ten at most. */
export const descriptorEntries = array(descriptorEntry, { minItems: 1, maxItems: 10 });
