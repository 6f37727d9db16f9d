import type { Connection } from '../net/connection.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { MatchContext } from '../router/scope.ts';

/** What the match of a route may look at besides the headers of a request. */
export function matchContext({ tls }: Connection, info: StreamInfo, random: () => number): MatchContext {
  const peer = tls?.peer;
  return {
    peerPresented: peer !== undefined,
    peerValidated: peer?.validated ?? false,
    dynamicMetadata: info.dynamicMetadata,
    filterState: (key) => info.getFilterState(key),
    random,
  };
}
