import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  HeaderValueOption_HeaderAppendAction as Append,
  type HeaderValueOptionSchema,
} from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { Headers } from '../../config/kinds/shared/http-policy.ts';

type HeaderOption = MessageInitShape<typeof HeaderValueOptionSchema>;

/** Edits of headers, as routes and weighted clusters take them. */
export interface HeaderEdits {
  readonly requestHeadersToAdd: HeaderOption[];
  readonly requestHeadersToRemove: string[];
  readonly responseHeadersToAdd: HeaderOption[];
  readonly responseHeadersToRemove: string[];
}

/** Edits (VirtualService `headers`). Setting the host is not among them: Envoy rewrites that elsewhere. */
export function headerEdits({ request, response }: Headers): HeaderEdits {
  return {
    requestHeadersToAdd: [
      ...options(request?.set, Append.OVERWRITE_IF_EXISTS_OR_ADD),
      ...options(request?.add, Append.APPEND_IF_EXISTS_OR_ADD),
    ],
    requestHeadersToRemove: (request?.remove ?? []).filter((name) => !isInternal(name)),
    responseHeadersToAdd: [
      ...options(response?.set, Append.OVERWRITE_IF_EXISTS_OR_ADD),
      ...options(response?.add, Append.APPEND_IF_EXISTS_OR_ADD),
    ],
    responseHeadersToRemove: (response?.remove ?? []).filter((name) => !isInternal(name)),
  };
}

/** The host that the edits set, if they do; what is set goes before what is added. */
export function authorityOf({ request }: Headers): string | undefined {
  for (const headers of [request?.set, request?.add]) {
    for (const [name, value] of Object.entries(headers ?? {})) if (isAuthority(name)) return value;
  }
  return undefined;
}

function options(headers: Readonly<Record<string, string>> | undefined, appendAction: Append): HeaderOption[] {
  return Object.entries(headers ?? {})
    .filter(([name]) => !isInternal(name))
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, value]) => ({ header: { key, value }, appendAction }));
}

function isInternal(name: string): boolean {
  return name.startsWith(':') || name.toLowerCase() === 'host';
}

function isAuthority(name: string): boolean {
  return name.toLowerCase() === ':authority' || name.toLowerCase() === 'host';
}
