import type { FrameWriter } from './frame-writer.ts';
import type { Http2Options } from './options.ts';

/**
 * What a peer may do without any use to itself: the limits that keep a cheap stream of frames from costing us dear.
 * Names, formulas and defaults are Envoy's. Each `note` returns false once the peer has gone too far.
 */
export class Constraints {
  readonly #options: Http2Options;
  #emptyFrames = 0;
  #priorityFrames = 0;
  #settingsFrames = 0;
  #windowUpdates = 0;
  #prematureResets = 0;
  /** Streams that either side has opened. */
  opened = 0;

  constructor(options: Http2Options) {
    this.#options = options;
  }

  /** HEADERS, CONTINUATION or DATA: with nothing in it and no end? */
  noteFrame(empty: boolean): boolean {
    if (!empty) {
      this.#emptyFrames = 0;
      return true;
    }
    return ++this.#emptyFrames <= this.#options.maxConsecutiveInboundFramesWithEmptyPayload;
  }

  notePriority(): boolean {
    return ++this.#priorityFrames <= this.#options.maxInboundPriorityFramesPerStream * (1 + this.opened);
  }

  /** A change of the initial window touches every stream, so these are no cheaper than priorities. */
  noteSettings(): boolean {
    return ++this.#settingsFrames <= this.#options.maxInboundPriorityFramesPerStream * (1 + this.opened);
  }

  noteWindowUpdate(dataFramesSent: number): boolean {
    const perData = this.#options.maxInboundWindowUpdateFramesPerDataFrameSent;
    return ++this.#windowUpdates <= 5 + 2 * (this.opened + perData * dataFramesSent);
  }

  /** A request ended by RST_STREAM, the peer's or one that it provoked, before it was answered. */
  notePrematureReset(openedAt: number): boolean {
    const { now, prematureResetAge, maxPrematureResets } = this.#options;
    if (now !== undefined && now() - openedAt >= prematureResetAge) return true;
    return ++this.#prematureResets <= maxPrematureResets || this.#prematureResets * 2 <= this.opened;
  }

  /** Whether what waits for a peer that does not read is within bounds. */
  outboundFine(writer: FrameWriter): boolean {
    return (
      writer.waitingFrames <= this.#options.maxOutboundFrames &&
      writer.waitingControlFrames <= this.#options.maxOutboundControlFrames
    );
  }
}
