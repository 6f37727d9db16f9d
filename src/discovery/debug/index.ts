import { messageOf } from '../../base/errors.ts';
import { configurationEndpoints } from './configuration.ts';
import { mayAsk } from './find-proxy.ts';
import { type DebugAnswer, type DebugContext, type DebugEndpoint, type DebugRequest, json, text } from './handler.ts';
import { registryEndpoints } from './registry.ts';
import { resourceEndpoints } from './resources.ts';
import { syncEndpoints } from './sync.ts';

const ENDPOINTS: readonly DebugEndpoint[] = [
  ...syncEndpoints,
  ...resourceEndpoints,
  ...registryEndpoints,
  ...configurationEndpoints,
  {
    name: 'list',
    help: 'Names of all debug endpoints',
    answer: () => json(ENDPOINTS.map(({ name }) => name).sort()),
  },
];

const BY_NAME = new Map(ENDPOINTS.map((endpoint) => [endpoint.name, endpoint]));

/** Answers `/debug/NAME`. Never throws. */
export async function answerDebug(name: string, request: DebugRequest, context: DebugContext): Promise<DebugAnswer> {
  try {
    return await answer(name, request, context);
  } catch (error) {
    return text(500, `${name} failed: ${messageOf(error)}\n`);
  }
}

/** As {@link answerDebug}, where there is no waiting for an answer. */
export function answerDebugNow(name: string, request: DebugRequest, context: DebugContext): DebugAnswer {
  try {
    const now = answer(name, request, context);
    return 'then' in now ? text(400, `${name} with these parameters is available over HTTP only\n`) : now;
  } catch (error) {
    return text(500, `${name} failed: ${messageOf(error)}\n`);
  }
}

function answer(name: string, request: DebugRequest, context: DebugContext): DebugAnswer | Promise<DebugAnswer> {
  const endpoint = BY_NAME.get(name);
  if (!endpoint) return text(404, '404 page not found\n');
  if (request.identity && !endpoint.ownNamespace && !mayAsk(request.identity.namespace, context, undefined))
    return text(403, `the debug info is not available for ${request.identity.namespace}\n`);
  return endpoint.answer(request, context);
}

/** A page with links, for people. */
export function debugIndex(): DebugAnswer {
  const rows = ENDPOINTS.map(
    ({ name, help }) => `<tr><td><a href="/debug/${name}">${name}</a></td><td>${help}</td></tr>`,
  );
  const body = `<!DOCTYPE html><title>Debug endpoints</title><table>${rows.sort().join('\n')}</table>\n`;
  return { status: 200, contentType: 'text/html; charset=utf-8', body };
}
