/** Files: checked, uploaded first, then the message that names them goes through the outbox like any other. */
import type { Body, FileBody, Message } from "./messages.ts";
import { isObject, textOf } from "./shape.ts";
import type { Core } from "./state.ts";
import { backoffMs, newId } from "./surroundings.ts";
import { ClientError } from "./types.ts";

export type Upload = Blob & { readonly name?: string };

export interface Uploads {
  send(file: Upload): Promise<{ id: string }>;
  /** Another try for a file that failed; false if `id` is none. */
  retry(id: string): boolean;
  forget(id: string): void;
}

/** `image/*`, `.pdf`, `text/plain`: as of an `<input accept>`. */
export function accepted(file: Upload, accept: readonly string[] | string | undefined): boolean {
  const rules = (typeof accept === "string" ? accept.split(",") : (accept ?? [])).map((rule) =>
    rule.trim().toLowerCase(),
  );
  const type = file.type.toLowerCase();
  const name = (file.name ?? "").toLowerCase();
  return (
    !rules.some(Boolean) ||
    rules.some((rule) =>
      rule.startsWith(".")
        ? name.endsWith(rule)
        : rule.endsWith("/*")
          ? type.startsWith(rule.slice(0, -1))
          : rule !== "" && (rule === type || rule === "*/*"),
    )
  );
}

const kindOf = (mime: string): FileBody["type"] | "image" | "audio" | "video" => {
  const kind = mime.split("/")[0];
  return kind === "audio" || kind === "video" || (kind === "image" && !mime.includes("svg")) ? kind : "file";
};

export function createUploads(core: Core, ready: () => Promise<void>): Uploads {
  const { state, put, timeline, world, http, emitter } = core;
  const files = new Map<string, Upload>();

  const run = async (id: string, file: Upload, begun: string | null): Promise<void> => {
    const mime = file.type || "application/octet-stream";
    const title = file.name ?? "file";
    for (let attempt = 0; files.has(id); attempt++) {
      try {
        await ready();
        const answer = await http("files", {
          method: "POST",
          body: file,
          headers: { "Content-Type": mime, "X-File-Name": encodeURIComponent(title) },
        });
        const data: unknown = await answer.json();
        const url = isObject(data) && textOf(data.url);
        if (!isObject(data) || !url || !files.has(id))
          throw new ClientError("upload", "the answer to an upload names no url");
        files.delete(id);
        const sniffed = textOf(data.mime) ?? mime;
        const local = timeline.find(id)?.body;
        const conv = begun ?? state().conversationId;
        core.queue({
          t: "send",
          id,
          ...(conv === null ? {} : { conv }),
          msg: {
            type: kindOf(sniffed),
            url,
            title: textOf(data.name) ?? title,
            mime: sniffed,
            size: file.size,
            file: textOf(data.id),
          },
        });
        if (local && "url" in local && local.url?.startsWith("blob:")) URL.revokeObjectURL(local.url);
        return;
      } catch (error) {
        const status = error instanceof ClientError ? error.status : undefined;
        const passing =
          error instanceof ClientError && error.code === "http" && (status === undefined || status >= 500);
        if (passing && attempt < 20) {
          await new Promise<void>((go) => world.setTimeout(go, 1000 + backoffMs(attempt, world.random)));
          continue;
        }
        const row = timeline.find(id);
        const message = row && {
          ...row,
          status: "failed" as const,
          error: error instanceof ClientError && error.code === "too_large" ? "too_large" : "upload",
        };
        if (message) {
          put(message);
          emitter.emit("messageFailed", { id, code: message.error, message });
        }
        throw error;
      }
    }
  };

  return {
    async send(file) {
      const { upload } = state().config ?? {};
      const max = upload?.maxBytes ?? state().limits.file;
      if (upload?.enabled === false) throw new ClientError("upload", "this channel takes no files");
      if (file.size > max) throw new ClientError("too_large", `the file is above the limit of ${max} bytes`);
      if (!accepted(file, upload?.accept))
        throw new ClientError("upload", `files of type ${file.type || "unknown"} are not taken here`);
      const id = newId(world.random);
      files.set(id, file);
      const kind = kindOf(file.type);
      let url = "";
      try {
        url = kind === "file" ? "" : URL.createObjectURL(file);
      } catch {
        // No picture before the upload, then.
      }
      const row: Message = {
        key: id,
        cid: id,
        conv: state().conversationId ?? "",
        from: "user",
        own: true,
        ts: world.now(),
        body: { type: kind, url, title: file.name ?? "file", mime: file.type, size: file.size } as Body,
        status: "sending",
      };
      put(row);
      await run(id, file, state().conversationId);
      return { id };
    },
    retry(id) {
      const file = files.get(id);
      const row = timeline.find(id);
      if (!file || !row) return false;
      const { error: _, ...rest } = row;
      put({ ...rest, status: "sending" });
      void run(id, file, row.conv || null).catch(() => undefined);
      return true;
    },
    forget: (id) => void files.delete(id),
  };
}
