/** Where `tq dev` and `tq serve` listen when no port is asked for. */
export const DEFAULT_PORT = 8787
/** Where the gateway does. */
export const DEFAULT_GATEWAY_PORT = 8079
