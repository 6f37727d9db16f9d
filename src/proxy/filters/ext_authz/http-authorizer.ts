import { create } from '@bufbuild/protobuf';
import {
  HeaderValueOption_HeaderAppendAction,
  HeaderValueOptionSchema,
} from '../../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { HttpService } from '../../../api/gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts';
import type { ListStringMatcher } from '../../../api/gen/envoy/type/matcher/v3/string_pb.ts';
import { Headers } from '../../../wire/headers.ts';
import type { Cancelable } from '../../cluster/cluster.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { durationMs } from '../../config/values.ts';
import { type HeaderEdits, headerEdits } from '../../router/header-edits.ts';
import { type StringTest, stringTest } from '../../router/string-match.ts';
import { callHttp, type HttpCallContext, type HttpCallResponse } from '../common/http-call.ts';
import { type Authorizer, type CheckSubject, FAILED, type Verdict } from './authorizer.ts';
import type { HeaderChange } from './changes.ts';

/** An answer of more than this is none. */
const MAX_ANSWER_BYTES = 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 200;
/** Lists headers that the request is to lose. */
const REMOVALS = 'x-envoy-auth-headers-to-remove';

/** Headers that are about the bytes of an answer. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'connection']);
/** Headers of a refusal that clients always get. */
const ALWAYS_TO_CLIENT: ReadonlySet<string> = new Set(['www-authenticate', 'location']);

/** Tests names by a ListStringMatcher; undefined if there is none. */
export function nameTest(matchers: ListStringMatcher | undefined, errors: ConfigErrors): StringTest | undefined {
  if (matchers === undefined || matchers.patterns.length === 0) return undefined;
  const tests = matchers.patterns.map((pattern, i) => stringTest(pattern, errors.at('patterns').at(i)));
  return (name) => tests.some((test) => test(name));
}

/** Asks a web service: a copy of the request's head, to which 200 means that it may pass. */
export class HttpAuthorizer implements Authorizer {
  readonly #context: HttpCallContext;
  readonly #cluster: string;
  readonly #pathPrefix: string;
  readonly #timeoutMs: number;
  readonly #additions: HeaderEdits | undefined;
  readonly #toUpstream: StringTest | undefined;
  readonly #appendedToUpstream: StringTest | undefined;
  readonly #toClientOnDeny: StringTest;
  readonly #toClientOnAllow: StringTest | undefined;
  readonly #toMetadata: StringTest | undefined;

  constructor(proto: HttpService, context: HttpCallContext, errors: ConfigErrors) {
    const { serverUri, pathPrefix, authorizationRequest: request, authorizationResponse: response } = proto;
    this.#context = context;
    this.#cluster = serverUri?.httpUpstreamType.value ?? '';
    if (this.#cluster === '') errors.add('server_uri.cluster', 'must not be empty');
    if (pathPrefix !== '' && !pathPrefix.startsWith('/')) errors.add('path_prefix', 'must begin with "/"');
    this.#pathPrefix = pathPrefix;
    this.#timeoutMs = durationMs(serverUri?.timeout, DEFAULT_TIMEOUT_MS);
    const appendAction = HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD;
    this.#additions = headerEdits(
      request?.headersToAdd.map((header) => create(HeaderValueOptionSchema, { header, appendAction })) ?? [],
      [],
      errors.at('authorization_request'),
      'headers',
    );
    const at = errors.at('authorization_response');
    this.#toUpstream = nameTest(response?.allowedUpstreamHeaders, at.at('allowed_upstream_headers'));
    this.#appendedToUpstream = nameTest(
      response?.allowedUpstreamHeadersToAppend,
      at.at('allowed_upstream_headers_to_append'),
    );
    const toClient = nameTest(response?.allowedClientHeaders, at.at('allowed_client_headers'));
    this.#toClientOnDeny = toClient ? (name) => ALWAYS_TO_CLIENT.has(name) || toClient(name) : () => true;
    this.#toClientOnAllow = nameTest(
      response?.allowedClientHeadersOnSuccess,
      at.at('allowed_client_headers_on_success'),
    );
    this.#toMetadata = nameTest(response?.dynamicMetadataFromHeaders, at.at('dynamic_metadata_from_headers'));
  }

  check(subject: CheckSubject, done: (verdict: Verdict) => void): Cancelable {
    const { headers: given, body, callbacks, partial } = subject;
    const headers = Headers.request(given.method, this.#pathPrefix + given.path, given.authority);
    headers.scheme = given.scheme;
    headers.add('content-length', String(body?.length ?? 0));
    for (let i = 0; i < given.size; i++) {
      const name = given.nameAt(i);
      if (name !== 'content-length') headers.append(name, given.valueAt(i));
    }
    if (body !== undefined) headers.set('x-envoy-auth-partial-body', String(partial));
    this.#additions?.(headers, callbacks.info);
    const { timers } = this.#context;
    const start = timers.now();
    return callHttp(
      this.#context,
      {
        cluster: this.#cluster,
        headers,
        body: body?.length === 0 ? undefined : body,
        timeoutMs: this.#timeoutMs,
        maxBytes: MAX_ANSWER_BYTES,
        forwardedFor: false,
      },
      (result) => {
        if (typeof result !== 'string') {
          // As from every upstream; a refusal shows it to the client.
          result.headers.set('x-envoy-upstream-service-time', String(Math.round(timers.now() - start)));
        }
        done(typeof result === 'string' ? FAILED : this.#verdict(result));
      },
    );
  }

  #verdict({ headers, body }: HttpCallResponse): Verdict {
    const { status } = headers;
    if (status >= 500 || status < 200) return FAILED;
    const metadata = this.#metadata(headers);
    if (status === 200) {
      const toUpstream = this.#toUpstream;
      const appended = this.#appendedToUpstream;
      return {
        kind: 'allowed',
        requestChanges: [...changes(headers, toUpstream, 'set'), ...changes(headers, appended, 'add')],
        requestRemovals: valuesOf(headers, REMOVALS),
        responseChanges: changes(headers, this.#toClientOnAllow, 'add'),
        parametersToSet: [],
        parametersToRemove: [],
        metadata,
      };
    }
    return {
      kind: 'denied',
      status,
      body: body.toString('utf8'),
      responseChanges: changes(headers, this.#toClientOnDeny, 'add'),
      metadata,
    };
  }

  #metadata(headers: Headers): Readonly<Record<string, unknown>> | undefined {
    const test = this.#toMetadata;
    if (test === undefined) return undefined;
    const values: Record<string, unknown> = {};
    for (let i = 0; i < headers.size; i++) if (test(headers.nameAt(i))) values[headers.nameAt(i)] = headers.valueAt(i);
    return values;
  }
}

function changes(headers: Headers, test: StringTest | undefined, how: HeaderChange['how']): HeaderChange[] {
  const found: HeaderChange[] = [];
  if (test === undefined) return found;
  for (let i = 0; i < headers.size; i++) {
    const name = headers.nameAt(i);
    if (!FRAMING.has(name) && test(name)) found.push({ name, value: headers.valueAt(i), how });
  }
  return found;
}

/** The words of all headers of a name, which are separated by commas. */
function valuesOf(headers: Headers, name: string): readonly string[] {
  const value = headers.getJoined(name) ?? '';
  return value
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}
