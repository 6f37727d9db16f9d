import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { TagSpecifierSchema } from '../../../api/gen/envoy/config/metrics/v3/stats_pb.ts';
import { ConfigErrors } from '../../config/errors.ts';
import { requiredLiteral } from './literal.ts';
import { TagExtractor } from './tag-extractor.ts';

test('what every match contains', () => {
  for (const [regex, literal] of [
    ['^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)', 'cluster.'],
    ['_rq(_(\\d{3}))$', '_rq'],
    ['rbac(\\.(allowed|denied))', 'rbac'],
    ['(\\.istio_dry_run_(allow|deny)_)', '.istio_dry_run_'],
    ['(reporter=\\.=(.*?);\\.;)', 'reporter=.='],
    ['a|bcd', ''],
    ['ab?cd', 'cd'],
    ['ab{0,2}cd', 'cd'],
    ['abc+d', 'abc'],
    ['(abc)?de', 'de'],
    ['[abc]x', 'x'],
    ['[[:digit:]]x', 'x'],
    ['\\d\\wxy', 'xy'],
    ['(?:foo)+z', 'foo'],
    ['^listener(?=\\.).*?\\.http\\.', 'listener'],
  ] as const) {
    assert.equal(requiredLiteral(regex), literal, regex);
  }
});

function extractor(specifiers: readonly (readonly [string, string])[], defaults: boolean): TagExtractor {
  const errors = new ConfigErrors();
  const protos = specifiers.map(([tagName, value]) =>
    create(TagSpecifierSchema, { tagName, tagValue: { case: 'regex', value } }),
  );
  const result = new TagExtractor(protos, defaults, errors);
  assert.equal(errors.toString(), '');
  return result;
}

const show = (extractor: TagExtractor, name: string) => {
  const { name: rest, tags } = extractor.extract(name);
  return `${rest}{${tags.map(([k, v]) => `${k}=${v}`).join(',')}}`;
};

test('default tags are those of Envoy, in its order', () => {
  const defaults = extractor([], true);
  // Names and labels as Envoy 1.40 prints them.
  for (const [name, expected] of [
    ['cluster.c2.upstream_rq_total', 'cluster.upstream_rq_total{envoy.cluster_name=c2}'],
    ['cluster.c2.upstream_rq_503', 'cluster.upstream_rq{envoy.response_code=503,envoy.cluster_name=c2}'],
    ['cluster.c2.upstream_rq_2xx', 'cluster.upstream_rq_xx{envoy.response_code_class=2,envoy.cluster_name=c2}'],
    [
      'cluster.outbound|80||c.d.svc.cluster.local.bind_errors',
      'cluster.d.svc.cluster.local.bind_errors{envoy.cluster_name=outbound|80||c}',
    ],
    [
      'cluster.t.ssl.ciphers.ECDHE-ECDSA-AES128-GCM-SHA256',
      'cluster.ssl.ciphers{cipher_suite=ECDHE-ECDSA-AES128-GCM-SHA256,envoy.cluster_name=t}',
    ],
    ['cluster.t.ssl.versions.TLSv1.2', 'cluster.ssl.versions{envoy.ssl_version=TLSv1.2,envoy.cluster_name=t}'],
    ['cluster.t.ext_authz.e.error', 'cluster.ext_authz.error{envoy.cluster_name=t,envoy.ext_authz_prefix=e}'],
    ['http.p.ext_authz.e.ok', 'http.ext_authz.ok{envoy.ext_authz_prefix=e,envoy.http_conn_manager_prefix=p}'],
    ['http.p.rbac.allowed', 'http.rbac.allowed{envoy.http_conn_manager_prefix=p}'],
    ['http.p.rbac.rr.allowed', 'http.rbac.allowed{envoy.rbac_http_prefix=rr,envoy.http_conn_manager_prefix=p}'],
    [
      'http.p.rbac.rr.policy.p1.allowed',
      'http.rbac.policy.allowed{envoy.rbac_policy_name=p1,envoy.rbac_http_prefix=rr,envoy.http_conn_manager_prefix=p}',
    ],
    [
      'http.p.rbac.policy.p1.allowed',
      'http.rbac.policy.allowed{envoy.rbac_policy_name=p1,envoy.http_conn_manager_prefix=p}',
    ],
    ['tcp.rbac.allowed', 'allowed{envoy.rbac_prefix=tcp,envoy.tcp_prefix=rbac}'],
    ['tcp.x.downstream_cx_total', 'tcp.downstream_cx_total{envoy.tcp_prefix=x}'],
    [
      'vhost.v.vcluster.other.upstream_rq_total',
      'vhost.vcluster.upstream_rq_total{envoy.virtual_cluster=other,envoy.virtual_host=v}',
    ],
    [
      'vhost.v.route.r.upstream_rq_2xx',
      'vhost.route.upstream_rq_xx{envoy.response_code_class=2,envoy.virtual_host=v,envoy.route=r}',
    ],
    [
      'listener.127.0.0.1_9300.http.p.downstream_rq_2xx',
      'listener.http.downstream_rq_xx{envoy.response_code_class=2,envoy.http_conn_manager_prefix=p,envoy.listener_address=127.0.0.1_9300}',
    ],
    [
      'listener.127.0.0.1_9300.worker_1.downstream_cx_total',
      'listener.worker_downstream_cx_total{envoy.worker_id=1,envoy.listener_address=127.0.0.1_9300}',
    ],
    ['listener.[__1]_80.ssl.handshake', 'listener.ssl.handshake{envoy.listener_address=[__1]_80}'],
    ['listener.admin.downstream_cx_total', 'listener.admin.downstream_cx_total{}'],
    ['listener.my.lis.downstream_cx_total', 'listener.lis.downstream_cx_total{envoy.listener_address=my}'],
    ['hlr.http_local_rate_limit.ok', 'http_local_rate_limit.ok{envoy.local_http_ratelimit_prefix=hlr}'],
    ['local_rate_limit.l.rate_limited', 'local_rate_limit.rate_limited{envoy.local_network_ratelimit_prefix=l}'],
    ['connection_limit.c.active', 'connection_limit.active{envoy.connection_limit_prefix=c}'],
    ['sds.cert.update_success', 'sds.update_success{envoy.xds_resource_name=cert}'],
    ['server.worker_0.watchdog_miss', 'server.worker_watchdog_miss{envoy.worker_id=0}'],
    ['server.live', 'server.live{}'],
  ]) {
    assert.equal(show(defaults, name), expected);
  }
});

