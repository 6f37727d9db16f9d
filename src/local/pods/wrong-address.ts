import { isAnyAddress, listeningSocketsOf } from '../../process/listening-sockets.ts';
import { endOfLog } from '../../process/log-file.ts';
import type { ContainerOptions } from './container.ts';

/** Judges whether a program that shares its machine's network listens where its sidecar finds it: `where`. */
export function judgedByAddress(where: string, logFile: string): Pick<ContainerOptions, 'inspect' | 'explainEnd'> {
  return {
    inspect: (pid) => {
      const any = listeningSocketsOf(pid).find((socket) => isAnyAddress(socket.address));
      return any && `listens on ${any.address}:${any.port}, past its sidecar; it must listen on ${where}`;
    },
    explainEnd: () =>
      /EADDRINUSE|address already in use/i.test(endOfLog(logFile))
        ? `wants an address that is in use, such as one of its sidecar; it must listen on ${where}, not on 0.0.0.0`
        : undefined,
  };
}

/** A program that may listen wherever it likes. */
export const NOT_JUDGED: Pick<ContainerOptions, 'inspect' | 'explainEnd'> = {
  inspect: () => undefined,
  explainEnd: () => undefined,
};
