import type { HpackDecoder } from '../hpack/decoder.ts';
import type { HpackEncoder } from '../hpack/encoder.ts';
import { ErrorCode, Flag, MAX_31_BITS, Setting } from './constants.ts';
import type { Constraints } from './constraints.ts';
import { type ConnectionError, flood, flowControlError, frameSizeError, protocolError } from './errors.ts';
import type { FrameWriter } from './frame-writer.ts';
import type { Http2Options } from './options.ts';
import type { OutboundFlow } from './outbound-flow.ts';
import type { PeerSettings } from './settings.ts';
import type { Http2Stream } from './stream.ts';

/** What the frames of the connection act upon. */
export interface ConnectionParts {
  readonly options: Http2Options;
  readonly writer: FrameWriter;
  readonly constraints: Constraints;
  readonly peer: PeerSettings;
  readonly decoder: HpackDecoder;
  readonly encoder: HpackEncoder;
  readonly flow: OutboundFlow;
  readonly streams: ReadonlyMap<number, Http2Stream>;
}

/** What they tell the connection. */
export interface ConnectionFrameEvents {
  /** The peer's settings have been taken over. */
  settingsChanged(): void;
  goAwayReceived(lastStream: number, code: number): void;
}

/**
 * The frames that are about the connection and no stream: SETTINGS, PING and GOAWAY (RFC 9113 sections 6.5, 6.7 and
 * 6.8). Each method takes one frame and returns what ends the connection, if anything does.
 */
export class ConnectionFrames {
  readonly #parts: ConnectionParts;
  readonly #events: ConnectionFrameEvents;
  readonly #pings: { readonly id: number; readonly onAck: () => void }[] = [];
  #lastPing = 0;
  #acknowledged = false;
  /** The peer has sent its settings, as it must before anything else. */
  settingsSeen = false;

  constructor(parts: ConnectionParts, events: ConnectionFrameEvents) {
    this.#parts = parts;
    this.#events = events;
  }

  settings(flags: number, id: number, bytes: Buffer, start: number, end: number): ConnectionError | undefined {
    const { options, writer, constraints, decoder } = this.#parts;
    if (id !== 0) return protocolError('http2.settings_on_stream');
    if (flags & Flag.Ack) {
      if (start !== end) return frameSizeError('http2.settings_size');
      if (!this.#acknowledged) decoder.setLimit(options.hpackTableSize);
      this.#acknowledged = true;
      return undefined;
    }
    if ((end - start) % 6 !== 0) return frameSizeError('http2.settings_size');
    if (!constraints.noteSettings()) return flood('http2.inbound_settings_frames_flood');
    this.settingsSeen = true;
    for (let at = start; at < end; at += 6) {
      const wrong = this.#setting(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
      if (wrong !== undefined) return wrong;
    }
    writer.settingsAck();
    this.#events.settingsChanged();
    return undefined;
  }

  #setting(identifier: number, value: number): ConnectionError | undefined {
    const { writer, peer, encoder, flow, streams } = this.#parts;
    const before = peer.initialWindowSize;
    const code = peer.set(identifier, value);
    if (code !== ErrorCode.NoError) return { code, details: 'http2.invalid_setting' };
    if (identifier === Setting.HeaderTableSize) {
      encoder.setMaxTableSize(value);
    } else if (identifier === Setting.MaxFrameSize) {
      writer.maxFrameSize = value;
    } else if (identifier === Setting.InitialWindowSize && value !== before) {
      const fine = flow.shift(streams.values(), value - before);
      if (!fine) return flowControlError('http2.window_overflow');
    }
    return undefined;
  }

  /** Sends a PING; `onAck` is called when its answer comes, never if the connection ends before. */
  sendPing(onAck: () => void): void {
    const id = (this.#lastPing = (this.#lastPing + 1) >>> 0);
    this.#pings.push({ id, onAck });
    const data = Buffer.alloc(8);
    data.writeUInt32BE(id, 4);
    this.#parts.writer.ping(false, data, 0);
  }

  /** No answer to a PING will come any more. */
  forgetPings(): void {
    this.#pings.length = 0;
  }

  ping(flags: number, id: number, bytes: Buffer, at: number, length: number): ConnectionError | undefined {
    if (length !== 8) return frameSizeError('http2.ping_size');
    if (id !== 0) return protocolError('http2.ping_on_stream');
    if ((flags & Flag.Ack) === 0) {
      this.#parts.writer.ping(true, bytes, at);
      return undefined;
    }
    const first = this.#pings[0];
    if (first !== undefined && bytes.readUInt32BE(at) === 0 && bytes.readUInt32BE(at + 4) === first.id) {
      this.#pings.shift();
      first.onAck();
    }
    return undefined;
  }

  goAway(id: number, bytes: Buffer, at: number, length: number): ConnectionError | undefined {
    if (id !== 0) return protocolError('http2.goaway_on_stream');
    if (length < 8) return frameSizeError('http2.goaway_size');
    this.#events.goAwayReceived(bytes.readUInt32BE(at) & MAX_31_BITS, bytes.readUInt32BE(at + 4));
    return undefined;
  }
}
