import type { ProxyServer } from '../server.ts';

/** What an admin command answers. */
export interface AdminAnswer {
  readonly status?: number;
  readonly type?: string;
  readonly body: string;
}

/** One path of the admin interface. */
export interface AdminHandler {
  readonly path: string;
  readonly help: string;
  /** Changes something, and so takes POST only. */
  readonly mutates: boolean;
  run(proxy: ProxyServer, parameters: URLSearchParams): AdminAnswer;
}

/** The commands, in the order of `/help`. */
export const HANDLERS: readonly AdminHandler[] = [
  {
    path: '/ready',
    help: 'print server state, return 200 if LIVE, otherwise return 503',
    mutates: false,
    run: (proxy) => ({ status: proxy.live ? 200 : 503, body: `${proxy.state}\n` }),
  },
];
