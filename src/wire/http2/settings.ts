import { DEFAULT_MAX_FRAME_SIZE, DEFAULT_WINDOW, ErrorCode, MAX_31_BITS, Setting } from './constants.ts';
import type { Http2Options } from './options.ts';

const LARGEST_FRAME_SIZE = 0xffffff;

/** What we tell the peer, in Envoy's order. */
export function localSettings(options: Http2Options, server: boolean): [number, number][] {
  const settings: [number, number][] = server ? [] : [[Setting.EnablePush, 0]];
  settings.push(
    [Setting.HeaderTableSize, options.hpackTableSize],
    [Setting.EnableConnectProtocol, options.allowConnect ? 1 : 0],
    [Setting.MaxConcurrentStreams, options.maxConcurrentStreams],
    [Setting.InitialWindowSize, options.initialStreamWindowSize],
  );
  for (const [identifier, value] of options.customSettings) settings.push([identifier, value]);
  return settings;
}

/** What the peer has told us (RFC 9113 section 6.5.2). */
export class PeerSettings {
  readonly #server: boolean;
  maxConcurrentStreams = Number.POSITIVE_INFINITY;
  initialWindowSize = DEFAULT_WINDOW;
  /** It takes extended CONNECT (RFC 8441). */
  enableConnectProtocol = false;

  /** `server`: the peer is one. */
  constructor(server: boolean) {
    this.#server = server;
  }

  /** Takes one setting over. Returns the error that a forbidden value is. Unknown settings are ignored. */
  set(identifier: number, value: number): ErrorCode {
    switch (identifier) {
      case Setting.EnablePush:
        return value > 1 || (this.#server && value !== 0) ? ErrorCode.ProtocolError : ErrorCode.NoError;
      case Setting.MaxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return ErrorCode.NoError;
      case Setting.InitialWindowSize:
        if (value > MAX_31_BITS) return ErrorCode.FlowControlError;
        this.initialWindowSize = value;
        return ErrorCode.NoError;
      case Setting.MaxFrameSize:
        return value < DEFAULT_MAX_FRAME_SIZE || value > LARGEST_FRAME_SIZE
          ? ErrorCode.ProtocolError
          : ErrorCode.NoError;
      case Setting.EnableConnectProtocol:
        if (value > 1 || (this.enableConnectProtocol && value === 0)) return ErrorCode.ProtocolError;
        this.enableConnectProtocol = value === 1;
        return ErrorCode.NoError;
      default:
        return ErrorCode.NoError;
    }
  }
}