test("Istio's tags are taken as its bootstrap gives them", () => {
  const istio = extractor(
    [
      ['cluster_name', '^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)'],
      ['response_code', '_rq(_(\\d{3}))$'],
      ['response_code_class', '_rq(_(\\dxx))$'],
      [
        'http_conn_manager_listener_prefix',
        '^listener(?=\\.).*?\\.http\\.(((?:[_.[:digit:]]*|[_\\[\\]aAbBcCdDeEfF[:digit:]]*))\\.)',
      ],
      ['http_conn_manager_prefix', '^http\\.(((?:[_.[:digit:]]*|[_\\[\\]aAbBcCdDeEfF[:digit:]]*))\\.)'],
      ['listener_address', '^listener\\.(((?:[_.[:digit:]]*|[_\\[\\]aAbBcCdDeEfF[:digit:]]*))\\.)'],
      ['authz_enforce_result', 'rbac(\\.(allowed|denied))'],
    ],
    false,
  );
  for (const [name, expected] of [
    [
      'cluster.outbound|80|v1|c.d.svc.cluster.local.upstream_rq_200',
      'cluster.upstream_rq{response_code=200,cluster_name=outbound|80|v1|c.d.svc.cluster.local}',
    ],
    ['cluster.xds-grpc.upstream_rq_2xx', 'cluster.upstream_rq{response_code_class=2xx,cluster_name=xds-grpc}'],
    [
      'listener.0.0.0.0_80.http.0.0.0.0_80.downstream_rq_completed',
      'listener.http.downstream_rq_completed{http_conn_manager_listener_prefix=0.0.0.0_80,listener_address=0.0.0.0_80}',
    ],
    ['http.0.0.0.0_80.rbac.denied', 'http.rbac{authz_enforce_result=denied,http_conn_manager_prefix=0.0.0.0_80}'],
    ['listener.http.8_0.x', 'listener.http.x{http_conn_manager_listener_prefix=8_0}'],
    ['listenerhttp.8_0.x', 'listenerhttp.8_0.x{}'],
  ]) {
    assert.equal(show(istio, name), expected);
  }
});

test('tags that cannot be taken are errors', () => {
  for (const [tagName, value, message] of [
    ['x', '(', /is not valid/],
    ['x', 'abc', /needs a group/],
    ['nobody', '', /none of the tags that are built in/],
  ] as const) {
    const errors = new ConfigErrors();
    new TagExtractor([create(TagSpecifierSchema, { tagName, tagValue: { case: 'regex', value } })], true, errors);
    assert.match(errors.toString(), message);
  }
});
