import type { Connection, ConnectionHandler, SocketAddress, TlsInfo } from './connection.ts';

/** Stands for a connection and is that connection, but for what a subclass does in its own way. */
export class DelegatingConnection implements Connection {
  protected readonly connection: Connection;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  setHandler(handler: ConnectionHandler): void {
    this.connection.setHandler(handler);
  }

  get id(): number {
    return this.connection.id;
  }

  get local(): SocketAddress {
    return this.connection.local;
  }

  get remote(): SocketAddress {
    return this.connection.remote;
  }

  get directRemote(): SocketAddress {
    return this.connection.directRemote;
  }

  get originalDestination(): SocketAddress | undefined {
    return this.connection.originalDestination;
  }

  get requestedServerName(): string {
    return this.connection.requestedServerName;
  }

  get tls(): TlsInfo | undefined {
    return this.connection.tls;
  }

  get bytesReceived(): number {
    return this.connection.bytesReceived;
  }

  get bytesSent(): number {
    return this.connection.bytesSent;
  }

  get closed(): boolean {
    return this.connection.closed;
  }

  get filterChainName(): string {
    return this.connection.filterChainName;
  }

  get filterState(): Map<string, unknown> | undefined {
    return this.connection.filterState;
  }

  set filterState(state: Map<string, unknown> | undefined) {
    this.connection.filterState = state;
  }

  write(chunk: Uint8Array): void {
    this.connection.write(chunk);
  }

  writeLatin1(text: string): void {
    this.connection.writeLatin1(text);
  }

  start(): void {
    this.connection.start();
  }

  pauseReading(pause: boolean): void {
    this.connection.pauseReading(pause);
  }

  end(): void {
    this.connection.end();
  }

  closeAfterFlush(delayMs: number): void {
    this.connection.closeAfterFlush(delayMs);
  }

  close(details?: string): void {
    this.connection.close(details);
  }

  reset(): void {
    this.connection.reset();
  }
}
