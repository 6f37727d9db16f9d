import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { compileFilter } from '../../../../test/support/compile-filter.ts';
import { FakeClusters } from '../../../../test/support/fake-cluster.ts';
import { StubCallbacks } from '../../../../test/support/filter-callbacks.ts';
import { Headers } from '../../../wire/headers.ts';
import type { Route } from '../../router/route.ts';
import { extAuthz } from './definition.ts';

const GRPC = { grpcService: { envoyGrpc: { clusterName: 'authz' } } };
const HTTP = { httpService: { serverUri: { uri: 'http://a', cluster: 'authz', timeout: '1s' } } };

test('what is wrong is told with its path', () => {
  const table: [JsonObject, string][] = [
    [{}, 'services: grpc_service or http_service is needed'],
    [
      { grpcService: { googleGrpc: { targetUri: 'a', statPrefix: 'b' } } },
      'grpc_service.google_grpc: is not supported',
    ],
    [{ grpcService: { envoyGrpc: {} } }, 'grpc_service.envoy_grpc.cluster_name: must not be empty'],
    [{ httpService: { ...HTTP.httpService, pathPrefix: 'a' } }, 'http_service.path_prefix: must begin with "/"'],
    [{ httpService: {} }, 'http_service.server_uri.cluster: must not be empty'],
    [{ ...GRPC, withRequestBody: {} }, 'with_request_body.max_request_bytes: must be greater than 0'],
    [{ ...GRPC, statusOnError: { code: 'Continue' } }, 'status_on_error.code: 100 is not a status of a response'],
    [{ ...GRPC, decoderHeaderMutationRules: {} }, 'decoder_header_mutation_rules: is not supported'],
  ];
  for (const [json, want] of table) assert.equal(compileFilter(extAuthz, json).errors[0], want);
});

test('an answer of a web service comes to the request, and its clusters are counted while the filter lives', () => {
  const clusters = new FakeClusters('authz', 'backend');
  const { factory, worker, stats, errors } = compileFilter(extAuthz, { ...HTTP, statPrefix: 'one' }, { clusters });
  assert.deepEqual(errors, []);
  const callbacks = new StubCallbacks({ clusters });
  callbacks.route = {} as Route;
  callbacks.chosenCluster = { name: 'backend' } as typeof callbacks.chosenCluster;
  const filter = factory.create(callbacks)!;
  filter.requestHeaders!(Headers.request('GET', '/', 'a'), true);
  clusters.last.answer(401, 'no');
  assert.deepEqual(callbacks.calls, ['reply 401 no']);
  assert.equal(stats('http.test.ext_authz.one.').denied, 1);
  const counted = () => [...worker.stats.groups].filter(({ prefix }) => prefix === 'cluster.backend.ext_authz.one.');
  assert.deepEqual([...counted()[0].group.dynamic!()], [['denied', 1]]);
  factory.dispose!();
  assert.equal(counted().length, 0);
  assert.equal(worker.timers.waiting, 0);
});
