/** Where the proxy and the agent of a pod are asked. */
export const PROXY_PORTS = { admin: 15000, status: 15020 } as const;
