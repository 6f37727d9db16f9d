import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import https from 'node:https';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { ownAddress } from '../../test/support/local-mesh.ts';
import { type Invitation, parseInvitation } from '../config/virtual-machine/invitation.ts';
import { type Invited, JOIN_PORT, JoinServer } from './join-server.ts';

const INVITED: Invited = { namespace: 'vms', group: 'legacy', expiresAt: Date.now() + 600_000, tokenTtlMs: 1000 };
const LATE = /^the code has expired, was used already, or is of an earlier run/;

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  /** Fingerprint of the certificate that was shown. */
  readonly shown: Buffer;
}

class Door {
  readonly address = ownAddress();
  #server: JoinServer | undefined;

  async open(t: TestContext): Promise<void> {
    this.#server = await JoinServer.open({
      address: this.address,
      look: ({ namespace, group }) => Promise.resolve({ namespace, group, discovery: '10.0.0.1:15012', ports: [9000] }),
      files: ({ group }, ip) => Promise.resolve({ 'cluster.env': `${group} at ${ip}` }),
    });
    t.after(() => this.#server!.close());
  }

  invite(more: Partial<Invited> = {}): Invitation {
    return parseInvitation(this.#server!.invite({ ...INVITED, ...more }, this.address));
  }

  post(path: string, body: string | object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      // Whether it is the right one is what the code is for.
      const where = { host: this.address, port: JOIN_PORT, path, method: 'POST', rejectUnauthorized: false };
      const request = https.request({ ...where, agent: false }, (response) => {
        const { raw } = (response.socket as TLSSocket).getPeerCertificate();
        const shown = createHash('sha256').update(raw).digest();
        let text = '';
        response.on('data', (chunk) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode!, body: JSON.parse(text), shown }));
      });
      request.on('error', reject);
      request.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  }
}

const secretOf = ({ secret }: Invitation) => ({ secret: secret.toString('base64url') });

test('a code names the door and its certificate, and is good for looking until it has been used', async (t) => {
  const door = new Door();
  await door.open(t);
  const invitation = door.invite();
  assert.deepEqual([invitation.host, invitation.port], [door.address, JOIN_PORT]);
  const secret = secretOf(invitation);
  for (let i = 0; i < 2; i++) {
    const { status, body, shown } = await door.post('/look', secret);
    assert.equal(status, 200);
    assert.deepEqual(body, { namespace: 'vms', group: 'legacy', discovery: '10.0.0.1:15012', ports: [9000] });
    assert.deepEqual(shown, invitation.fingerprint);
  }
  // What is wrong with a request does not cost the code.
  assert.deepEqual((await door.post('/join', { ...secret, ip: 'here' })).body, { error: 'ip must be an IP address' });
  const joins = await Promise.all([1, 2].map((n) => door.post('/join', { ...secret, ip: `192.0.2.${n}` })));
  assert.deepEqual(joins.map(({ status }) => status).sort(), [200, 403], 'of two at once, one is too late');
  const files = joins.find(({ status }) => status === 200)!.body.files as Record<string, string>;
  assert.match(files['cluster.env']!, /^legacy at 192\.0\.2\.[12]$/);
  const late = await door.post('/look', secret);
  assert.equal(late.status, 403);
  assert.match(String(late.body.error), LATE);
});

test('no code, a wrong one, one whose time is over', async (t) => {
  const door = new Door();
  await door.open(t);
  door.invite();
  const over = secretOf(door.invite({ expiresAt: Date.now() - 1 }));
  for (const body of [{}, { secret: 7 }, { secret: '' }, { secret: 'x'.repeat(22) }, over]) {
    const { status, body: answer } = await door.post('/look', body);
    assert.equal(status, 403, JSON.stringify(body));
    assert.match(String(answer.error), LATE);
  }
});

test('what is not a request', async (t) => {
  const door = new Door();
  await door.open(t);
  const secret = secretOf(door.invite());
  const error = async (path: string, body: string | object) => {
    const { status, body: answer } = await door.post(path, body);
    return `${status} ${answer.error}`;
  };
  assert.equal(await error('/', secret), '400 there is no POST /');
  assert.equal(await error('/look', '7'), '400 the request is not a JSON object');
  assert.match(await error('/look', '{'), /^400 .*JSON/);
  assert.equal(await error('/look', `"${'x'.repeat(70_000)}"`), '400 the request is larger than 65536 bytes');
});

test('the way to a machine is tried, and nothing is told of who else is there', async (t) => {
  const door = new Door();
  await door.open(t);
  const secret = secretOf(door.invite());
  const listen = async (greeting: string) => {
    const server = net.createServer((socket) => socket.on('error', () => {}).end(greeting));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    return (server.address() as net.AddressInfo).port;
  };
  const nonce = 'n'.repeat(32);
  const [right, wrong, silent] = [await listen(nonce), await listen('SSH-2.0-secret'), await listen('')];
  const closed = net.createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const refused = (closed.address() as net.AddressInfo).port;
  await new Promise((resolve) => closed.close(resolve));
  const ask = { ...secret, ip: '127.0.0.1', nonce };
  const { body } = await door.post('/check', { ...ask, ports: [right, wrong, silent, refused] });
  assert.deepEqual(body, {
    problems: [
      { port: wrong, problem: 'somebody else answers' },
      { port: silent, problem: 'somebody else answers' },
      { port: refused, problem: 'ECONNREFUSED' },
    ],
  });
  for (const [more, message] of [
    [{ ip: 'x' }, 'ip and nonce are needed'],
    [{ nonce: 'short' }, 'ip and nonce are needed'],
    [{ ports: [0] }, 'ports are needed'],
    [{ ports: Array.from({ length: 65 }, (_, i) => i + 1) }, 'ports are needed'],
  ] as const)
    assert.deepEqual((await door.post('/check', { ...ask, ports: [], ...more })).body, { error: message });
  const left = 50 - 5;
  await Promise.all(Array.from({ length: left }, () => door.post('/check', { ...ask, ports: [] })));
  const { status, body: last } = await door.post('/check', { ...ask, ports: [] });
  assert.deepEqual([status, last], [403, { error: 'the code was used for 50 checks; ask for a new one' }]);
});

test('a door that is taken', async (t) => {
  const door = new Door();
  await door.open(t);
  await assert.rejects(door.open(t), {
    name: 'UserError',
    message: `machines cannot be taken in at ${door.address}:15019: EADDRINUSE`,
  });
});
