import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePodNetwork, podAddressMap } from './pod-network.ts';

const base = { pod: '127.64.0.3', program: '127.128.0.3', sidecar: '127.192.0.3', podPrefix: '127.64.' };
const at = (text: string) => {
  const [address, port] = text.split(':');
  return { address, port: Number(port), family: 4 as const };
};
const show = (a: { address: string; port: number }) => `${a.address}:${a.port}`;

test('a sidecar: wildcards are the pod, localhost is its own, low ports move up without privilege', () => {
  const map = podAddressMap(parsePodNetwork(JSON.stringify(base)));
  const bind = (text: string) => map.bind(at(text)).map(show);
  assert.deepEqual(bind('0.0.0.0:8080'), ['127.64.0.3:8080']);
  assert.deepEqual(bind('0.0.0.0:80'), ['127.64.0.3:10080']);
  assert.deepEqual(bind('127.0.0.1:15002'), ['127.192.0.3:15002']);
  assert.deepEqual(bind('127.0.0.1:80'), ['127.192.0.3:10080']);
  assert.deepEqual(bind('127.64.0.3:80'), ['127.64.0.3:10080']);
  assert.deepEqual(bind('10.0.0.1:99'), ['10.0.0.1:99']);
});

test('localhost is the program to a sidecar that connects, but for the ports that are its own', () => {
  const map = podAddressMap(parsePodNetwork(JSON.stringify(base)));
  const connect = (text: string) => show(map.connect(at(text)));
  assert.equal(connect('127.0.0.1:8080'), '127.128.0.3:8080');
  assert.equal(connect('127.0.0.1:15000'), '127.192.0.3:15000');
  assert.equal(connect('127.64.0.9:80'), '127.64.0.9:10080');
  assert.equal(connect('127.64.0.9:8080'), '127.64.0.9:8080');
  assert.equal(connect('93.184.216.34:80'), '93.184.216.34:80');
});

test('connections to other pods come from the pod, as they would from a network of its own', () => {
  const map = podAddressMap(parsePodNetwork(JSON.stringify(base)));
  assert.equal(map.source(at('127.64.0.9:80')), '127.64.0.3');
  assert.equal(map.source(at('127.0.0.1:80')), undefined);
  assert.equal(map.source(at('93.184.216.34:80')), undefined);
});

test('with privilege ports stay what they are', () => {
  const map = podAddressMap(parsePodNetwork(JSON.stringify({ ...base, privileged: true })));
  assert.deepEqual(map.bind(at('0.0.0.0:80')).map(show), ['127.64.0.3:80']);
  assert.equal(show(map.connect(at('127.64.0.9:80'))), '127.64.0.9:80');
});

test('a gateway is published, by its service ports where it has some', () => {
  const publish = { address: '127.0.0.1', ports: { 8080: 8080, 8443: 8443 }, skip: [15021] };
  const map = podAddressMap(parsePodNetwork(JSON.stringify({ ...base, publish })));
  const bind = (text: string) => map.bind(at(text)).map(show);
  assert.deepEqual(bind('0.0.0.0:8443'), ['127.64.0.3:8443', '127.0.0.1:8443']);
  assert.deepEqual(bind('0.0.0.0:31400'), ['127.64.0.3:31400', '127.0.0.1:31400']);
  assert.deepEqual(bind('0.0.0.0:81'), ['127.64.0.3:10081', '127.0.0.1:8081']);
  assert.deepEqual(bind('0.0.0.0:15021'), ['127.64.0.3:15021']);
});

