import type { Echo } from '../../../api/gen/envoy/extensions/filters/network/echo/v3/echo_pb.ts';
import { EchoSchema } from '../../../api/gen/envoy/extensions/filters/network/echo/v3/echo_pb.ts';
import type { Connection, ConnectionHandler } from '../../net/connection.ts';
import type { NetworkFilterDefinition } from '../../net/network-filter.ts';

/** Says back whatever a client says. */
export const echo: NetworkFilterDefinition<Echo> = {
  name: 'envoy.filters.network.echo',
  schema: EchoSchema,
  supported: { 'envoy.extensions.filters.network.echo.v3.Echo': [] },
  compile: () => ({ terminal: true, create: ({ connection }) => new EchoFilter(connection) }),
};

class EchoFilter implements ConnectionHandler {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#connection.write(Buffer.from(bytes.subarray(start, end)));
  }

  onEnd(): void {
    this.#connection.end();
  }

  onBackpressure(high: boolean): void {
    this.#connection.pauseReading(high);
  }

  onClose(): void {}
}
