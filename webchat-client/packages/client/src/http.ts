/** The gateway's HTTP calls: address, token, and errors that say what to do. */
import { ClientError, type ClientErrorCode, type Surroundings } from "./types.ts";

export interface Call {
  method?: "POST" | "DELETE";
  body?: Blob | string;
  headers?: Record<string, string>;
  /** Without a token. */
  open?: boolean;
}

const CODES: Record<number, ClientErrorCode> = {
  401: "auth",
  403: "auth",
  404: "not_found",
  413: "too_large",
  429: "rate",
};

export type Http = (path: string, call?: Call) => Promise<Response>;

export function createHttp(world: Surroundings, url: string, token: () => string | null): Http {
  return async (path, { method, body, headers, open } = {}) => {
    const held = open ? null : token();
    const answer = await world
      .fetch(`${url}/webchat/v1/${path}`, {
        method: method ?? "GET",
        headers: { ...headers, ...(held ? { Authorization: `Bearer ${held}` } : {}) },
        credentials: "omit",
        ...(body === undefined ? {} : { body }),
      })
      .catch(() => {
        throw new ClientError("http", "the gateway can't be reached: try again later");
      });
    if (!answer.ok) {
      const { status } = answer;
      throw new ClientError(CODES[status] ?? "http", `the gateway answered ${status} to ${path.split("?")[0]}`, status);
    }
    return answer;
  };
}
