import net from 'node:net';

/** Connects over TCP, and ends the connection at once. Throws why there is none within `timeoutMs` milliseconds. */
export async function tryConnect(at: net.TcpNetConnectOpts, timeoutMs: number): Promise<void> {
  const socket = net.connect(at);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.setTimeout(timeoutMs, () => reject(new Error(`no connection within ${timeoutMs} ms`)));
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
  } finally {
    socket.destroy();
  }
}
