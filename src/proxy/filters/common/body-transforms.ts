import { DataStatus, type HttpFilter, TrailersStatus } from '../../http/filter.ts';
import type { BodyTransform } from './body-transform.ts';

/** A filter that may send the body of either message of a stream through a transformation. */
export abstract class BodyTransformingFilter implements HttpFilter {
  /** Set by the subclass when the headers have come, where the body is to be transformed. */
  protected request: BodyTransform | undefined = undefined;
  protected response: BodyTransform | undefined = undefined;

  requestData(chunk: Uint8Array, end: boolean): DataStatus {
    return transformData(this.request, chunk, end);
  }

  requestTrailers(): TrailersStatus {
    return transformTrailers(this.request);
  }

  responseData(chunk: Uint8Array, end: boolean): DataStatus {
    return transformData(this.response, chunk, end);
  }

  responseTrailers(): TrailersStatus {
    return transformTrailers(this.response);
  }

  destroy(): void {
    this.request?.destroy();
    this.response?.destroy();
  }
}

function transformData(transform: BodyTransform | undefined, chunk: Uint8Array, end: boolean): DataStatus {
  if (transform === undefined) return DataStatus.Continue;
  transform.data(chunk, end);
  return DataStatus.StopNoBuffer;
}

function transformTrailers(transform: BodyTransform | undefined): TrailersStatus {
  if (transform === undefined) return TrailersStatus.Continue;
  transform.trailers();
  return TrailersStatus.Stop;
}
