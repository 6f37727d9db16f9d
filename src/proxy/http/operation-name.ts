import type { Headers } from '../../wire/headers.ts';
import type { RequestTrace } from '../observe/tracing/span.ts';
import type { Route } from '../router/route.ts';

/** Operation names travel ahead of spans: a client's proxy names the operation for the server's. */
const OPERATION = 'x-envoy-decorator-operation';

type Decorator = Pick<Route, 'decoratorOperation' | 'decoratorPropagate'> | undefined;

/**
 * Names the operation of a request (Envoy's `decorator`): by its route, or by what a peer calls it. A client's proxy
 * (`egress`) tells the peer; a server's proxy takes the name off. `given`: the peer has named it in an earlier call for
 * this request. Returns whether it has named it by now.
 */
export function nameOperation(
  headers: Headers,
  trace: RequestTrace | undefined,
  route: Decorator,
  egress: boolean,
  given: boolean,
): boolean {
  const operation = route?.decoratorOperation ?? '';
  if (operation !== '' && !given) trace?.span.rename(operation);
  if (egress) {
    if (route?.decoratorPropagate && operation !== '') headers.set(OPERATION, operation);
    return given;
  }
  return takeName(headers, trace) || given;
}

/** The same for the response: a server's proxy names the operation for its client's, unless that has done so itself. */
export function nameAnsweredOperation(
  headers: Headers,
  trace: RequestTrace | undefined,
  route: Decorator,
  egress: boolean,
  given: boolean,
): void {
  if (egress) takeName(headers, trace);
  else if (route?.decoratorPropagate && route.decoratorOperation !== '' && !given) {
    headers.set(OPERATION, route.decoratorOperation);
  }
}

function takeName(headers: Headers, trace: RequestTrace | undefined): boolean {
  const name = headers.get(OPERATION);
  if (name === undefined) return false;
  if (name !== '') trace?.span.rename(name);
  headers.remove(OPERATION);
  return true;
}
