/** Where `tq dev` and `tq serve` listen when no port is asked for. */
export const DEFAULT_PORT = 8787
