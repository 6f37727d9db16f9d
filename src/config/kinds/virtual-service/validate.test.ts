import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkSources } from '../../check.ts';

/** The fields with errors, or `~field` for warnings, of a VirtualService with this spec. */
function said(spec: string): string[] {
  const text = `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: a, namespace: b}, spec: ${spec}}`;
  const [file] = checkSources([{ name: 'f.yaml', text }]);
  return [...file!.errors.map((m) => m.field ?? ''), ...file!.warnings.map((m) => `~${m.field}`)];
}

const route = 'route: [{destination: {host: a}}]';

/** A spec, and the fields below spec that are at fault. */
const table: readonly (readonly [string, ...string[]])[] = [
  [`{hosts: [a], http: [{${route}}]}`],
  ['{hosts: [a]}', ''],
  [`{hosts: [a, b.com, "*.c.com", 10.0.0.1, "::1"], http: [{${route}}]}`],
  [`{hosts: ["*"], http: [{${route}}]}`, 'hosts[0]'],
  [`{hosts: ["*"], gateways: [g], http: [{${route}}]}`],
  [`{hosts: ["*"], gateways: [g, mesh], http: [{${route}}]}`, 'hosts[0]'],
  [`{hosts: [a_b, "x.*.com", ""], http: [{${route}}]}`, 'hosts[0]', 'hosts[1]', 'hosts[2]'],
  [`{hosts: ["*.b.com", x.b.com, a, a], http: [{${route}}]}`, 'hosts[1]', 'hosts[3]'],
  [`{hosts: [a], gateways: [ns/g, "*/g", g.ns], http: [{${route}}]}`, 'gateways[1]', '~gateways[2]'],
  [`{hosts: [a], exportTo: [".", b], http: [{${route}}]}`, 'exportTo[1]'],
  // A delegate has no hosts and routes HTTP only.
  [`{http: [{${route}}]}`],
  [`{gateways: [g], http: [{${route}}], tcp: [{${route}}]}`, 'gateways', 'tcp'],
  ['{http: [{delegate: {name: x}}]}', 'http[0]', 'http[0].delegate'],
  ['{hosts: [a], http: [{delegate: {name: x}}]}'],
  [`{hosts: [a], http: [{delegate: {name: x}, ${route}}]}`, 'http[0].route'],
  // One action a route.
  ['{hosts: [a], http: [{}]}', 'http[0]'],
  [`{hosts: [a], http: [{redirect: {uri: /x}, ${route}}]}`, 'http[0].route'],
  [`{hosts: [a], http: [{directResponse: {status: 200}, ${route}}]}`, 'http[0].route'],
  [
    '{hosts: [a], http: [{redirect: {uri: /x}, directResponse: {status: 200}, rewrite: {uri: /}, fault: {abort: {httpStatus: 500}}}]}',
    'http[0].directResponse',
    'http[0].fault',
    'http[0].rewrite',
  ],
  [`{hosts: [a], http: [{mirror: {host: b}, mirrors: [{destination: {host: c}}], ${route}}]}`, 'http[0].mirror'],
  // Timeouts and retries.
  [`{hosts: [a], http: [{timeout: 0s, ${route}}]}`, 'http[0].timeout'],
  [`{hosts: [a], http: [{timeout: 1.0005s, ${route}}]}`, 'http[0].timeout'],
  [`{hosts: [a], http: [{timeout: 1h30m, ${route}}]}`],
  [`{hosts: [a], http: [{retries: {attempts: 0, perTryTimeout: 1s}, ${route}}]}`, 'http[0].retries.perTryTimeout'],
  [`{hosts: [a], http: [{retries: {attempts: 0}, ${route}}]}`],
  [`{hosts: [a], http: [{retries: {attempts: 3, retryOn: "5xx,503,unavailable"}, ${route}}]}`],
  [
    `{hosts: [a], http: [{retries: {attempts: -1, retryOn: "5xx, reset,999"}, ${route}}]}`,
    'http[0].retries.attempts',
    'http[0].retries.retryOn',
    'http[0].retries.retryOn',
  ],
  // Destinations and weights.
  ['{hosts: [a], http: [{route: [{destination: {host: "*"}}]}]}', 'http[0].route[0].destination.host'],
  [
    '{hosts: [a], http: [{route: [{destination: {host: a, subset: "x y", port: {number: 0}}}]}]}',
    'http[0].route[0].destination.subset',
    'http[0].route[0].destination.port.number',
  ],
  ['{hosts: [a], http: [{route: [{weight: 1}]}]}', 'http[0].route[0].destination'],
  ['{hosts: [a], http: [{route: [{destination: {host: a}}, {destination: {host: b}}]}]}', 'http[0].route'],
  [
    '{hosts: [a], http: [{route: [{destination: {host: a}, weight: -1}, {destination: {host: b}, weight: 2}]}]}',
    'http[0].route[0].weight',
  ],
  // Matches.
  [`{hosts: [a], http: [{match: [{uri: {prefix: ""}}], ${route}}]}`],
  [
    `{hosts: [a], http: [{match: [{method: {prefix: ""}, uri: {regex: "("}, headers: {"": {}, "a b": {}, ":path": {exact: x}}}], ${route}}]}`,
    'http[0].match[0].method.prefix',
    'http[0].match[0].uri.regex',
    'http[0].match[0].headers[""]',
    'http[0].match[0].headers["a b"]',
  ],
  [`{hosts: [a], http: [{match: [{withoutHeaders: {a: {regex: "*"}}}], ${route}}]}`],
  [`{hosts: [a], http: [{match: [{headers: {a: {regex: "*"}}}], ${route}}]}`, 'http[0].match[0].headers.a.regex'],
  [`{hosts: [a], http: [{match: [{uri: {regex: ${'x'.repeat(1025)}}}], ${route}}]}`, 'http[0].match[0].uri.regex'],
  [
    `{hosts: [a], http: [{match: [{headers: {"@request.auth.claims.group": {exact: x}}}], ${route}}]}`,
    'http[0].match[0].headers["@request.auth.claims.group"]',
  ],
  [`{hosts: [a], gateways: [g], http: [{match: [{headers: {"@request.auth.claims[group]": {exact: x}}}], ${route}}]}`],
  [
    `{hosts: [a], http: [{match: [{port: 70000, sourceNamespace: a.b, sourceLabels: {a: "x y"}}], ${route}}]}`,
    'http[0].match[0].port',
    'http[0].match[0].sourceLabels.a',
    'http[0].match[0].sourceNamespace',
  ],
  // Headers.
  [`{hosts: [a], http: [{headers: {request: {set: {x: "%START_TIME%", host: b}}}, ${route}}]}`],
  [
    `{hosts: [a], http: [{headers: {request: {set: {x: "50%", ":path": x}, remove: [host]}, response: {add: {":status": x}}}, ${route}}]}`,
    'http[0].headers.request.set.x',
    'http[0].headers.request.set[":path"]',
    'http[0].headers.request.remove[0]',
    'http[0].headers.response.add[":status"]',
  ],
  [
    `{hosts: [a], http: [{rewrite: {authority: x}, headers: {request: {set: {Host: b}}}, ${route}}]}`,
    'http[0].headers.request.set.Host',
  ],
  // The rest of a route.
  [`{hosts: [a], http: [{rewrite: {}, ${route}}]}`, 'http[0].rewrite'],
  [
    `{hosts: [a], http: [{rewrite: {uri: /, uriRegexRewrite: {match: "("}}, ${route}}]}`,
    'http[0].rewrite',
    'http[0].rewrite.uriRegexRewrite.rewrite',
    'http[0].rewrite.uriRegexRewrite.match',
  ],
  [
    '{hosts: [a], http: [{redirect: {redirectCode: 200, scheme: ftp}}]}',
    'http[0].redirect.redirectCode',
    'http[0].redirect.scheme',
  ],
  ['{hosts: [a], http: [{redirect: {}}]}', 'http[0].redirect'],
  [
    '{hosts: [a], http: [{match: [{uri: {exact: /x}}], redirect: {prefixRewrite: /y, uri: /z}}]}',
    'http[0].redirect',
    'http[0].redirect.prefixRewrite',
  ],
  ['{hosts: [a], http: [{directResponse: {status: 601}}]}', 'http[0].directResponse.status'],
  [
    `{hosts: [a], http: [{directResponse: {status: 200, body: {string: ${'x'.repeat(1048577)}}}}]}`,
    'http[0].directResponse.body',
  ],
  [`{hosts: [a], http: [{fault: {}, ${route}}]}`, 'http[0].fault'],
  [
    `{hosts: [a], http: [{fault: {abort: {}, delay: {fixedDelay: 1us, percentage: {value: 101}}}, ${route}}]}`,
    'http[0].fault.delay.fixedDelay',
    'http[0].fault.delay.percentage.value',
    '~http[0].fault.abort',
  ],
  [
    `{hosts: [a], http: [{fault: {abort: {grpcStatus: NOPE, percentage: {value: 0.00001}}}, ${route}}]}`,
    'http[0].fault.abort.grpcStatus',
    'http[0].fault.abort.percentage.value',
  ],
  [
    `{hosts: [a], http: [{corsPolicy: {allowOrigins: [{}], allowMethods: [get, "*"], allowHeaders: ["*", ""], maxAge: 1.5s}, ${route}}]}`,
    'http[0].corsPolicy.allowOrigins[0]',
    'http[0].corsPolicy.allowMethods[0]',
    'http[0].corsPolicy.allowHeaders[1]',
    'http[0].corsPolicy.maxAge',
  ],
  [
    `{hosts: [a], http: [{mirror: {host: b}, mirrorPercent: 101, ${route}}]}`,
    'http[0].mirrorPercent',
    '~http[0].mirrorPercent',
  ],
  // TCP and TLS.
  ['{hosts: [a], tcp: [{}]}', 'tcp[0].route'],
  [
    `{hosts: [a], tcp: [{match: [{destinationSubnets: [10.0.0.0/33, 10.0.0.1], port: 70000}], ${route}}]}`,
    'tcp[0].match[0].destinationSubnets[0]',
    'tcp[0].match[0].port',
  ],
  [`{hosts: [a.com], tls: [{${route}}]}`, 'tls[0].match'],
  [`{hosts: ["*.a.com"], tls: [{match: [{sniHosts: [x.a.com, b.com]}], ${route}}]}`, 'tls[0].match[0].sniHosts[1]'],
  [`{hosts: [a.com], tls: [{match: [{sniHosts: [10.0.0.1]}], ${route}}]}`, '~tls[0].match[0].sniHosts[0]'],
  // What nothing can reach.
  [`{hosts: [a], http: [{${route}}, {${route}}]}`, '~http[1]'],
  [
    `{hosts: [a], http: [{match: [{uri: {exact: /x}}], ${route}}, {match: [{name: m, uri: {exact: /x}}], ${route}}]}`,
    '~http[1].match[0]',
    '~http[1]',
  ],
  [
    `{hosts: [a], http: [{match: [{uri: {prefix: /x}}], ${route}}, {match: [{uri: {prefix: /x/y}, method: {exact: GET}}], ${route}}]}`,
    '~http[1].match[0]',
  ],
  [
    `{hosts: [a], http: [{match: [{uri: {prefix: /x}, method: {exact: GET}}], ${route}}, {match: [{uri: {prefix: /x/y}}], ${route}}]}`,
  ],
];

describe('rules', () => {
  for (const [spec, ...fields] of table) {
    test(`${spec} -> ${fields.join(' ') || 'accepted'}`, () => {
      assert.deepEqual(said(spec).sort(), fields.map((f) => f.replace(/^(~?)/, '$1spec.').replace(/\.$/, '')).sort());
    });
  }
});