test('pods of a gateway share where it is published, and its place among pods with networks of their own', () => {
  const publish = {
    ...{ address: '127.0.0.1', ports: { 8080: 8080 }, skip: [15021], shared: true },
    inside: { address: '100.64.255.254', ports: { 8080: 80 } },
  };
  const network = { ...base, pod: '100.64.0.4', privileged: true, publish };
  const map = podAddressMap(parsePodNetwork(JSON.stringify(network)));
  const places = map.bind(at('0.0.0.0:8080'));
  assert.deepEqual(places.map(show), ['100.64.0.4:8080', '127.0.0.1:8080', '100.64.255.254:80']);
  assert.deepEqual(
    places.map((place) => map.isShared?.(place)),
    [false, true, true],
  );
  assert.equal(show(map.accepted(at('100.64.255.254:80'))), '100.64.0.4:8080');
  assert.deepEqual(map.bind(at('0.0.0.0:81')).map(show), ['100.64.0.4:81', '127.0.0.1:8081']);
  const alone = podAddressMap(parsePodNetwork(JSON.stringify({ ...network, publish: { ...publish, shared: false } })));
  assert.equal(alone.isShared?.(places[1]!), false);
});

test('an accepted connection has the address that the configuration knows', () => {
  const publish = { address: '127.0.0.1', ports: {}, skip: [] };
  const map = podAddressMap(parsePodNetwork(JSON.stringify({ ...base, publish })));
  map.bind(at('0.0.0.0:80'));
  assert.equal(show(map.accepted(at('127.64.0.3:10080'))), '127.64.0.3:80');
  assert.equal(show(map.accepted(at('127.0.0.1:8080'))), '127.64.0.3:80');
  assert.equal(show(map.accepted(at('127.0.0.1:99'))), '127.0.0.1:99');
});

test('the address that stands for the gateways leads to where they are published', () => {
  const map = podAddressMap({
    ...parsePodNetwork(
      '{"pod":"127.64.0.3","program":"127.128.0.3","sidecar":"127.192.0.3","podPrefix":"127.64.","privileged":false,"outside":{"address":"127.64.255.254","published":"127.0.0.1"},"hostsFile":"/pod/etc/hosts"}',
    ),
  });
  const connect = (address: string, port: number) => {
    const to = map.connect({ address, port, family: 4 });
    return `${to.address}:${to.port}`;
  };
  assert.equal(connect('127.64.255.254', 443), '127.0.0.1:8443');
  assert.equal(connect('127.64.255.254', 31400), '127.0.0.1:31400');
  assert.equal(connect('127.64.0.9', 443), '127.64.0.9:10443');
  assert.equal(map.hostsFile, '/pod/etc/hosts');
});

test('programs in a network of their own: what they send is taken in it, what they are sent where others know them', async () => {
  const inside = { link: '/pod/ns', rules: '', ports: [80, 9000] };
  const network = parsePodNetwork(JSON.stringify({ ...base, inside }));
  const taken: number[] = [];
  const within = {
    ports: inside.ports,
    listen(port: number) {
      taken.push(port);
      return Promise.reject(new Error('no socket'));
    },
    onChange: () => () => {},
  };
  const map = podAddressMap(network, within);
  const bind = (text: string) => map.bind(at(text)).map(show);
  assert.deepEqual(bind('0.0.0.0:15001'), ['0.0.0.0:15001']);
  await assert.rejects(map.listening!(at('0.0.0.0:15001'))!, { message: 'no socket' });
  assert.equal(map.listening!(at('127.64.0.3:9000')), undefined);
  assert.deepEqual(taken, [15001]);
  assert.deepEqual(bind('0.0.0.0:15006'), ['127.64.0.3:10080', '127.64.0.3:9000']);
  assert.equal(show(map.accepted(at('127.64.0.3:10080'))), '127.64.0.3:80');
  const connect = (text: string) => show(map.connect(at(text)));
  assert.equal(connect('127.64.0.3:80'), '127.128.0.3:10080');
  assert.equal(connect('127.0.0.1:9000'), '127.128.0.3:9000');
  assert.equal(connect('127.64.0.3:15020'), '127.64.0.3:15020');
  assert.equal(connect('127.64.0.9:80'), '127.64.0.9:10080');
  // One more is seen.
  within.ports = [...inside.ports, 9001];
  assert.deepEqual(bind('0.0.0.0:15006'), ['127.64.0.3:10080', '127.64.0.3:9000', '127.64.0.3:9001']);
  assert.equal(connect('127.64.0.3:9001'), '127.128.0.3:9001');
});
