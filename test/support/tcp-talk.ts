import net from 'node:net';
import type { TestContext } from 'node:test';

/** Conversations over plain TCP, with a server that speaks first. */

/** One turn of a client. */
export type Turn =
  /** Sends a text. */
  | { readonly say: string }
  /** Waits until this much has come in all. */
  | { readonly hear: string }
  /** Sends no more. */
  | 'end'
  /** Goes away without a word. */
  | 'leave';

export interface Talk {
  /** All that came. */
  readonly heard: string;
  readonly ended: 'fin' | 'reset' | 'left';
}

const PATIENCE_MS = 20_000;

/** Plays the turns, and waits until the other side ends the connection. */
export function talk(socket: net.Socket, turns: readonly Turn[]): Promise<Talk> {
  return new Promise((resolve, reject) => {
    let heard = '';
    let next = 0;
    let ended: Talk['ended'] = 'fin';
    const play = () => {
      while (next < turns.length) {
        const turn = turns[next];
        if (turn === 'end') socket.end();
        else if (turn === 'leave') {
          ended = 'left';
          socket.destroy();
        } else if ('say' in turn) socket.write(turn.say, 'latin1');
        else if (!heard.includes(turn.hear)) return;
        next++;
      }
    };
    socket.on('data', (more: Buffer) => {
      heard += more.toString('latin1');
      play();
    });
    socket.on('error', () => (ended = 'reset'));
    socket.on('close', () => resolve({ heard, ended }));
    socket.setTimeout(PATIENCE_MS, () => {
      reject(new Error(`after ${JSON.stringify(heard)} nothing happens at turn ${next}`));
      socket.destroy();
    });
    if (socket.connecting) socket.once('connect', play);
    else play();
  });
}

/** Greets whoever comes, says again what it hears, and says goodbye when the other has said all. */
export class Greeter {
  /** All that it heard, by connection. */
  readonly heard: string[] = [];

  async listen(t: TestContext): Promise<number> {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      const which = this.heard.push('') - 1;
      socket.on('error', () => {});
      socket.write('hello\n');
      socket.on('data', (more: Buffer) => {
        this.heard[which] += more.toString('latin1');
        socket.write(`you said ${more.toString('latin1')}\n`, 'latin1');
      });
      socket.on('end', () => socket.end('bye\n'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    return (server.address() as net.AddressInfo).port;
  }

  take(): string[] {
    return this.heard.splice(0);
  }
}
