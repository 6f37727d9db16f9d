import {
  type HeaderMutation,
  type HeaderMutationPerRoute,
  HeaderMutationPerRouteSchema,
  HeaderMutationSchema,
  type Mutations,
} from '../../../api/gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import {
  type FilterCallbacks,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterDefinition,
  TrailersStatus,
} from '../../http/filter.ts';
import type { HeaderEdits } from '../../router/header-edits.ts';
import { headerMutations } from '../../router/header-mutations.ts';
import { HEADER_MUTATIONS } from '../common/supported.ts';

/** What is done to headers, in order. */
interface Edits {
  readonly request: readonly HeaderEdits[];
  readonly response: readonly HeaderEdits[];
  readonly requestTrailers: readonly HeaderEdits[];
  readonly responseTrailers: readonly HeaderEdits[];
}

function edits(mutations: Mutations | undefined, errors: ConfigErrors): Edits {
  const at = errors.at('mutations');
  return {
    request: headerMutations(mutations?.requestMutations ?? [], at.at('request_mutations')),
    response: headerMutations(mutations?.responseMutations ?? [], at.at('response_mutations')),
    requestTrailers: headerMutations(mutations?.requestTrailersMutations ?? [], at.at('request_trailers_mutations')),
    responseTrailers: headerMutations(mutations?.responseTrailersMutations ?? [], at.at('response_trailers_mutations')),
  };
}

/** Changes headers by what the filter, and then the route and what it is part of, configure. */
class HeaderMutationFilter implements HttpFilter {
  readonly #all: readonly Edits[];
  readonly #callbacks: FilterCallbacks;

  constructor(all: readonly Edits[], callbacks: FilterCallbacks) {
    this.#all = all;
    this.#callbacks = callbacks;
  }

  requestHeaders(headers: Parameters<HeaderEdits>[0]): HeadersStatus {
    for (const { request } of this.#all) for (const edit of request) edit(headers, this.#callbacks.info);
    return HeadersStatus.Continue;
  }

  responseHeaders(headers: Parameters<HeaderEdits>[0]): HeadersStatus {
    for (const { response } of this.#all) for (const edit of response) edit(headers, this.#callbacks.info);
    return HeadersStatus.Continue;
  }

  requestTrailers(trailers: Parameters<HeaderEdits>[0]): TrailersStatus {
    for (const { requestTrailers } of this.#all)
      for (const edit of requestTrailers) edit(trailers, this.#callbacks.info);
    return TrailersStatus.Continue;
  }

  responseTrailers(trailers: Parameters<HeaderEdits>[0]): TrailersStatus {
    for (const { responseTrailers } of this.#all) {
      for (const edit of responseTrailers) edit(trailers, this.#callbacks.info);
    }
    return TrailersStatus.Continue;
  }
}

export const headerMutation: HttpFilterDefinition<HeaderMutation, HeaderMutationPerRoute> = {
  name: 'envoy.filters.http.header_mutation',
  schema: HeaderMutationSchema,
  routeSchema: HeaderMutationPerRouteSchema,
  supported: {
    ...HEADER_MUTATIONS,
    'envoy.extensions.filters.http.header_mutation.v3.HeaderMutation': [
      'mutations',
      'most_specific_header_mutations_wins',
    ],
    'envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute': ['mutations'],
    'envoy.extensions.filters.http.header_mutation.v3.Mutations': [
      'request_mutations',
      'response_mutations',
      'request_trailers_mutations',
      'response_trailers_mutations',
    ],
  },
  compile(config, _context, errors) {
    const own = edits(config.mutations, errors);
    return {
      create(callbacks) {
        const routes = callbacks.routeConfigs<Edits>();
        // Where the last one wins, the most specific has to be the last.
        const ordered = config.mostSpecificHeaderMutationsWins ? routes : routes.toReversed();
        return new HeaderMutationFilter([own, ...ordered], callbacks);
      },
    };
  },
  compileRoute: (config, _context, errors): Edits => edits(config.mutations, errors),
};
