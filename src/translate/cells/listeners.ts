import { toBinary } from '@bufbuild/protobuf';
import { ListenerSchema } from '../../api/gen/envoy/config/listener/v3/listener_pb.ts';
import { type Cell, TypeUrl } from '../cell.ts';
import { EncodedCell } from '../encoded-cell.ts';
import { listenersOf } from '../listener/listeners.ts';
import { locationsOf } from '../origins.ts';
import type { ProxyView } from '../proxy-view.ts';

/** The listeners of proxies. */
export class ListenerCells {
  all(proxy: ProxyView): readonly Cell[] {
    return listenersOf(proxy).map(
      ({ listener, sources }) =>
        new EncodedCell(
          TypeUrl.Listener,
          listener.name,
          () => toBinary(ListenerSchema, listener),
          () => locationsOf(sources),
        ),
    );
  }
}
