import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type AnalysisOptions, analyze } from './analyze.ts';
import { ANALYZERS } from './analyzers/index.ts';
import { formatMessage } from './message.ts';
import { readRunningState } from './running.ts';
import { readSources } from './source.ts';

const rule = (namespace: string, annotations = '{}') => `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: r, namespace: ${namespace}, annotations: ${annotations}}
spec: {host: x.example.com, trafficPolicy: {tls: {mode: SIMPLE}}}
`;
const resources = (text: string) => readSources([{ name: 'f.yaml', text }], 'default').resources;
const found = (text: string, options: AnalysisOptions = {}) =>
  analyze(resources(text), options).map(({ code, resource }) => `${code} ${resource.namespace}`);

test('names of analyzers are unique', () => {
  assert.equal(new Set(ANALYZERS.map(({ name }) => name)).size, ANALYZERS.length);
});

describe('what is not reported', () => {
  const both = ['IST0128 a', 'IST0174 a'];

  test('other namespaces', () => {
    assert.deepEqual(found(rule('a') + rule('b'), { namespace: 'a' }), both);
  });

  test('codes that an annotation names', () => {
    assert.deepEqual(found(rule('a', '{galley.istio.io/analyze-suppress: "IST0001,IST0128"}')), ['IST0174 a']);
    assert.deepEqual(found(rule('a', '{galley.istio.io/analyze-suppress: "*"}')), []);
  });

  test('suppressions, with wildcards', () => {
    const suppress = (resource: string, code = 'IST0128') => found(rule('a'), { suppressions: [{ code, resource }] });
    for (const pattern of ['DestinationRule a/r', 'DestinationRule a/*', '*', 'Dest*Rule */r', '*r']) {
      assert.deepEqual(suppress(pattern), ['IST0174 a'], pattern);
    }
    for (const pattern of ['DestinationRule a', 'destinationrule a/r', 'Dest*Rule *b', 'DestinationRule a/r*r']) {
      assert.deepEqual(suppress(pattern), both, pattern);
    }
    assert.deepEqual(suppress('DestinationRule a/r', 'IST0001'), both);
  });
});

describe('resources of one name', () => {
  const service =
    '\n---\n{apiVersion: v1, kind: Service, metadata: {name: x, namespace: a}, spec: {ports: [{port: 80, name: http}]}}\n';

  test('of those in the same files the last counts, which is told', () => {
    const [message, ...more] = analyze(resources(service + service));
    assert.equal(
      formatMessage(message!),
      'Warning [ISTH0002] (Service a/x f.yaml:3) The resource is also defined at f.yaml:6, which takes its place. Remove one of the two.',
    );
    assert.deepEqual(more, []);
  });

  test('files are laid over a mesh', () => {
    const underlay = resources(rule('a') + rule('b'));
    const fixed = rule('a').replace('SIMPLE', 'DISABLE');
    assert.deepEqual(found(fixed, { underlay, complete: true }), ['IST0128 b', 'IST0174 a', 'IST0174 b']);
  });
});

describe("the mesh's own configuration", () => {
  const telemetry =
    '\n---\n{apiVersion: telemetry.istio.io/v1, kind: Telemetry, metadata: {name: t, namespace: a}, spec: {accessLogging: [{}]}}\n';
  const mesh = 'defaultProviders: {accessLogging: [envoy]}';
  const metadata = '{name: istio, namespace: istio-system}';

  test('from a file, a ConfigMap, or an installation', () => {
    assert.deepEqual(found(telemetry), ['IST0157 a']);
    assert.deepEqual(found(telemetry, { meshConfig: { text: mesh, file: 'm' } }), []);
    assert.deepEqual(
      found(`${telemetry}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: ${metadata}, data: {mesh: "${mesh}"}}`),
      [],
    );
    const operator = `{apiVersion: install.istio.io/v1alpha1, kind: IstioOperator, metadata: ${metadata}, spec: {meshConfig: {${mesh}}}}`;
    assert.deepEqual(found(`${telemetry}\n---\n${operator}`), []);
  });

  test('what is wrong with the file is told', () => {
    const [message] = analyze([], { meshConfig: { text: 'a: 1\nrootNamespace: 5', file: 'm.yaml' } });
    assert.equal(
      formatMessage(message!),
      'Error [IST0106] (MeshConfig istio-system/meshconfig m.yaml:1) Schema validation error: a is an unknown field; did you mean "ca"?',
    );
  });
});

describe('a running mesh', () => {
  const at = { file: 'mesh/web.yaml', line: 5, column: 1 };
  const raw = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'web', namespace: 'default' },
    spec: { hosts: ['web'], http: [{ route: [{ destination: { host: 'gone' } }] }] },
  };
  const object = {
    key: 'VirtualService/default/web',
    kind: 'VirtualService',
    raw,
    creationTimestamp: 0,
    generation: 1,
    at,
  };

  test('is all that there is', () => {
    const { options } = readRunningState([object], []);
    assert.deepEqual(
      analyze([], options).map((message) => formatMessage(message)),
      ['Error [IST0101] (VirtualService default/web mesh/web.yaml:5) Referenced host not found: "gone"'],
    );
  });

  test('tells what it has refused, and what it could not read', () => {
    const message = { message: 'must be a list, not the number 5', field: 'spec.hosts', at };
    const rejected = [
      { key: 'VirtualService/default/bad', messages: [message], lastGood: true },
      { key: 'Service/default/bad', messages: [message], lastGood: false },
      { key: 'mesh/broken.yaml', messages: [{ message: 'is not valid YAML', at }], lastGood: false },
    ];
    const { options, problems } = readRunningState([], rejected);
    assert.deepEqual(
      analyze([], options).map((m) => formatMessage(m)),
      [
        'Error [IST0106] (VirtualService default/bad mesh/web.yaml:5) Schema validation error: spec.hosts must be a list, not the number 5',
        'Error [ISTH0001] (Service default/bad mesh/web.yaml:5) The resource is not valid: spec.hosts must be a list, not the number 5',
      ],
    );
    assert.deepEqual(
      problems.map((problem) => problem.message),
      ['is not valid YAML'],
    );
  });

  test('has sidecars without an injector', () => {
    const namespace = { ...object, raw: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } } };
    assert.deepEqual(analyze([], readRunningState([namespace], []).options), []);
  });
});
